-- Consumes the nonce of a ticket, once.
-- KEYS[1]  lg:t:<nonce>
-- ARGV[1]  'on' or 'off': whether records are fenced
-- Result   'ok' once; 'lost' when it is not there, was consumed, or cannot be vouched for
local vouched = 'f' .. fence()
if redis.call('GET', KEYS[1]) ~= vouched then return 'lost' end
-- Kept as consumed for the rest of its minute, so that put_ticket does not bring it back.
redis.call('SET', KEYS[1], '-', 'KEEPTTL')
return 'ok'
