-- Multiplies with lines, using LuaSocket. Usage: lua multiply.lua [PORT [A B]]
local socket = require("socket")

local port, a, b = arg[1] or "65432", arg[2] or "5", arg[3] or "10"
local connection, message = socket.connect("localhost", tonumber(port))
if not connection then
    io.stderr:write("localhost:", port, ": ", message, "\n")
    os.exit(1)
end
connection:settimeout(10)
connection:send(a .. " " .. b .. "\n") -- on the wire: "5 10\n"
-- receive() is receive("*l"): one line, without its LF (and without any CR in it).
io.stderr:write(connection:receive() or "", "\n") -- Data received
local reply, problem = connection:receive()       -- 50.0
if not reply or reply:find("^Error: ") then
    io.stderr:write(reply or problem, "\n")
    os.exit(1)
end
print(reply)
