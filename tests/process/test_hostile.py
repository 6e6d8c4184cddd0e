#!/usr/bin/python3
"""Whatever is sent to either port: a clear error or a closed connection, nothing reserved for it, nothing crashes, nothing lost."""
import ctypes
import os
import random
import shutil
import socket
import struct
import time

from harness import Cluster, check, eventually, expect, process_figure, run_tests, send_raw, test

xxhash = ctypes.CDLL("libxxhash.so.0")
xxhash.XXH3_64bits.restype = ctypes.c_uint64
xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]


def frame(kind, payload, version=4, length=None, checksum=None):
    """A frame of schemas/message.h."""
    body = bytes([version, kind]) + payload
    end = struct.pack("<Q", xxhash.XXH3_64bits(body, len(body)) if checksum is None else checksum)
    return struct.pack("<I", len(body) + 8 if length is None else length) + body + end


def text(s):
    return bytes([len(s)]) + s.encode()


def hello(cluster="local", dc="eu", node=1, secret=0, definitions=0):
    return frame(1, text(cluster) + text(dc) + bytes([node]) + struct.pack("<QQQQB", 0, 12345, secret, definitions, 0))


def alive(c, pids):
    for node in c.nodes:
        expect(c.pid(node), pids[node])
        expect(c.client(node).ping(), True, node)
    expect(c.client("us-1").set("alive", "yes"), True)
    c.settle()


