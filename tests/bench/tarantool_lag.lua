-- The lag between two Tarantool instances, measured as lag.c does it. Arguments: port of the writer, port of the reader, samples, pause in microseconds.
local clock, fiber, json, netbox = require('clock'), require('fiber'), require('json'), require('net.box')
local writer, reader = netbox.connect('127.0.0.1:' .. arg[1]), netbox.connect('127.0.0.1:' .. arg[2])
local samples, pause_s = tonumber(arg[3]), tonumber(arg[4]) / 1e6
local sent, answered, answer = {}, {}, {}

local function percentile(v, share)
    table.sort(v)
    return v[math.max(1, math.ceil(#v * share))]
end

for i = 1, samples do
    local value, answered_us = tostring(i), nil
    local sent_us = clock.monotonic() * 1e6
    fiber.create(function()
        writer.space.kv:replace({'bench:lag', value})
        answered_us = clock.monotonic() * 1e6
    end)
    local row
    repeat row = reader.space.kv:get('bench:lag') until row ~= nil and row[2] == value
    local seen_us = clock.monotonic() * 1e6
    while answered_us == nil do fiber.sleep(0) end
    sent[i], answered[i], answer[i] = seen_us - sent_us, math.max(0, seen_us - answered_us), answered_us - sent_us
    fiber.sleep(pause_s)
end
print(json.encode({
    samples = samples,
    sent_p50_us = percentile(sent, 0.5), sent_p99_us = percentile(sent, 0.99),
    answered_p50_us = percentile(answered, 0.5), answered_p99_us = percentile(answered, 0.99),
    answer_p50_us = percentile(answer, 0.5), answer_p99_us = percentile(answer, 0.99),
}))
os.exit(0)
