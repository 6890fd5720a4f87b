-- The relay rejected the recipient of the newest link.
-- KEYS[1]  lg:a:<attempt id>
-- ARGV[1]  'on' or 'off': whether records are fenced
-- ARGV[2]  nonce of the link that could not be mailed
-- ARGV[3]  now, in unix seconds
-- Result   'ok' fields, 'lost', 'superseded', 'over <status>'
local record = load()
if not record then return 'lost' end
if record.n ~= ARGV[2] then return 'superseded' end
local ended = over(record, ARGV[3])
if ended then return 'over ' .. ended end
redis.call('HSET', KEYS[1], 's', 'f', 'y', 'm')
publish()
return ok()
