-- Stands before every other script of this directory. What all of them share:
-- KEYS[1]  the one key that the script touches
-- ARGV[1]  'on' or 'off': whether records are fenced
--
-- A record is vouched for by the server process that wrote it, as long as it writes the same history: a restart
-- changes `run_id`, a failover or a full resynchronisation `master_replid`. The fence is a hash of both.
--
-- A reply is one text, which both sides make and read more cheaply than an array: words on its first line, which
-- begin with 'ok', 'lost', 'superseded', 'over' (then a status) or 'too_soon' (then a time in unix seconds). After 'ok'
-- follow the fields of the record: a line for each name, and one for its value.
local OVER = { v = 'verified', d = 'denied', x = 'canceled', f = 'failed' }

local function info(section)
  local text = redis.pcall('INFO', section)
  if type(text) ~= 'string' then error({ err = 'NOFENCE the server hides INFO from scripts' }) end
  return text
end

local function fence()
  if ARGV[1] == 'off' then return '' end
  local replication = info('replication')
  -- A master that was demoted must send the client on, not tell it that records are lost.
  if string.match(replication, 'role:(%w+)') == 'slave' then error({ err = 'READONLY this is a replica' }) end
  local run, history = string.match(info('server'), 'run_id:(%w+)'), string.match(replication, 'master_replid:(%w+)')
  if not (run and history) then error({ err = 'NOFENCE the server hides INFO from scripts' }) end
  return string.sub(redis.sha1hex(run .. history), 1, 16)
end

-- The record as a table, and as it is kept: names and values in turn. Nil when there is none that the server can vouch
-- for.
local function load()
  -- Before anything is said of the record, even that it is not there: a replica may lack what its master has.
  local present = fence()
  local flat = redis.pcall('HGETALL', KEYS[1])
  if flat.err then
    if string.find(flat.err, 'WRONGTYPE', 1, true) then return nil end
    error(flat)
  end
  local record = {}
  for i = 1, #flat, 2 do record[flat[i]] = flat[i + 1] end
  if not record.f or record.f ~= present then return nil end
  return record, flat
end

-- The status of a record that is over at `now`, or nil.
local function over(record, now)
  if record.s ~= 'p' and record.s ~= 'c' then return OVER[record.s] or 'failed' end
  if tonumber(now) >= tonumber(record.e) then return 'expired' end
  return nil
end

local function with(flat, ...)
  return table.concat({ 'ok', ... }, ' ') .. '\n' .. table.concat(flat, '\n')
end

local function ok(...)
  return with(redis.call('HGETALL', KEYS[1]), ...)
end

-- Tells every replica that the attempt of KEYS[1] ('lg:a:' and its id) has changed.
local function publish()
  redis.call('PUBLISH', 'lg:changes', string.sub(KEYS[1], 6))
end
