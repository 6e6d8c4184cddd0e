#!/usr/bin/python3
"""Unmodified clients connect with their defaults, and get from a follower what they get from a leader."""
import socket
import subprocess

import redis

from harness import Cluster, Failure, check, eventually, expect, process_figure, run_tests, send_raw, test


@test("redis-py works with its defaults, at a leader and at a follower")
def _():
    c = Cluster("us,eu", 2)
    for node in ("us-1", "us-2"):
        r = redis.Redis(port=c.port(node))
        expect(r.ping(), True)
        expect(r.set("k", b"\x00\xff\r\n"), True)
        expect(r.get("k"), b"\x00\xff\r\n")
        expect(r.incr("n" + node), 1)
        expect(r.hset("h", mapping={"a": 1, "b": 2}) in (0, 2), True)
        expect(r.hgetall("h"), {b"a": b"1", b"b": b"2"})
        r.sadd("s", "x", "y")
        expect(r.smembers("s"), {b"x", b"y"})
        check(r.info()["redis_version"], "INFO has a version")
        expect(r.type("h"), b"hash")
        with r.pipeline() as pipe:
            expect(pipe.set("t1", 1).incr("t1").get("t1").execute(), [True, 2, b"2"])
        expect(sorted(r.scan_iter("t*")), [b"t1"])
        r.close()


@test("a transaction that watches a row is refused when the row changed, at a leader and at a follower")
def _():
    c = Cluster("us,eu", 2)
    for node in ("us-1", "us-2"):
        r, other = c.client(node), c.client("us-1")
        r.set("w", 1)
        with r.pipeline() as pipe:
            pipe.watch("w")
            expect(pipe.get("w"), "1")
            other.set("w", 2)
            pipe.multi()
            pipe.set("w", 3)
            try:
                pipe.execute()
                raise Failure("EXEC went through")
            except redis.WatchError:
                pass
        expect(other.get("w"), "2")
        with r.pipeline() as pipe:
            pipe.watch("w")
            pipe.multi()
            pipe.set("w", 4)
            expect(pipe.execute(), [True])
        expect(r.get("w"), "4", node)


@test("writes given to a follower are forwarded, answered in order, and read back there at once")
def _():
    c = Cluster("us,eu", 2)
    r = c.client("us-2")
    for i in range(200):
        expect(r.incr("count"), i + 1)
        expect(r.get("count"), str(i + 1), "the follower's own write")
    pipe = r.pipeline(transaction=False)
    for i in range(64):
        pipe.set(f"p{i}", i).get(f"p{i}")
    expect(pipe.execute(), [x for i in range(64) for x in (True, str(i))])
    expect(c.client("us-1").get("count"), "200")
    try:
        r.hset("count", "a", 1)
        raise Failure("HSET on a string")
    except redis.ResponseError as error:
        expect(str(error), "WRONGTYPE Operation against a key holding the wrong kind of value")


@test("a pipeline of 64 keeps its order among reads, writes and errors")
def _():
    c = Cluster("us,eu", 1)
    r = c.client("us-1")
    for turn in range(50):
        pipe = r.pipeline(transaction=False)
        for i in range(16):
            pipe.set(f"k{i}", f"{turn}.{i}").get(f"k{i}").incr(f"k{i}").strlen(f"k{i}")
        replies = pipe.execute(raise_on_error=False)
        for i in range(16):
            text = f"{turn}.{i}"
            expect(replies[4 * i:4 * i + 2] + replies[4 * i + 3:4 * i + 4], [True, text, len(text)])
            check(isinstance(replies[4 * i + 2], redis.ResponseError), str(replies[4 * i + 2]))


@test("requests of a client that half-closes after them are carried out and answered, at a leader and at a follower")
def _():
    c = Cluster("us,eu", 2)
    for node in ("us-1", "us-2"):
        for turn in range(20):
            replies = send_raw(c.port(node), (b"INCR " + node.encode() + b"\r\n") * 1000)
            expect(replies.count(b"\r\n"), 1000, f"replies of {node} in turn {turn}")
        expect(c.client(node).get(node), "20000")


