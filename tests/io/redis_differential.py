#!/usr/bin/env python3
"""Compares the replies of a Truce node with those of a Redis 7.0 server, byte for byte, in RESP2 and RESP3.

    redis_differential.py TRUCE_HOST:PORT REDIS_HOST:PORT [--seed N] [--random N]

Both servers are emptied. The Redis server wants `--databases 1 --save ""`, and neither may ask for a password. Prints each difference and,
as the last line, `N passed, N failed`; exit status 0 if nothing failed.
"""
import argparse
import pathlib
import random
import re
import socket
import sys
import time

# Replies whose order means nothing: compared sorted (sets and maps of RESP3 always are).
UNORDERED = {"smembers", "sinter", "sunion", "sdiff", "keys", "hkeys", "hvals", "command list"}
PAIRS = {"hgetall"}  # flat pairs in RESP2
SCANS = {"scan", "sscan"}
SCAN_PAIRS = {"hscan"}

# Replies that hang on chance: the same shape and the same length of everything that is an array.
RANDOM = {"randomkey", "spop", "srandmember", "hrandfield"}

# Milliseconds pass between two servers' answers: how far the numbers may be apart.
CLOCK = {"pttl": 1000, "ttl": 1, "pexpiretime": 1000, "expiretime": 1}

# What legitimately differs, and why. Compared by type alone.
DIFFERENT = {
    "info": "each tells of itself",
    "command docs": "own words",
    "command info": "flags, categories and key specifications are fewer; the first key, last key and step are compared by COMMAND_INFO below",
    "command": "Truce has fewer commands",
    "command count": "Truce has fewer commands",
    "command list": "Truce has fewer commands",
    "time": "two clocks",
    "wait": "counts the nodes that have it on disk, and there may be some",
    "hello": "versions and ids",
    "client id": "ids",
    "client list": "addresses and ids; fields that tell of Redis' insides are left out",
    "client info": "as CLIENT LIST",
    "client help": "own words",
    "config help": "own words",
    "command help": "own words",
    "config get": "settings are others; the form is compared",
    "config set": "the cluster file rules",
    "config rewrite": "the cluster file rules",
}
# Not compared at all: CLIENT SETINFO and NO-TOUCH (Redis has them from 7.2), CLIENT KILL, PAUSE, REPLY OFF, TRACKING ON (not offered),
# strings beyond 1 MiB (a row is smaller than that), SHUTDOWN, TRUCE.* (Redis has none), a refused subcommand between MULTI and EXEC (Redis
# refuses it when it is queued, Truce when it runs), FLUSHALL between MULTI and EXEC (it takes several steps here).

# Two clients: what one does while the other watches. Each line begins with the client's number.
DUETS = {
    "a watched row that another client changes makes EXEC null": "1 SET w 1|1 WATCH w|2 SET w 2|1 MULTI|1 SET w 3|1 EXEC|1 GET w",
    "a watched row that nobody changes lets EXEC run": "1 SET w 1|1 WATCH w|2 GET w|1 MULTI|1 SET w 3|1 EXEC|1 GET w",
    "UNWATCH forgets": "1 SET w 1|1 WATCH w|2 SET w 2|1 UNWATCH|1 MULTI|1 SET w 3|1 EXEC",
    "DISCARD forgets": "1 SET w 1|1 WATCH w|2 SET w 2|1 MULTI|1 DISCARD|1 MULTI|1 SET w 3|1 EXEC",
    "a watched absent row that appears": "1 WATCH nw|2 SET nw 2|1 MULTI|1 GET nw|1 EXEC",
    "a watched row that is deleted": "1 SET w 1|1 WATCH w|2 DEL w|1 MULTI|1 GET w|1 EXEC",
    "DEL of an absent watched row changes nothing": "1 WATCH nothing|2 DEL nothing|1 MULTI|1 PING|1 EXEC",
    "a watch goes with EXEC": "1 SET w 1|1 WATCH w|1 MULTI|1 EXEC|2 SET w 2|1 MULTI|1 PING|1 EXEC",
    "SADD of a member that is there changes nothing": "1 SADD sw a|1 WATCH sw|2 SADD sw a|1 MULTI|1 PING|1 EXEC",
    "RESET drops the transaction": "1 MULTI|1 SET r 1|1 RESET|1 GET r|1 EXEC",
    "QUIT answers and ends": "2 PING|1 QUIT",
}

COMMAND_INFO = """append auth client command config copy dbsize decr decrby del discard echo exec exists expire expireat expiretime flushall flushdb
get getdel getex getrange getset hdel hello hexists hget hgetall hincrby hincrbyfloat hkeys hlen hmget hmset hrandfield hscan hset hsetnx hstrlen
hvals incr incrby incrbyfloat info keys mget mset msetnx multi persist pexpire pexpireat pexpiretime ping psetex pttl quit randomkey rename
renamenx reset sadd scan scard sdiff sdiffstore select set setex setnx setrange shutdown sinter sintercard sinterstore sismember smembers
smismember smove spop srandmember srem sscan strlen sunion sunionstore time touch ttl type unlink unwatch wait watch""".split()