MALFORMED = [
    (b"*1\r\n$-5\r\nPING\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    (b"*1\r\n$99999999999\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    (b"*99999999\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    (b"*9223372036854775808\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    (b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    (b"*1\r\n:4\r\nPING\r\n", b"-ERR Protocol error: expected '$', got ':'\r\n"),
    (b"*1\r\n$x\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    (b"SET a 'b\r\n", b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    (b"A" * 70000, b"-ERR Protocol error: too big inline request\r\n"),
    (b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$9223372036854775807\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
]


@test("malformed requests get the error that Redis gives, and their connection is closed")
def _():
    c = Cluster("us,eu", 1)
    pids = {node: c.pid(node) for node in c.nodes}
    for payload, wanted in MALFORMED:
        got = send_raw(c.port("us-1"), payload)
        check(got.startswith(wanted), f"{payload[:60]!r} got {got!r}, not {wanted!r}")
        got = send_raw(c.port("us-1"), b"PING\r\n" + payload)
        check(got.startswith(b"+PONG\r\n" + wanted), f"after a PING: {payload[:60]!r} got {got!r}")
    alive(c, pids)


@test("a hundred thousand random bytes, in many shapes, crash nothing on either port")
def _():
    c = Cluster("us,eu", 1)
    pids = {node: c.pid(node) for node in c.nodes}
    dice = random.Random(7)
    for i in range(60):
        junk = bytes(dice.randrange(256) for _ in range(2000))
        starts = [b"", b"*3\r\n$3\r\nSET\r\n", b"*1\r\n", hello()[:dice.randrange(60)], hello(), struct.pack("<I", dice.randrange(1 << 32))]
        send_raw(c.port("us-1"), starts[i % 6] + junk, 0.2)
        send_raw(c.peer_port("us-1"), starts[i % 6] + junk, 0.2)
    alive(c, pids)


@test("keys over 64 KiB and rows over 1 MiB are refused with the limit, and the connection goes on")
def _():
    c = Cluster("us,eu", 2)
    for node in ("us-1", "us-2"):
        r = c.client(node)
        pipe = r.pipeline(transaction=False)
        pipe.set("k" * (64 * 1024 + 1), "v").set("k", "v" * (1024 * 1024 + 1)).set("k", "v" * (1024 * 1024 - 200)).set("k" * 64 * 1024, "v")
        replies = pipe.execute(raise_on_error=False)
        check(isinstance(replies[0], Exception) and isinstance(replies[1], Exception), f"{node}: {[str(x)[:80] for x in replies]}")
        expect(replies[2:], [True, True], node)
        try:
            for _ in range(3):
                r.append("grows" + node, "x" * 500000)
            raise AssertionError("a row grew over the limit")
        except Exception as error:  # the words are the node's, not the client's
            check(not isinstance(error, AssertionError), str(error))
        expect(r.strlen("grows" + node), 1000000)
    c.settle()


@test("a request that announces gigabytes reserves nothing")
def _():
    c = Cluster("us,eu", 1)
    before_kib = process_figure(c.pid("us-1"), "VmRSS")
    open_sockets = []
    for _ in range(50):
        s = socket.create_connection(("127.0.0.1", c.port("us-1")))
        s.sendall(b"*1000000\r\n$1000000\r\n")
        open_sockets.append(s)
        s = socket.create_connection(("127.0.0.1", c.peer_port("us-1")))
        s.sendall(struct.pack("<I", 16 * 1024 * 1024 - 100))
        open_sockets.append(s)
    expect(c.client("us-1").set("a", "b"), True)
    grown_kib = process_figure(c.pid("us-1"), "VmRSS") - before_kib
    for s in open_sockets:
        s.close()
    check(grown_kib < 32 * 1024, f"{grown_kib} KiB for 100 connections that sent 20 bytes each")


@test("an unknown peer is refused, and nothing that it sends is applied")
def _():
    c = Cluster("us,eu", 1)
    pids = {node: c.pid(node) for node in c.nodes}
    event = frame(4, b"\x01" + struct.pack("<Q", 100)[:1] + b"junk")
    strangers = {
        "another cluster": hello(cluster="other"), "an unknown datacenter": hello(dc="mars"), "an unknown node": hello(node=9),
        "another secret": hello(secret=7), "the node itself": hello(dc="us"), "other tables": hello(definitions=7),
        "no hello": b"",
        "another version": frame(1, text("local") + text("eu") + b"\x01" + bytes(32), version=9),
        "a wrong checksum": frame(1, text("local") + text("eu") + b"\x01" + bytes(32), checksum=1),
        "an unknown type": frame(99, b""), "an oversize frame": struct.pack("<I", 0xffffffff) + b"\x01\x01" + bytes(5000),
        "a frame shorter than its head": struct.pack("<I", 3) + b"\x01\x01\x00",
    }
    for title, opening in strangers.items():
        start = time.monotonic()
        answer = send_raw(c.peer_port("us-1"), opening + event, 5)
        check(time.monotonic() - start < 4.5, f"{title}: the connection was left open")
        check(b"us-1." not in answer, f"{title} was told events")
        check(title != "other tables" or b"the cluster files of us-1 and eu-1 differ in tables or priorities" in answer, f"{title}: {answer}")
    expect(c.status("us-1")["vv"], "-", "something was applied")
    alive(c, pids)
    eventually(lambda: all(p["state"] == "up" for p in c.status("us-1")["peers"]), "the real peer is still up")


@test("a node of another cluster, or with another secret, is refused and told so")
def _():
    a = Cluster("us,eu", 1)
    a.truce("kill", "eu-1")
    path, data = a.dir + "/cluster.json", a.dir + "/eu-1"
    os.rename(data, data + ".kept")
    with open(path, encoding="utf-8") as f:
        good = f.read()
    for wrong in (good.replace('"cluster": "local"', '"cluster": "other"'), good.replace('"cluster"', '"secret": "other", "cluster"', 1)):
        with open(path, "w", encoding="utf-8") as f:
            f.write(wrong)
        a.truce("start", "eu-1")
        a.client("eu-1").set("stray", "row")
        eventually(lambda: any(p["state"] in ("refused", "connecting") and p["why"] for p in a.status("eu-1")["peers"]), "eu-1 says why it is alone")
        expect(a.client("us-1").exists("stray"), 0)
        a.truce("kill", "eu-1")
        shutil.rmtree(data)
    os.rename(data + ".kept", data)
    with open(path, "w", encoding="utf-8") as f:
        f.write(good)
    a.truce("start", "eu-1")
    a.settle()


@test("clients that are flooded with replies they do not read do not fill the memory")
def _():
    c = Cluster("us,eu", 1, memory_mb=64)
    c.client("us-1").set("big", "x" * 500000)
    lazy = [socket.create_connection(("127.0.0.1", c.port("us-1"))) for _ in range(20)]
    for s in lazy:
        s.setblocking(False)
        try:
            for _ in range(200):
                s.send(b"GET big\r\n" * 100)
        except BlockingIOError:
            pass
    time.sleep(2)
    expect(c.client("us-1").get("big"), "x" * 500000)
    resident_kib = process_figure(c.pid("us-1"), "VmRSS")
    check(resident_kib < 256 * 1024, f"{resident_kib} KiB")
    for s in lazy:
        s.close()


@test("a password is asked for where there is one")
def _():
    c = Cluster("us,eu", 2)
    c.truce("down")
    path = c.dir + "/cluster.json"
    with open(path, encoding="utf-8") as f:
        good = f.read()
    with open(path, "w", encoding="utf-8") as f:
        f.write(good.replace('"cluster"', '"password": "s3cret", "cluster"', 1))
    c.truce("up")
    check(send_raw(c.port("us-1"), b"GET a\r\nSET a b\r\n").startswith(b"-NOAUTH Authentication required.\r\n-NOAUTH"), "no password")
    check(send_raw(c.port("us-1"), b"AUTH wrong\r\nGET a\r\n").startswith(b"-WRONGPASS"), "a wrong password")
    for node in c.nodes:
        expect(c.client(node, password="s3cret").set("a", node), True)
    c.settle()


run_tests()
