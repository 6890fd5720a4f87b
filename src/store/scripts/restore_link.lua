-- Puts the previous link back, since the mail with the newest one could not be sent.
-- KEYS[1]  lg:a:<attempt id>
-- ARGV[1]  'on' or 'off': whether records are fenced
-- ARGV[2]  nonce of the link that could not be mailed
-- ARGV[3]  now, in unix seconds
-- ARGV[4]  nonce of the previous link
-- ARGV[5]  when the previous link ends, in unix seconds
-- ARGV[6]  when another mail may be asked for, in unix seconds
-- Result   'ok' fields, 'lost', 'superseded', 'over <status>'
local record = load()
if not record then return 'lost' end
if record.n ~= ARGV[2] then return 'superseded' end
local ended = over(record, ARGV[3])
if ended then return 'over ' .. ended end
local same = record.s == 'p' and record.n == ARGV[4] and record.e == ARGV[5] and record.r == ARGV[6]
redis.call('HSET', KEYS[1], 's', 'p', 'n', ARGV[4], 'e', ARGV[5], 'r', ARGV[6])
if not same then publish() end
return ok()
