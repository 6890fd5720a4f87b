-- Writes a new attempt; leaves one that is there, unless it was abandoned or cannot be vouched for.
-- KEYS[1]  lg:a:<attempt id>
-- ARGV[1]  'on' or 'off': whether records are fenced
-- ARGV[2]  now, in unix seconds
-- ARGV[3]  time to live, in milliseconds; the record is gone at once when it is not above zero
-- ARGV[4]  nonce
-- ARGV[5]  for how many seconds the first mail may take, until the attempt counts as abandoned
-- ARGV[6…] names and values of the record's fields
-- Result   'fresh', or 'ok' fields of the attempt that is there
local there = load()
if there then
  -- The same nonce: this very creation, repeated because its reply was lost.
  if there.n == ARGV[4] then return 'fresh' end
  local abandoned = there.m and there.s == 'p' and tonumber(ARGV[2]) >= tonumber(there.c) + tonumber(ARGV[5])
  if not abandoned then return ok() end
end
-- Only what is there: a server that is out of memory refuses a script's first write, and none after it.
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'f', fence(), unpack(ARGV, 6))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if there then publish() end
return 'fresh'
