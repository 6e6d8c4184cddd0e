-- One of two Tarantool instances that replicate to each other. Arguments: port, the other's port, directory, wal mode.
local port, other, dir, wal_mode = arg[1], arg[2], arg[3], arg[4]
box.cfg{
    listen = '127.0.0.1:' .. port,
    replication = {'127.0.0.1:' .. port, '127.0.0.1:' .. other},
    replication_connect_timeout = 30,
    replication_timeout = 1,
    read_only = false,
    wal_mode = wal_mode,
    memtx_dir = dir,
    wal_dir = dir,
    vinyl_dir = dir,
    memtx_memory = 2 * 1024 * 1024 * 1024,
    log = dir .. '/log',
    log_level = 4,
}
box.once('bench', function()
    box.schema.user.grant('guest', 'super')
    local kv = box.schema.space.create('kv', {id = 512, format = {{'k', 'string'}, {'v', 'string'}}})
    kv:create_index('primary', {parts = {{1, 'string'}}})
end)
replication_cut = function() box.cfg{replication = {}} end
replication_heal = function() box.cfg{replication_connect_quorum = 1, replication = {'127.0.0.1:' .. port, '127.0.0.1:' .. other}} end
-- The vclock without the local component, and the number of rows, as one line of text.
state = function()
    local parts = {}
    for id = 1, 31 do parts[id] = tostring(box.info.vclock[id] or 0) end
    return table.concat(parts, ',') .. ' rows ' .. tostring(box.space.kv:count())
end
require('console').listen('unix/:' .. dir .. '/console')
