-- KEYS: state, failures, successes, opened_at, trials, samples of one account; the states of all accounts
-- (a hash); the state of the platform. ARGV: now or '', what to do, account, then the rules: threshold,
-- recovery, successes, trials, lease, percent, samples, fewest; then trial (0/1) and ending for 'exit'.
-- The walk is that of the breaker in memory, line by line; the same tests hold both to it.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local act, account = ARGV[2], ARGV[3]
local threshold, recovery, enough = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local most_trials, lease, percent = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local most_samples, fewest = tonumber(ARGV[10]), tonumber(ARGV[11])
local number = function(key) return tonumber(redis.call('GET', key) or 0) end
local opened = function() return math.floor(number(KEYS[4]) * 1000000 + 0.5) end

local show = function(state)
  redis.call('SET', KEYS[1], state)
  redis.call('HSET', KEYS[7], account, state)
  local worst = 'closed'
  for _, one in ipairs(redis.call('HVALS', KEYS[7])) do
    if one == 'open' or (one == 'half_open' and worst == 'closed') then worst = one end
  end
  redis.call('SET', KEYS[8], worst)
end
local close = function()
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6])
  show('closed')
end
local open = function()
  redis.call('DEL', KEYS[3], KEYS[5], KEYS[6])
  redis.call('SET', KEYS[2], math.max(number(KEYS[2]), 1))
  redis.call('SET', KEYS[4], string.format('%.6f', now / 1000000))
  show('open')
end
local look = function()
  local state = redis.call('GET', KEYS[1])
  if not state then
    show('closed')
    return 'closed'
  end
  if state == 'open' then
    local at = opened()
    if at > now then
      at = now
      redis.call('SET', KEYS[4], string.format('%.6f', now / 1000000))
    end
    if now - at >= recovery then
      redis.call('DEL', KEYS[3], KEYS[5])
      show('half_open')
      return 'half_open'
    end
  end
  return state
end

local before = look()
if act == 'enter' then
  if before == 'closed' then return { 'closed', 'closed', 1, 0, 0 } end
  if before == 'open' then return { 'open', 'open', 0, 0, math.max(opened() + recovery - now, 1) } end
  local first
  for _, ends in ipairs(redis.call('LRANGE', KEYS[5], 0, -1)) do
    local left = tonumber(ends) - now
    if left <= 0 or left > lease then
      redis.call('LREM', KEYS[5], 1, ends)
    else
      first = first or left
    end
  end
  if redis.call('LLEN', KEYS[5]) < most_trials then
    redis.call('RPUSH', KEYS[5], string.format('%.0f', now + lease))
    return { 'half_open', 'half_open', 1, 1, 0 }
  end
  return { 'half_open', 'half_open', 0, 0, math.min(math.max(first or 1, 1), 1000000) }
elseif act == 'exit' then
  local trial, ending = ARGV[12] == '1', ARGV[13]
  if before == 'closed' and ending ~= 'throttled' and ending ~= 'abandoned' then
    local failures = 0
    if ending == 'fault' then
      failures = redis.call('INCR', KEYS[2])
    else
      redis.call('DEL', KEYS[2])
    end
    local by_rate = false
    if percent > 0 then
      redis.call('RPUSH', KEYS[6], ending == 'answered' and 0 or 1)
      redis.call('LTRIM', KEYS[6], -most_samples, -1)
      local bad, all = 0, redis.call('LRANGE', KEYS[6], 0, -1)
      for _, one in ipairs(all) do bad = bad + tonumber(one) end
      by_rate = #all >= fewest and bad * 100 >= #all * percent
    end
    if failures >= threshold or by_rate then open() end
  elseif before == 'half_open' and trial then
    redis.call('LPOP', KEYS[5])
    if ending == 'answered' or ending == 'slow' then
      if redis.call('INCR', KEYS[3]) >= enough then close() end
    elseif ending == 'fault' or ending == 'throttled' then
      open()
    end
  end
elseif act == 'close' then
  close()
end
local open_for = -1
local state = redis.call('GET', KEYS[1])
if state ~= 'closed' then open_for = now - opened() end
return { before, state, number(KEYS[2]), number(KEYS[3]), open_for }