ESCAPES = {"\\": "\\", '"': '"', "r": "\r", "n": "\n"}


def words(line):
    """A command line with the escapes of redis-cli, as bytes."""
    found = []
    for quoted, plain in re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line):
        escaped = re.sub(r"\\(x[0-9a-f]{2}|.)", lambda m: ESCAPES.get(m[1]) or chr(int(m[1][1:], 16)), quoted)
        found.append((plain or escaped).encode("latin-1"))
    return found


def scripts():
    """Title -> lines, from redis_commands.txt."""
    result = {}
    text = (pathlib.Path(__file__).parent / "redis_commands.txt").read_text()
    for line in text.splitlines():
        if line.startswith("["):
            lines = result.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            lines += line.split(" | ")
    return result


class Connection:
    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, argv):
        out = b"*%d\r\n" % len(argv)
        for a in argv:
            out += b"$%d\r\n%s\r\n" % (len(a), a)
        self.socket.sendall(out)

    def reply(self):
        """A reply as (type, value); bulk strings, whole numbers and lines keep their bytes."""
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            return ("closed", line)
        kind, rest = line[:1].decode(), line[1:-2]
        if kind in "$=":
            n = int(rest)
            if n < 0:
                return ("$-1", None)
            data = self.file.read(n + 2)
            return (kind, data[:-2])
        if kind in "*~>":
            n = int(rest)
            return ("*-1", None) if n < 0 else (kind, [self.reply() for _ in range(n)])
        if kind == "%":
            return (kind, [(self.reply(), self.reply()) for _ in range(int(rest))])
        return (kind, rest)

    def call(self, argv):
        self.send(argv)
        return self.reply()


def name_of(argv):
    name = argv[0].decode("latin-1").lower()
    if name in ("client", "config", "command") and len(argv) > 1:
        sub = name + " " + argv[1].decode("latin-1").lower()
        if sub in DIFFERENT or sub in UNORDERED:
            return sub
    return name


def canonical(reply):
    kind, value = reply
    if kind == "%":
        return (kind, sorted((repr(canonical(k)), repr(canonical(v))) for k, v in value))
    if kind == "~":
        return (kind, sorted((canonical(v) for v in value), key=repr))
    if kind in ("*", ">"):
        return (kind, [canonical(v) for v in value])
    return reply


def pairs_sorted(items):
    return sorted((repr(items[i]), repr(items[i + 1])) for i in range(0, len(items) - 1, 2))


def shape(reply):
    kind, value = reply
    if kind in ("*", "~", ">"):
        return (kind, len(value), sorted({repr(shape(v)) for v in value}))
    return (kind,)


def same(argv, ours, theirs):
    name = name_of(argv)
    a, b = canonical(ours), canonical(theirs)
    if a == b:
        return True
    if "-" in (a[0], b[0]):
        return False
    if name in DIFFERENT:
        return a[0] == b[0]
    if a[0] != b[0]:
        return False
    if name in RANDOM:
        return shape(ours) == shape(theirs)
    if name in CLOCK and a[0] == ":":
        return int(a[1]) > 0 and abs(int(a[1]) - int(b[1])) <= CLOCK[name]
    if a[0] == "*":
        if name in UNORDERED:
            return sorted(map(repr, a[1])) == sorted(map(repr, b[1]))
        if name in PAIRS:
            return pairs_sorted(a[1]) == pairs_sorted(b[1])
        if name in SCANS | SCAN_PAIRS and len(a[1]) == len(b[1]) == 2 and a[1][0] == b[1][0]:
            x, y = a[1][1][1], b[1][1][1]
            return pairs_sorted(x) == pairs_sorted(y) if name in SCAN_PAIRS else sorted(map(repr, x)) == sorted(map(repr, y))
    return False