@test("hiredis, in the command truce, and redis-cli connect with their defaults")
def _():
    c = Cluster("us,eu", 2)
    expect(c.truce("do", "us", "SET x 1"), "OK\n")
    for node in ("us-1", "us-2"):
        port = str(c.port(node))
        expect(subprocess.run(["redis-cli", "-p", port, "INCR", "x"], capture_output=True, text=True, check=True).stdout.strip().isdigit(), True)
        resp3 = subprocess.run(["redis-cli", "-3", "-p", port, "HSET", "h" + node, "f", "v"], capture_output=True, text=True, check=True)
        expect(resp3.stdout, "1\n")
        expect(subprocess.run(["redis-cli", "-3", "-p", port, "--no-raw", "HGETALL", "h" + node], capture_output=True, text=True, check=True).stdout,
               '1# "f" => "v"\n')


@test("RESP3 clients that open with HELLO 3, CLIENT SETINFO and INFO are served")
def _():
    c = Cluster("us,eu", 1)
    with socket.create_connection(("127.0.0.1", c.port("us-1")), timeout=10) as s:
        f = s.makefile("rb")
        s.sendall(b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n")
        head = f.readline()
        expect(head[:1], b"%", "the answer to HELLO 3 is a map")
        s.sendall(b"*4\r\n$6\r\nCLIENT\r\n$7\r\nSETINFO\r\n$8\r\nLIB-NAME\r\n$4\r\ntest\r\n"
              b"*3\r\n$3\r\nGET\r\n$7\r\nmissing\r\n$1\r\n1\r\n*2\r\n$3\r\nGET\r\n$7\r\nmissing\r\n")
        rest = b""
        while b"_\r\n" not in rest:
            rest += f.readline()
        check(b"+OK\r\n-ERR wrong number of arguments for 'get' command\r\n_\r\n" in rest, repr(rest))


@test("redis-benchmark runs its tests at a pipeline of 64")
def _():
    c = Cluster("us,eu", 1)
    run = subprocess.run(["redis-benchmark", "-p", str(c.port("us-1")), "-P", "64", "-c", "8", "-n", "20000", "-r", "1000", "-q",
                          "-t", "ping,set,get,incr,sadd,hset,mset"], capture_output=True, text=True, timeout=120, check=False)
    expect(run.returncode, 0, run.stdout + run.stderr)
    check("Error" not in run.stdout + run.stderr, run.stdout + run.stderr)
    check(run.stdout.count("requests per second") >= 7, run.stdout)
    c.settle()


@test("a thousand connections are served")
def _():
    c = Cluster("us,eu", 1)
    connections = [socket.create_connection(("127.0.0.1", c.port("us-1")), timeout=30) for _ in range(1000)]
    try:
        for s in connections:
            s.sendall(b"PING\r\n")
        for s in connections:
            expect(s.recv(64), b"+PONG\r\n")
    finally:
        for s in connections:
            s.close()
    eventually(lambda: int(c.client("us-1").info("clients")["connected_clients"]) < 50, "they are forgotten when closed")


@test("rows expire everywhere without a write")
def _():
    c = Cluster("us,eu", 2)
    c.client("us-1").set("short", "x", px=1500)
    c.client("us-1").set("long", "x", ex=1000)
    c.settle()
    eventually(lambda: not any(c.client(node).exists("short") for node in c.nodes), "short is gone everywhere")
    for node in c.nodes:
        check(900 < c.client(node).ttl("long") <= 1000, f"TTL at {node}")


@test("WAIT counts the nodes that have the write on disk")
def _():
    c = Cluster("us,eu", 2, fsync="yes")
    r = c.client("us-1")
    r.set("k", "v")
    check(r.execute_command("WAIT", "1", "10000") >= 1, "the follower acknowledges")


@test("an idle node takes less than 40 MiB")
def _():
    c = Cluster("us,eu", 2)
    for node in c.nodes:
        resident_kib = process_figure(c.pid(node), "VmRSS")
        check(resident_kib < 40 * 1024, f"{node} takes {resident_kib} KiB")


run_tests()
