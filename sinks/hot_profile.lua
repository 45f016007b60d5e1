#!lua name=livetags_hot_2
-- Guarded atomic changes of one user's hot profile, loaded into the server by sinks/hot_functions.py.
-- KEYS of both: profile hash, evidence string, tombstone, whose the identifier is (same hash tag).

-- ARGV: version, expiry (ms since the epoch), evidence JSON, newest erasure the profile takes account of (ms, 0 for
-- none), then field, value, field, value ... of the full snapshot.
-- Returns 1 when written, 0 when the stored version is newer, or the user was erased and the profile doesn't know.
-- An equal version is rewritten: replays are harmless. A profile that knows of a later erasure is newer whatever its
-- version, and that is kept in the profile itself, so the tombstone may expire.
local function put_profile(keys, args)
  local erased = tonumber(args[4])
  local tombstone = redis.call('GET', keys[3])
  if tombstone and erased < tonumber(tombstone) then
    return 0
  end
  local stored = redis.call('HMGET', keys[1], '_version', '_erased_ms')
  local stored_erased = tonumber(stored[2] or '0')
  if erased < stored_erased or (erased == stored_erased and stored[1] and stored[1] > args[1]) then
    return 0
  end
  redis.call('DEL', keys[1])
  -- unpack() has a limit of some thousands of values; the chunk is even, so pairs stay together
  for first = 5, #args, 1000 do
    redis.call('HSET', keys[1], unpack(args, first, math.min(first + 999, #args)))
  end
  redis.call('PEXPIREAT', keys[1], args[2])
  redis.call('SET', keys[2], args[3], 'PXAT', args[2])
  return 1
end

-- ARGV: 'move' or 'erase'; of an erasure its time (ms) and until when the tombstone stays (ms since the epoch).
-- Returns how many profiles went: 1 or 0. A tombstone only ever gets newer and stays longer.
local function remove_profile(keys, args)
  local removed = redis.call('DEL', keys[1])
  redis.call('DEL', keys[2])
  if args[1] == 'erase' then
    local known = tonumber(redis.call('GET', keys[3]) or '0')
    local expiry = math.max(tonumber(args[3]), redis.call('PEXPIRETIME', keys[3]))
    redis.call('SET', keys[3], string.format('%.0f', math.max(known, tonumber(args[2]))),
      'PXAT', string.format('%.0f', expiry))
  end
  return removed
end

redis.register_function('livetags_put_profile_2', put_profile)
-- A full server must not keep what is to be erased
redis.register_function{function_name='livetags_remove_profile_2', callback=remove_profile, flags={'allow-oom'}}
