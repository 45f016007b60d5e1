#!lua name=livetags_triggers_1
-- Adding triggers to their stream, each once, and taking an erased person's out; loaded by sinks/trigger_functions.py.
-- KEYS of both: the stream, what is remembered of a trigger (of erasing: unused), the ids of a person's entries, the
-- person's tombstone. All of one hash tag.

-- ARGV: when it was decided (ms), when it arose (ms), how long it stays and is remembered (ms), then the entry's field,
-- value, field, value ...
-- Returns when it was decided and when it could be read first (ms since the epoch): of a trigger that was added before
-- what was true then. 0 and 0: not added, the person was erased after it arose.
local function add_trigger(keys, args)
  local known = redis.call('GET', keys[2])
  if known then
    local decided, sent = known:match('(%d+) (%d+)')
    return {tonumber(decided), tonumber(sent)}
  end
  local erased = redis.call('GET', keys[4])
  if erased and tonumber(args[2]) <= tonumber(erased) then
    return {0, 0}
  end
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local kept = string.format('%.0f', now - args[3])
  local entry = redis.call('XADD', keys[1], 'MINID', '~', kept, '*', unpack(args, 4))
  redis.call('SET', keys[2], string.format('%s %.0f', args[1], now), 'PX', args[3])
  redis.call('RPUSH', keys[3], entry)
  redis.call('PEXPIRE', keys[3], args[3])
  local oldest = redis.call('LINDEX', keys[3], 0)
  while tonumber(oldest:match('%d+')) < tonumber(kept) do
    redis.call('LPOP', keys[3])
    oldest = redis.call('LINDEX', keys[3], 0)
  end
  return {tonumber(args[1]), now}
end

-- ARGV: time of the erasure (ms), until when the tombstone stays (ms since the epoch).
-- Returns how many entries went: nobody can read them any more. The server frees their bytes with the last entry of
-- their node (of up to 100), at the latest when age trims it. What is remembered of the triggers stays, and names
-- nobody: a replay adds none again.
local function erase_triggers(keys, args)
  local removed = 0
  for _, entry in ipairs(redis.call('LRANGE', keys[3], 0, -1)) do
    removed = removed + redis.call('XDEL', keys[1], entry)
  end
  redis.call('DEL', keys[3])
  local known = tonumber(redis.call('GET', keys[4]) or '0')
  local expiry = math.max(tonumber(args[2]), redis.call('PEXPIRETIME', keys[4]))
  redis.call('SET', keys[4], string.format('%.0f', math.max(known, tonumber(args[1]))),
    'PXAT', string.format('%.0f', expiry))
  return removed
end

redis.register_function('livetags_add_trigger_1', add_trigger)
-- A full server must not keep what is to be erased
redis.register_function{function_name='livetags_erase_triggers_1', callback=erase_triggers, flags={'allow-oom'}}
