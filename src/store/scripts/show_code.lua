-- The opener is shown the relay code. May be repeated.
-- KEYS[1]  lg:a:<attempt id>
-- ARGV[1]  'on' or 'off': whether records are fenced
-- ARGV[2]  nonce of the link
-- ARGV[3]  now, in unix seconds
-- Result   'ok' fields, 'lost', 'superseded', 'over <status>'
local record = load()
if not record then return 'lost' end
if record.n ~= ARGV[2] then return 'superseded' end
local ended = over(record, ARGV[3])
if ended then return 'over ' .. ended end
if record.s ~= 'c' then
  redis.call('HSET', KEYS[1], 's', 'c')
  publish()
end
return ok()
