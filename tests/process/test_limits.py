#!/usr/bin/python3
"""Nodes to which the machine gives no more file descriptors or memory: they refuse or end, apply nothing in part, and disturb nobody."""
import os
import resource
import socket
import time

import redis

from harness import Cluster, check, eventually, expect, process_figure, run_tests, test


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def pairs(client, first, count):
    """Transactions over two rows each; how many were acknowledged."""
    done = 0
    for i in range(first, first + count):
        pipe = client.pipeline(transaction=True)
        pipe.set(f"a{i}", "x" * 100)
        pipe.set(f"b{i}", "x" * 100)
        try:
            pipe.execute()
            done += 1
        except redis.RedisError:
            break
    return done


def whole_pairs(c, acked, most):
    """Each acknowledged transaction is there, no other in part, on all nodes alike."""
    c.settle("120s")
    for node in c.nodes:
        a, b = ([v is not None for v in c.client(node).mget([f"{side}{i}" for i in range(most)])] for side in "ab")
        expect(a, b, f"halves of transactions at {node}")
        check(all(a[i] for i in acked), f"{node} lacks acknowledged transactions")


@test("a node without file descriptors keeps its peers and its clients, turns others away, idles, and takes them when there are some again")
def _():
    c = Cluster("us,eu", 2)
    pid, client = c.pid("us-1"), c.client("us-1")
    client.set("k", "1")
    c.settle()
    usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_files(pid) + 10, usual[1]))
    crowd = [socket.create_connection(("127.0.0.1", c.port("us-1")), timeout=5) for _ in range(60)]
    eventually(lambda: open_files(pid) >= resource.prlimit(pid, resource.RLIMIT_NOFILE)[0] - 1, "the descriptors are used up")
    before = cpu_s(pid)
    time.sleep(1)
    check(cpu_s(pid) - before < 0.5, f"it spends {cpu_s(pid) - before} s of a second on clients that it cannot take")
    expect(pairs(client, 0, 100), 100, "writes of a client that is connected")
    eventually(lambda: c.client("eu-1").get("b99") is not None, "its writes reach the other datacenter")
    expect({p["state"] for p in c.status("us-2")["peers"]}, {"up"}, "links of us-2")
    for s in crowd:
        s.close()
    eventually(lambda: takes_client(c, "us-1"), "it takes clients again")
    resource.prlimit(pid, resource.RLIMIT_NOFILE, usual)
    whole_pairs(c, range(100), 100)


def takes_client(c, node):
    try:
        return redis.Redis(port=c.port(node), socket_timeout=2).ping()
    except redis.RedisError:
        return False


@test("a node without file descriptors for its store ends, or goes on; nothing is applied in part, and it has everything when it starts again")
def _():
    c = Cluster("us,eu", 2, memory_mb=32)
    pid, client = c.pid("us-1"), c.client("us-1")
    done = pairs(client, 0, 100)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_files(pid), resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))
    done += pairs(client, done, 40000)
    check(done > 100, "it refused at once")
    ended = not os.path.exists(f"/proc/{pid}/exe")
    print(f"     {done} transactions, then it {'ended: ' + c.log('us-1').splitlines()[-1] if ended else 'went on'}")
    expect(c.client("eu-1").ping(), True)
    c.truce("start", "us-1")
    if not ended:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (65536, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))
    whole_pairs(c, range(done), done + 1)


@test("a node without memory ends; nothing is applied in part, the others go on, and it has everything when it starts again")
def _():
    c = Cluster("us,eu", 2)
    pid, client = c.pid("us-1"), c.client("us-1")
    done = pairs(client, 0, 100)
    bytes_now = process_figure(pid, "VmSize") * 1024
    resource.prlimit(pid, resource.RLIMIT_AS, (bytes_now, resource.RLIM_INFINITY))
    large = 0
    try:
        for large in range(60):
            pipe = client.pipeline(transaction=True)
            for i in range(8):
                pipe.set(f"large{large}:{i}", "x" * 900000)
            pipe.execute()
    except redis.RedisError:
        pass
    check(not os.path.exists(f"/proc/{pid}/exe"), "it took more than it may")
    print(f"     it ended: {c.log('us-1').splitlines()[-1]}")
    expect(c.client("eu-1").ping(), True)
    c.truce("start", "us-1")
    whole_pairs(c, range(done), done)
    for node in c.nodes:
        counts = [c.client(node).exists(*[f"large{t}:{i}" for i in range(8)]) for t in range(large + 1)]
        check(counts in ([8] * large + [0], [8] * (large + 1)), f"rows of transactions of 8 rows at {node}: {counts}")


run_tests()
