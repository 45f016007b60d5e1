#!lua name=livetags_hot_1
-- Guarded atomic write of one user's hot profile, loaded into the server by sinks/redis_hot.py.
-- KEYS: profile hash, evidence string (same hash tag). ARGV: version, expiry (ms since the epoch), evidence JSON,
-- then field, value, field, value ... of the full snapshot.
-- Returns 1 when written, 0 when the stored version is newer. An equal version is rewritten: replays are harmless.
local function put_profile(keys, args)
  local stored = redis.call('HGET', keys[1], '_version')
  if stored and stored > args[1] then
    return 0
  end
  redis.call('DEL', keys[1])
  -- unpack() has a limit of some thousands of values; the chunk is even, so pairs stay together
  for first = 4, #args, 1000 do
    redis.call('HSET', keys[1], unpack(args, first, math.min(first + 999, #args)))
  end
  redis.call('PEXPIREAT', keys[1], args[2])
  redis.call('SET', keys[2], args[3], 'PXAT', args[2])
  return 1
end

redis.register_function('livetags_put_profile_1', put_profile)
