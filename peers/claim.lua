-- One claim: a voucher a user, never over budget. Every peer that keeps its account in Redis runs
-- this script, so it is written for speed: a claim that succeeds costs four calls, two of them
-- writes, and one that does not succeed writes nothing.
--
-- KEYS: the hash from user to voucher number, the budget that is left.
-- ARGV: the user, the face of a voucher.
-- Returns the voucher's number from 1 upwards; the negative number of the voucher that the user has
-- already; 0 when the budget does not suffice.
local number = redis.call('HLEN', KEYS[1]) + 1
if tonumber(redis.call('GET', KEYS[2])) >= tonumber(ARGV[2])
    and redis.call('HSETNX', KEYS[1], ARGV[1], number) == 1 then
    redis.call('DECRBY', KEYS[2], ARGV[2])
    return number
end
local had = redis.call('HGET', KEYS[1], ARGV[1])
return had and -tonumber(had) or 0
