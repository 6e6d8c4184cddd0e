-- Load for Tarantool from its own client library: 512 fibers, each with one REPLACE under way. Arguments: port, writes, fibers.
local clock, fiber, json, netbox = require('clock'), require('fiber'), require('json'), require('net.box')
local connection = netbox.connect('127.0.0.1:' .. arg[1])
local writes, fibers = tonumber(arg[2]), tonumber(arg[3])
math.randomseed(require('tarantool').pid())
local characters = {} -- one value for all, as redis-benchmark does it
for i = 1, 128 do characters[i] = string.char(48 + math.random(0, 63)) end
local value, left, running = table.concat(characters), writes, fibers
local kv = connection.space.kv
local started = clock.monotonic()
for _ = 1, fibers do
    fiber.create(function()
        while left > 0 do
            left = left - 1
            kv:replace({string.format('key:%012d', math.random(0, 999999)), value})
        end
        running = running - 1
    end)
end
while running > 0 do fiber.sleep(0.001) end
print(json.encode({per_s = writes / (clock.monotonic() - started)}))
os.exit(0)
