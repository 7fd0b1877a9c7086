#!lua name=peers

-- One claim: a voucher a user, never over budget. Every peer that keeps its account in Redis calls
-- this function, so it is written for speed: a claim that succeeds costs four calls, two of them
-- writes, and one that does not succeed writes nothing. It is a function of Redis 7 rather than a
-- script, because `FCALL claim` is shorter than `EVALSHA` with its hash: Redis reads 16 KiB a
-- connection at a time and syncs its log after each round of reading.
--
-- keys: the hash from user to voucher number, the budget that is left.
-- args: the user, the face of a voucher.
-- Returns the voucher's number from 1 upwards; the negative number of the voucher that the user has
-- already; 0 when the budget does not suffice.
redis.register_function('claim', function(keys, args)
    local number = redis.call('HLEN', keys[1]) + 1
    if tonumber(redis.call('GET', keys[2])) >= tonumber(args[2])
        and redis.call('HSETNX', keys[1], args[1], number) == 1 then
        redis.call('DECRBY', keys[2], args[2])
        return number
    end
    local had = redis.call('HGET', keys[1], args[1])
    return had and -tonumber(had) or 0
end)