class Comparison:
    def __init__(self, ours, theirs):
        self.addresses = (ours, theirs)
        self.passed = self.failed = 0

    def connect(self, protocol):
        pair = [Connection(a) for a in self.addresses]
        for c in pair:
            if protocol == 3:
                c.call([b"HELLO", b"3"])
            c.call([b"FLUSHALL"])
        return pair

    def step(self, where, pair, argv):
        if argv[0] == b"SLEEP":
            time.sleep(int(argv[1]) / 1000)
            return
        for c in pair:
            c.send(argv)
        ours, theirs = (c.reply() for c in pair)
        self.judge(where, argv, ours, theirs, same(argv, ours, theirs))

    def judge(self, where, argv, ours, theirs, good):
        if good:
            self.passed += 1
            return
        self.failed += 1
        print(f"{where}: {b' '.join(argv)!r}\n    truce {str(ours)[:600]}\n    redis {str(theirs)[:600]}")

    def script(self, title, lines, protocol):
        pair = self.connect(protocol)
        for line in lines:
            self.step(f"{title}, RESP{protocol}", pair, words(line))
        for c in pair:
            c.close()

    def duet(self, title, text, protocol):
        clients = {"1": self.connect(protocol), "2": self.connect(protocol)}
        for line in text.split("|"):
            who, command = line.split(" ", 1)
            self.step(f"{title}, RESP{protocol}", clients[who], words(command))
        for pair in clients.values():
            for c in pair:
                c.close()

    def table(self):
        """Name, arity, first key, last key and step of every command."""
        pair = self.connect(2)
        for name in COMMAND_INFO:
            argv = [b"COMMAND", b"INFO", name.encode()]
            ours, theirs = ([r[1][i] for i in (0, 1, 3, 4, 5)] for r in (c.call(argv)[1][0] for c in pair))
            self.judge("the table of commands", argv, ours, theirs, ours == theirs)
        for c in pair:
            c.close()

    def random(self, rng, count, protocol):
        """Commands drawn at random over few keys and values: mostly errors and collisions of types, as users make them."""
        pair = self.connect(protocol)
        for i in range(count):
            self.step(f"random {i}, RESP{protocol}", pair, random_command(rng))
        for c in pair:
            c.close()


KEYS = [b"k%d" % i for i in range(6)]
VALUES = [b"", b"a", b"b", b"c", b"1", b"-3", b"10", b"1.5", b"x y", b"\x00\xff", b"hello world", b"9223372036854775807", b"0"]
NUMBERS = [b"0", b"1", b"-1", b"2", b"5", b"-100", b"100", b"x", b"1.5", b"9223372036854775807", b"-9223372036854775808", b"", b"3"]
TIMES = [b"100", b"1000", b"0", b"-1", b"33000000000", b"x", b"9223372036854775807"]
# k: key, v: value, n: number, t: time; a word stands for itself; + repeats the last one to three times; ? leaves out half of the time
# GT and LT stand with absolute times alone: a relative one hangs on the millisecond
FORMS = """
get k;set k v;set k v EX t;set k v PX t;set k v NX;set k v XX GET;set k v KEEPTTL;set k v GET;set k v v?;setnx k v;setex k t v;getset k v
getdel k;getex k;getex k PERSIST;getex k EX t;mget k+;mset k v;mset k v k v;msetnx k v k v;append k v;strlen k;getrange k n n;setrange k n v
incr k;decr k;incrby k n;decrby k n;incrbyfloat k n;del k+;unlink k;exists k+;touch k+;type k;rename k k;renamenx k k;copy k k
copy k k REPLACE;expire k t;expire k t NX;expire k t XX;expireat k t GT;expireat k t LT;pexpire k t;expireat k t;pexpireat k t;persist k
ttl k;pttl k;expiretime k;pexpiretime k;keys *;keys k[0-3];dbsize;hset k v v;hset k v v v v;hmset k v v;hsetnx k v v;hget k v;hmget k v+
hgetall k;hdel k v+;hexists k v;hlen k;hstrlen k v;hkeys k;hvals k;hincrby k v n;hincrbyfloat k v n;hscan k 0;sadd k v+;sadd k v+;srem k v+
smembers k;sismember k v;smismember k v+;scard k;smove k k v;sinter k+;sunion k+;sdiff k+;sinterstore k k+;sunionstore k k+;sdiffstore k k+
sintercard 2 k k;sintercard n k k;scan 0 COUNT 1000;sscan k 0 COUNT 1000;hset k v;sadd k;set k
""".strip().replace("\n", ";").split(";")


def random_command(rng):
    argv = []
    for word in rng.choice(FORMS).split():
        if word.endswith("?"):
            word = word[:-1]
            if rng.random() < 0.5:
                continue
        repeat = 1
        if word.endswith("+"):
            word, repeat = word[:-1], rng.randint(1, 3)
        pool = {"k": KEYS, "v": VALUES, "n": NUMBERS, "t": TIMES}.get(word)
        # SETRANGE and numbers as offsets: nothing that a row cannot hold
        for _ in range(repeat):
            argv.append(rng.choice(pool) if pool else word.encode())
    if argv[0] == b"setrange" and argv[2] == b"9223372036854775807":
        argv[2] = b"7"
    return argv


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("truce")
    parser.add_argument("redis")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--random", type=int, default=4000, help="random commands in each protocol")
    options = parser.parse_args()
    comparison = Comparison(options.truce, options.redis)
    comparison.table()
    for protocol in (2, 3):
        for title, lines in scripts().items():
            comparison.script(title, lines, protocol)
        for title, text in DUETS.items():
            comparison.duet(title, text, protocol)
        comparison.random(random.Random(options.seed * 2 + protocol), options.random, protocol)
    print(f"{comparison.passed} passed, {comparison.failed} failed")
    return 1 if comparison.failed else 0


if __name__ == "__main__":
    sys.exit(main())
