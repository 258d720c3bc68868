-- KEYS[1]: a bucket. ARGV: now or '', its span, then ages of admissions that were made while this was away.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local all = {}
for _, at in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do all[#all + 1] = tonumber(at) end
for i = 3, #ARGV do all[#all + 1] = now - tonumber(ARGV[i]) end
table.sort(all)
redis.call('DEL', KEYS[1])
for _, at in ipairs(all) do redis.call('RPUSH', KEYS[1], string.format('%.0f', at)) end
redis.call('PEXPIRE', KEYS[1], math.ceil(tonumber(ARGV[2]) / 1000) + 1000)
return #all
