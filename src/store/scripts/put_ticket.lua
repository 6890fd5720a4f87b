-- Allow-lists the nonce of a ticket. One that was there before, consumed or not, is left as it is: a command
-- that was delayed on its way must not bring a consumed ticket back.
-- KEYS[1]  lg:t:<nonce>
-- ARGV[1]  'on' or 'off': whether records are fenced
-- ARGV[2]  time to live, in milliseconds
-- Result   'ok'
redis.call('SET', KEYS[1], 'f' .. fence(), 'NX', 'PX', ARGV[2])
return 'ok'
