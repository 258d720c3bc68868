-- KEYS: buckets. ARGV: now in microseconds or '', whether to consume, then limit and span per bucket.
-- All buckets have room, or nothing is counted anywhere. One list per bucket: what was admitted, oldest first.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local admitted = 1
local standings = {}
for i, key in ipairs(KEYS) do
  local limit, span = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2])
  local newest = tonumber(redis.call('LINDEX', key, -1) or 0)
  if newest > now then
    -- The clock was set back: no time passed, so what was admitted moves back with it.
    local all = redis.call('LRANGE', key, 0, -1)
    redis.call('DEL', key)
    for _, at in ipairs(all) do
      redis.call('RPUSH', key, string.format('%.0f', tonumber(at) - (newest - now)))
    end
    redis.call('PEXPIRE', key, math.ceil(span / 1000) + 1000)
  end
  local oldest = tonumber(redis.call('LINDEX', key, 0) or now)
  while now - oldest >= span do
    redis.call('LPOP', key)
    oldest = tonumber(redis.call('LINDEX', key, 0) or now)
  end
  local used, wait = redis.call('LLEN', key), 0
  if used >= limit then
    wait = tonumber(redis.call('LINDEX', key, used - limit)) + span - now
    admitted = 0
  end
  local resets = 0
  if used > 0 then resets = oldest + span - now end
  standings[i] = { used, resets, wait }
end
if admitted == 1 and ARGV[2] == '1' then
  for i, key in ipairs(KEYS) do
    local span = tonumber(ARGV[2 * i + 2])
    redis.call('RPUSH', key, string.format('%.0f', now))
    redis.call('PEXPIRE', key, math.ceil(span / 1000) + 1000)
    standings[i][1] = standings[i][1] + 1
    if standings[i][1] == 1 then standings[i][2] = span end
  end
end
return { admitted, standings }
