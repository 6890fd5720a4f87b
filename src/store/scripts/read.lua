-- Reads an attempt; writes nothing.
-- KEYS[1]  lg:a:<attempt id>
-- ARGV[1]  'on' or 'off': whether records are fenced
-- Result   {'ok', fields}, {'lost'}
if not load() then return { 'lost' } end
return ok()
