-- An opener confirms or denies. Repeated with the same confirmation, it gives the same answer.
-- KEYS[1]  lg:a:<attempt id>
-- ARGV[1]  'on' or 'off': whether records are fenced
-- ARGV[2]  nonce of the link
-- ARGV[3]  now, in unix seconds
-- ARGV[4]  confirmation id
-- ARGV[5]  verdict: 'v' verify, 'd' deny
-- ARGV[6]  who is signed in: 'r' requester, 'o' opener, 'b' both, '' nobody
-- ARGV[7]  '1' when the opener is the requester's own client, else ''
-- Result   'ok changed' fields, 'ok' fields when repeated, 'lost', 'superseded', 'over <status>'
local record = load()
if not record then return 'lost' end
if record.n ~= ARGV[2] then return 'superseded' end
if record.s == ARGV[5] and record.i == ARGV[4] then return ok() end
local ended = over(record, ARGV[3])
if ended then return 'over ' .. ended end
if ARGV[5] == 'v' then
  redis.call('HSET', KEYS[1], 's', 'v', 'v', ARGV[3], 'w', ARGV[6], 'o', ARGV[7], 'i', ARGV[4])
else
  redis.call('HSET', KEYS[1], 's', 'd', 'i', ARGV[4])
end
publish()
return ok('changed')
