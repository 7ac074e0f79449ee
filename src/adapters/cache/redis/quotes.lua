-- The newest price of a symbol: all that the cache does, so that its rules stand in one place.
--
-- KEYS[1]  the clock: a hash of the last number given out, and of the epoch
-- KEYS[2]  the slot of the symbol: a hash of generation, rank and payload
-- ARGV[1]  get, fill, offer, invalidate or renew
--
-- Numbers are given out once and grow. A slot of a generation before the epoch is void, so a new
-- epoch empties the cache. A ticket is the generation of its slot, or the epoch where there is none.
-- Ranks are compared as strings; the greater one is the newer price.

local clock, slot, verb = KEYS[1], KEYS[2], ARGV[1]

if redis.call('EXISTS', clock) == 0 then
    -- Redis lost everything, or nothing was there yet. Numbers from before are not given again.
    local now = redis.call('TIME')
    local start = string.format('%d%06d', now[1], now[2])
    redis.call('HSET', clock, 'last', start, 'epoch', start)
end

local function tick()
    return redis.call('HINCRBY', clock, 'last', 1)
end

if verb == 'renew' then
    redis.call('HSET', clock, 'epoch', string.format('%.0f', tick()))
    return redis.status_reply('OK')
end

local epoch = tonumber(redis.call('HGET', clock, 'epoch'))
local found = redis.call('HMGET', slot, 'generation', 'rank', 'payload')
local generation, rank, payload = tonumber(found[1] or '0'), found[2], found[3]
if generation < epoch then
    generation, rank, payload = epoch, false, false
end

local function put(new_generation, new_rank, new_payload, ttl)
    redis.call('DEL', slot)
    redis.call('HSET', slot, 'generation', string.format('%.0f', new_generation))
    if new_rank then
        redis.call('HSET', slot, 'rank', new_rank, 'payload', new_payload)
    end
    redis.call('PEXPIRE', slot, ttl)
end

if verb == 'get' then
    return {generation, payload}
elseif verb == 'fill' then
    -- ARGV: ttl, ticket, rank, payload
    local ttl, ticket, new_rank, new_payload = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
    if ticket == generation and (not rank or new_rank >= rank) then
        put(generation, new_rank, new_payload, ttl)
    end
elseif verb == 'offer' then
    -- ARGV: ttl, rank, payload
    local ttl, new_rank, new_payload = ARGV[2], ARGV[3], ARGV[4]
    if not rank then
        -- It need not be the newest in the store, so the slot stays empty; but a reader that
        -- looked before it was stored must not fill in an older one.
        put(tick(), false, false, ttl)
    elseif new_rank >= rank then
        put(generation, new_rank, new_payload, ttl)
    end
elseif verb == 'invalidate' then
    -- ARGV: ttl
    put(tick(), false, false, ARGV[2])
end
return redis.status_reply('OK')
