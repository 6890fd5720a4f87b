-- A new link takes the place of the newest one. It ends with the attempt, if not before; the time to live stays as
-- it is.
-- KEYS[1]  lg:a:<attempt id>
-- ARGV[1]  'on' or 'off': whether records are fenced
-- ARGV[2]  now, in unix seconds
-- ARGV[3]  nonce of the new link
-- ARGV[4]  when the new link ends, in unix seconds
-- ARGV[5]  when another mail may be asked for, in unix seconds
-- Result   'ok <nonce> <end> <next mail>' fields with the last three of the link that was replaced; 'lost',
--          'over <status>', 'too_soon <time>'
local record = load()
if not record then return 'lost' end
local ended = over(record, ARGV[2])
if ended then return 'over ' .. ended end
if tonumber(ARGV[2]) < tonumber(record.r) then return 'too_soon ' .. record.r end
local ends = tonumber(ARGV[4]) < tonumber(record.l) and ARGV[4] or record.l
local same = record.s == 'p' and record.n == ARGV[3] and record.e == ends and record.r == ARGV[5]
redis.call('HSET', KEYS[1], 's', 'p', 'n', ARGV[3], 'e', ends, 'r', ARGV[5])
if not same then publish() end
return ok(record.n, record.e, record.r)
