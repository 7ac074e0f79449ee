-- The generic cell rate algorithm: takes one request of a client, if its quota has one left.
--
-- KEYS[1]  the instant at which the quota of the client will have grown back whole
-- ARGV     now, the interval in which one request grows back (both in microseconds), the quota
-- Answers what is left, or -1 and the microseconds until the next request is allowed.

local now, interval, quota = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local whole_at = tonumber(redis.call('GET', KEYS[1]) or '0')
-- No quota is further from whole than empty; a clock that was ahead may say so.
whole_at = math.max(now, math.min(whole_at, now + quota * interval)) + interval
local allowed_at = whole_at - quota * interval
if now < allowed_at then
    return {-1, allowed_at - now}
end
redis.call('SET', KEYS[1], string.format('%.0f', whole_at), 'PX',
    math.ceil((whole_at - now) / 1000) + 1000)
return {math.floor((now - allowed_at) / interval), 0}
