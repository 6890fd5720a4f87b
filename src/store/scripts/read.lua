-- Reads an attempt; writes nothing.
-- KEYS[1]  lg:a:<attempt id>
-- ARGV[1]  'on' or 'off': whether records are fenced
-- Result   'ok' fields, 'lost'
local record, flat = load()
if not record then return 'lost' end
return with(flat)
