/* All commands, in order of name: how COMMAND INFO gives them, what dispatch needs, and one line of documentation.
 * X(function, name, arity, flags, first key, last key, step, group, summary); R, W and F stand for CMD_READ, CMD_WRITE and CMD_FAST (table.c). */
#pragma once
#include "../call.h"

/* clang-format off */
#define COMMANDS(X) \
    X(append, "append", 3, W | F, 1, 1, 1, "string", "Adds bytes at the end of a string.") \
    X(auth, "auth", -2, F | CMD_NO_AUTH, 0, 0, 0, "connection", "Proves who the client is.") \
    X(client, "client", -2, 0, 0, 0, 0, "connection", "Looks at client connections and sets their properties.") \
    X(command, "command", -1, 0, 0, 0, 0, "server", "Tells about the commands that there are.") \
    X(config, "config", -2, CMD_ADMIN, 0, 0, 0, "server", "Shows the settings that the cluster file made.") \
    X(copy, "copy", -3, W, 1, 2, 1, "generic", "Copies a row to another key.") \
    X(dbsize, "dbsize", 1, R | F, 0, 0, 0, "server", "Counts the rows.") \
    X(decr, "decr", 2, W | F, 1, 1, 1, "string", "Takes one off a number.") \
    X(decrby, "decrby", 3, W | F, 1, 1, 1, "string", "Takes an amount off a number.") \
    X(del, "del", -2, W, 1, -1, 1, "generic", "Deletes rows.") \
    X(discard, "discard", 1, F | CMD_NO_QUEUE, 0, 0, 0, "transactions", "Drops the queued transaction.") \
    X(echo, "echo", 2, F, 0, 0, 0, "connection", "Gives its argument back.") \
    X(exec, "exec", 1, CMD_NO_QUEUE, 0, 0, 0, "transactions", "Runs the queued commands as one transaction.") \
    X(exists, "exists", -2, R | F, 1, -1, 1, "generic", "Counts which of the keys have a row.") \
    X(expire, "expire", -3, W | F, 1, 1, 1, "generic", "Sets when a row ends, in seconds from now.") \
    X(expireat, "expireat", -3, W | F, 1, 1, 1, "generic", "Sets when a row ends, in seconds since 1970.") \
    X(expiretime, "expiretime", 2, R | F, 1, 1, 1, "generic", "Tells when a row ends, in seconds since 1970.") \
    X(flushall, "flushall", -1, W | CMD_NO_MULTI, 0, 0, 0, "server", "Deletes all rows that this node has.") \
    X(flushdb, "flushdb", -1, W | CMD_NO_MULTI, 0, 0, 0, "server", "Deletes all rows that this node has.") \
    X(get, "get", 2, R | F, 1, 1, 1, "string", "Reads a string.") \
    X(getdel, "getdel", 2, W | F, 1, 1, 1, "string", "Reads a string and deletes it.") \
    X(getex, "getex", -2, W | F, 1, 1, 1, "string", "Reads a string and sets when it ends.") \
    X(getrange, "getrange", 4, R, 1, 1, 1, "string", "Reads a part of a string.") \
    X(getset, "getset", 3, W | F, 1, 1, 1, "string", "Replaces a string and gives the old one.") \
    X(hdel, "hdel", -3, W | F, 1, 1, 1, "hash", "Removes columns of a hash.") \
    X(hello, "hello", -1, F | CMD_NO_AUTH, 0, 0, 0, "connection", "Opens the conversation: protocol version, password, name.") \
    X(hexists, "hexists", 3, R | F, 1, 1, 1, "hash", "Tells whether a hash has a column.") \
    X(hget, "hget", 3, R | F, 1, 1, 1, "hash", "Reads a column of a hash.") \
    X(hgetall, "hgetall", 2, R, 1, 1, 1, "hash", "Reads all columns of a hash.") \
    X(hincrby, "hincrby", 4, W | F, 1, 1, 1, "hash", "Adds to a whole number in a hash.") \
    X(hincrbyfloat, "hincrbyfloat", 4, W | F, 1, 1, 1, "hash", "Adds to a decimal number in a hash.") \
    X(hkeys, "hkeys", 2, R, 1, 1, 1, "hash", "Lists the names of the columns of a hash.") \
    X(hlen, "hlen", 2, R | F, 1, 1, 1, "hash", "Counts the columns of a hash.") \
    X(hmget, "hmget", -3, R | F, 1, 1, 1, "hash", "Reads several columns of a hash.") \
    X(hmset, "hmset", -4, W | F, 1, 1, 1, "hash", "Sets columns of a hash.") \
    X(hrandfield, "hrandfield", -2, R, 1, 1, 1, "hash", "Picks columns of a hash at random.") \
    X(hscan, "hscan", -3, R, 1, 1, 1, "hash", "Walks through a hash in steps.") \
    X(hset, "hset", -4, W | F, 1, 1, 1, "hash", "Sets columns of a hash, and counts the new ones.") \
    X(hsetnx, "hsetnx", 4, W | F, 1, 1, 1, "hash", "Sets a column of a hash that is not there yet.") \
    X(hstrlen, "hstrlen", 3, R | F, 1, 1, 1, "hash", "Tells the length of a column of a hash.") \
    X(hvals, "hvals", 2, R, 1, 1, 1, "hash", "Lists the values of the columns of a hash.") \
    X(incr, "incr", 2, W | F, 1, 1, 1, "string", "Adds one to a number.") \
    X(incrby, "incrby", 3, W | F, 1, 1, 1, "string", "Adds an amount to a whole number.") \
    X(incrbyfloat, "incrbyfloat", 3, W | F, 1, 1, 1, "string", "Adds an amount to a decimal number.") \
    X(info, "info", -1, 0, 0, 0, 0, "server", "Tells about this node, as text.") \
    X(keys, "keys", 2, R, 0, 0, 0, "generic", "Lists the keys that a pattern matches.") \
    X(mget, "mget", -2, R | F, 1, -1, 1, "string", "Reads several strings.") \
    X(mset, "mset", -3, W, 1, -1, 2, "string", "Sets several strings.") \
    X(msetnx, "msetnx", -3, W, 1, -1, 2, "string", "Sets several strings if none of the keys has a row.") \
    X(multi, "multi", 1, F | CMD_NO_QUEUE, 0, 0, 0, "transactions", "Opens a transaction: what follows is queued.") \
    X(persist, "persist", 2, W | F, 1, 1, 1, "generic", "Makes a row last for ever.") \
    X(pexpire, "pexpire", -3, W | F, 1, 1, 1, "generic", "Sets when a row ends, in milliseconds from now.") \
    X(pexpireat, "pexpireat", -3, W | F, 1, 1, 1, "generic", "Sets when a row ends, in milliseconds since 1970.") \
    X(pexpiretime, "pexpiretime", 2, R | F, 1, 1, 1, "generic", "Tells when a row ends, in milliseconds since 1970.") \
    X(ping, "ping", -1, F, 0, 0, 0, "connection", "Answers.") \
    X(psetex, "psetex", 4, W, 1, 1, 1, "string", "Sets a string that ends after milliseconds.") \
    X(pttl, "pttl", 2, R | F, 1, 1, 1, "generic", "Tells how long a row still lasts, in milliseconds.") \
    X(quit, "quit", -1, F | CMD_NO_AUTH | CMD_NO_QUEUE, 0, 0, 0, "connection", "Ends the connection.") \
    X(randomkey, "randomkey", 1, R, 0, 0, 0, "generic", "Picks a key at random.") \
    X(rename, "rename", 3, W, 1, 2, 1, "generic", "Gives a row another key.") \
    X(renamenx, "renamenx", 3, W | F, 1, 2, 1, "generic", "Gives a row another key that has none yet.") \
    X(reset, "reset", 1, F | CMD_NO_AUTH | CMD_NO_QUEUE, 0, 0, 0, "connection", "Makes the connection as it was when it opened.") \
    X(sadd, "sadd", -3, W | F, 1, 1, 1, "set", "Adds members to a set.") \
    X(scan, "scan", -2, R, 0, 0, 0, "generic", "Walks through the keys in steps.") \
    X(scard, "scard", 2, R | F, 1, 1, 1, "set", "Counts the members of a set.") \
    X(sdiff, "sdiff", -2, R, 1, -1, 1, "set", "Members of the first set that are in no other.") \
    X(sdiffstore, "sdiffstore", -3, W, 1, -1, 1, "set", "Stores the members of the first set that are in no other.") \
    X(select, "select", 2, F, 0, 0, 0, "connection", "Accepts database 0, the only one.") \
    X(set, "set", -3, W, 1, 1, 1, "string", "Sets a string.") \
    X(setex, "setex", 4, W, 1, 1, 1, "string", "Sets a string that ends after seconds.") \
    X(setnx, "setnx", 3, W | F, 1, 1, 1, "string", "Sets a string if the key has no row.") \
    X(setrange, "setrange", 4, W, 1, 1, 1, "string", "Overwrites a part of a string.") \
    X(shutdown, "shutdown", -1, CMD_NO_MULTI | CMD_ADMIN, 0, 0, 0, "server", "Ends this node in good order.") \
    X(sinter, "sinter", -2, R, 1, -1, 1, "set", "Members that are in all sets.") \
    X(sintercard, "sintercard", -3, R, 0, 0, 0, "set", "Counts the members that are in all sets.") \
    X(sinterstore, "sinterstore", -3, W, 1, -1, 1, "set", "Stores the members that are in all sets.") \
    X(sismember, "sismember", 3, R | F, 1, 1, 1, "set", "Tells whether something is a member of a set.") \
    X(smembers, "smembers", 2, R, 1, 1, 1, "set", "Lists the members of a set.") \
    X(smismember, "smismember", -3, R | F, 1, 1, 1, "set", "Tells of several things whether they are members of a set.") \
    X(smove, "smove", 4, W | F, 1, 2, 1, "set", "Moves a member to another set.") \
    X(spop, "spop", -2, W | F, 1, 1, 1, "set", "Takes members out of a set at random.") \
    X(srandmember, "srandmember", -2, R, 1, 1, 1, "set", "Picks members of a set at random.") \
    X(srem, "srem", -3, W | F, 1, 1, 1, "set", "Removes members of a set.") \
    X(sscan, "sscan", -3, R, 1, 1, 1, "set", "Walks through a set in steps.") \
    X(strlen, "strlen", 2, R | F, 1, 1, 1, "string", "Tells the length of a string.") \
    X(sunion, "sunion", -2, R, 1, -1, 1, "set", "Members that are in any of the sets.") \
    X(sunionstore, "sunionstore", -3, W, 1, -1, 1, "set", "Stores the members that are in any of the sets.") \
    X(time, "time", 1, F, 0, 0, 0, "server", "Tells the clock of this node.") \
    X(touch, "touch", -2, R | F, 1, -1, 1, "generic", "Counts which of the keys have a row.") \
    X(truce_ack, "truce.ack", -1, 0, 0, 0, 0, "truce", "Shows or sets what this connection's writes wait for.") \
    X(truce_conflicts, "truce.conflicts", -1, CMD_MAY_WRITE | CMD_NO_MULTI, 0, 0, 0, "truce", "The conflict inbox: lists, shows, resolves.") \
    X(truce_context, "truce.context", 2, R | F, 1, 1, 1, "truce", "Gives the context of a row as it reads now, for TRUCE.WITH.") \
    X(truce_explain, "truce.explain", -2, R, 1, 1, 1, "truce", "Tells which versions, datacenters and policy made what a row reads as.") \
    X(truce_fault, "truce.fault", -1, CMD_ADMIN, 0, 0, 0, "truce", "Disturbs the links around this node.") \
    X(truce_handlers, "truce.handlers", -1, CMD_ADMIN, 0, 0, 0, "truce", "Lists the handlers that this node has; RELOAD looks for them again.") \
    X(truce_lead, "truce.lead", 2, CMD_ADMIN | CMD_NO_MULTI, 0, 0, 0, "truce", "Hands the leadership of the datacenter over to another node.") \
    X(truce_log, "truce.log", -1, CMD_NO_MULTI | CMD_ADMIN, 0, 0, 0, "truce", "Tells the events that the log still has, in causal order.") \
    X(truce_losses, "truce.losses", -1, CMD_NO_MULTI, 0, 0, 0, "truce", "Tells a connection which of its writes lost: ON, OFF, or what has come.") \
    X(truce_mark, "truce.mark", -4, W | CMD_ADMIN, 0, 0, 0, "truce", "Says that an origin's clock was off for a range of its numbers.") \
    X(truce_members, "truce.members", -1, CMD_MAY_WRITE | CMD_NO_MULTI | CMD_ADMIN, 0, 0, 0, "truce", "Lists the nodes, adds or removes one.") \
    X(truce_priority, "truce.priority", -2, CMD_MAY_WRITE | CMD_NO_MULTI | CMD_ADMIN, 0, 0, 0, "truce", "Shows or sets a datacenter's priority.") \
    X(truce_read, "truce.read", -1, 0, 0, 0, 0, "truce", "Shows or sets what this connection's reads are worth.") \
    X(truce_repair, "truce.repair", -2, CMD_NO_MULTI | CMD_ADMIN, 0, 0, 0, "truce", "Makes a row that differs between nodes what it is on most.") \
    X(truce_resolve, "truce.resolve", -5, W | CMD_NO_MULTI, 1, 1, 1, "truce", "Runs a command that settles a conflict, from the context seen.") \
    X(truce_siblings, "truce.siblings", 2, R | F, 1, 1, 1, "truce", "Lists the siblings of a row, and the context that covers them.") \
    X(truce_status, "truce.status", 1, 0, 0, 0, 0, "truce", "Tells the whole state of this node, as JSON.") \
    X(truce_table, "truce.table", -2, CMD_MAY_WRITE | CMD_NO_MULTI | CMD_ADMIN, 0, 0, 0, "truce", "Shows or sets what settles a table's conflicts.") \
    X(truce_token, "truce.token", 1, 0, 0, 0, 0, "truce", "The session's version vector as text.") \
    X(truce_verify, "truce.verify", -1, CMD_NO_MULTI | CMD_ADMIN, 0, 0, 0, "truce", "Compares all replicas while writes go on, a page at a time.") \
    X(truce_wait, "truce.wait", -3, CMD_NO_MULTI, 0, 0, 0, "truce", "Waits until what a token covers is here, and in so many other datacenters.") \
    X(truce_with, "truce.with", -4, W, 3, 3, 1, "truce", "Runs a command that writes as one that has seen just what the context covers.") \
    X(ttl, "ttl", 2, R | F, 1, 1, 1, "generic", "Tells how long a row still lasts, in seconds.") \
    X(type, "type", 2, R | F, 1, 1, 1, "generic", "Tells what kind of row a key has.") \
    X(unlink, "unlink", -2, W | F, 1, -1, 1, "generic", "Deletes rows.") \
    X(unwatch, "unwatch", 1, F, 0, 0, 0, "transactions", "Forgets the watched rows.") \
    X(wait, "wait", 3, 0, 0, 0, 0, "generic", "Waits until nodes have this connection's writes on disk.") \
    X(watch, "watch", -2, F | CMD_NO_QUEUE, 1, -1, 1, "transactions", "Makes the next EXEC depend on rows staying as they are.")
/* clang-format on */

#define X(function, ...) command_fn cmd_##function;
COMMANDS(X)
#undef X
