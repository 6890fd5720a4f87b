-- The requester cancels. May be repeated.
-- KEYS[1]  lg:a:<attempt id>
-- ARGV[1]  'on' or 'off': whether records are fenced
-- ARGV[2]  now, in unix seconds
-- Result   'ok changed' fields, 'ok' fields when repeated, 'lost', 'over <status>'
local record = load()
if not record then return 'lost' end
if record.s == 'x' then return ok() end
local ended = over(record, ARGV[2])
if ended then return 'over ' .. ended end
redis.call('HSET', KEYS[1], 's', 'x')
publish()
return ok('changed')
