-- The relay has accepted the first mail.
-- KEYS[1]  lg:a:<attempt id>
-- ARGV[1]  'on' or 'off': whether records are fenced
-- ARGV[2]  nonce of the link that was mailed
-- Result   'ok' fields, 'lost', 'superseded'
local record = load()
if not record then return 'lost' end
if record.n ~= ARGV[2] then return 'superseded' end
if redis.call('HDEL', KEYS[1], 'm') == 1 then publish() end
return ok()
