-- One claim a request: bearer key, JSON body, one Lua function in Redis over a pooled connection, and
-- no answer before Redis has answered. The few lines of Redis's protocol that this needs are
-- written out, which is faster than a general client.

local cjson = require "cjson.safe"

-- What stays the same in every call.
local HEAD = "*7\r\n$5\r\nFCALL\r\n$5\r\nclaim\r\n$1\r\n2\r\n$5\r\nusers\r\n$6\r\nbudget\r\n$"
local TAIL = "\r\n$1\r\n1\r\n"

local function answer(status, body)
    ngx.status = status
    ngx.header.content_type = "application/json"
    ngx.header.content_length = #body
    ngx.print(body)
    return ngx.exit(status)
end

local function unavailable(trouble)
    ngx.log(ngx.ERR, "Redis did not take a claim: ", trouble)
    return answer(503, '{"code":"unavailable"}')
end

local _M = {}

function _M.claim()
    if ngx.var.http_authorization ~= "Bearer dev-app" then
        return answer(401, '{"code":"unauthorized"}')
    end
    ngx.req.read_body()
    local claim = cjson.decode(ngx.req.get_body_data() or "")
    local user = type(claim) == "table" and claim.user_id
    if type(user) ~= "string" then
        return answer(422, '{"code":"invalid_request"}')
    end

    local redis = ngx.socket.tcp()
    local ok, trouble = redis:connect(redis_address)
    if not ok then
        return unavailable(trouble)
    end
    ok, trouble = redis:send(HEAD .. #user .. "\r\n" .. user .. TAIL)
    if not ok then
        return unavailable(trouble)
    end
    local line
    line, trouble = redis:receive()
    local number = line and tonumber(line:match("^:(-?%d+)$"))
    if not number then
        return unavailable(trouble or line)
    end
    redis:setkeepalive()

    if number == 0 then
        return answer(409, '{"code":"budget_exhausted"}')
    end
    local status = number < 0 and 200 or 201
    return answer(status, '{"voucher":' .. math.abs(number) .. ',"face_minor":1}')
end

return _M
