-- Forgets an attempt whose first mail could not be sent.
-- KEYS[1]  lg:a:<attempt id>
-- ARGV[1]  'on' or 'off': whether records are fenced
-- ARGV[2]  nonce of the link that could not be mailed
-- Result   'lost': it is gone now; or 'superseded': another link has come, nothing was done
local record = load()
if not record then return 'lost' end
if record.n ~= ARGV[2] then return 'superseded' end
redis.call('DEL', KEYS[1])
publish()
return 'lost'
