-- The requester types a relay code in.
-- KEYS[1]  lg:a:<attempt id>
-- ARGV[1]  'on' or 'off': whether records are fenced
-- ARGV[2]  nonce of the link that the code was compared for
-- ARGV[3]  now, in unix seconds
-- ARGV[4]  '1' when the code is the right one for that nonce, else ''
-- ARGV[5]  who is signed in by it: 'r' requester, 'o' opener, 'b' both, '' nobody
-- Result   'ok right' fields, 'ok again' fields when repeated, 'ok wrong <tries left>' fields, 'lost', 'over <status>'
local record = load()
if not record then return 'lost' end
local current, right = record.n == ARGV[2], ARGV[4] == '1'
-- Verified without a confirmation: it was a code that did it, and this is its repetition.
if record.s == 'v' and not record.i and current and right then return ok('again') end
local ended = over(record, ARGV[3])
if ended then return 'over ' .. ended end
if record.s ~= 'c' or not current then return ok('wrong', record.t) end
if right then
  redis.call('HSET', KEYS[1], 's', 'v', 'v', ARGV[3], 'w', ARGV[5], 'o', '')
  publish()
  return ok('right')
end
local left = math.max(tonumber(record.t) - 1, 0)
redis.call('HSET', KEYS[1], 't', left)
if left == 0 then redis.call('HSET', KEYS[1], 's', 'f', 'y', 'c') end
publish()
return ok('wrong', tostring(left))
