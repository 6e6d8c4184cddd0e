#!/usr/bin/python3
"""Replicas compared while writes go on, rows repaired with their dots kept, and quorum reads, against real processes."""
import json
import os
import subprocess
import threading
import time

import redis

from harness import BUILD, Cluster, check, eventually, expect, run_tests, test

DAMAGE = os.path.join(BUILD, "tests/io/damage-row")


def damage(cluster, *rows):
    """Nodes are stopped, rows are changed on their disks with checksums that fit, and they are started again: (node, key, how...)."""
    nodes = sorted({row[0] for row in rows})
    cluster.settle()
    for node in nodes:
        eventually(lambda node=node: int(cluster.client(node).info()["dirty_rows"]) == 0, f"{node} has flushed")
    cluster.truce("kill", *nodes)
    for node, *what in rows:
        done = subprocess.run([DAMAGE, os.path.join(cluster.dir, node), *what], capture_output=True, text=True, check=False)
        expect(done.returncode, 0, done.stderr)
    cluster.truce("start", *nodes)
    cluster.settle()


class Load:
    """Writers at several nodes, until the end of the block."""

    def __init__(self, cluster, nodes):
        self.cluster, self.end, self.count = cluster, False, 0
        self.threads = [threading.Thread(target=self.write, args=(node, i)) for i, node in enumerate(nodes)]

    def write(self, node, i):
        client, n = self.cluster.client(node), 0
        while not self.end:
            n += 1
            try:
                pipe = client.pipeline(transaction=False)
                for k in range(20):
                    pipe.set(f"k{(n * 37 + k * 11) % 5000}", f"{node} {n}")
                    pipe.sadd(f"s{(n + k) % 50}", f"{i}:{n % 30}")
                    pipe.srem(f"s{(n + k + 7) % 50}", f"{i}:{n % 30}")
                    pipe.incr(f"n{k}")
                pipe.execute()
                self.count += 80
            except redis.RedisError:
                time.sleep(0.01)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.end = True
        for thread in self.threads:
            thread.join()


@test("a damaged row is found while all datacenters write, named with its node and difference, repaired, and nothing else is called damaged")
def _():
    c = Cluster("us,eu", 2)
    for start in range(0, 20000, 500):
        c.client("us-1").mset({f"k{i}": str(i) for i in range(start, start + 500)})
    c.client("us-1").set("users:1", "right")
    c.client("us-1").hset("users:2", mapping={"name": "ann", "town": "ulm"})
    damage(c, ("eu-2", "users:1"), ("us-2", "users:2", "lost"))
    expect(c.client("eu-2").get("users:1"), "damaged")
    with Load(c, ["us-1", "eu-1", "us-2"]) as load:
        eventually(lambda: load.count > 2000, "the writers write")
        code, out, _ = c.run("verify")
        expect(code, 1, out)
        for part in ("users:1 differs:", "eu-2 has other content under us-", "users:2 differs:", "us-2 has no such row", "2 of them differ"):
            check(part in out, out)
        before = load.count
        repaired = json.loads(c.run("verify", "--repair", "--at", "eu-1", "--json")[1])
        check(load.count > before, "the writers went on")
        expect({row["key"]: row["repaired"] for row in repaired["differ"]}, {"users:1": ["eu-2"], "users:2": ["us-2"]})
        found = [c.run("verify")[1]]
    for out in found:
        check("They are equal." in out, out)
    c.settle()
    check(c.json("verify")["equal"], "all is equal at rest")
    for node in c.nodes:
        expect(c.client(node).get("users:1"), "right", node)
        expect(c.client(node).hgetall("users:2"), {"name": "ann", "town": "ulm"}, node)
    c.truce("kill", "eu-2", "us-2")
    c.truce("start", "eu-2", "us-2")
    c.settle()
    check(c.json("verify")["equal"], "what was repaired outlives a kill")


@test("a node that is away is named, a row without a majority is repaired from the node that somebody names, and a wrong digest is made anew")
def _():
    c = Cluster("us,eu", 1)
    c.client("us-1").set("a", "right")
    c.client("us-1").set("b", "right")
    damage(c, ("eu-1", "a"), ("eu-1", "b"))
    code, out, _ = c.run("verify", "--repair")
    expect(code, 1, out)
    check("no state of it is that of most nodes" in out and "not repaired" in out and 'eu-1 reads "damaged"' in out, out)
    c.client("us-1").set("b", "over what was never there")
    out = c.truce("verify", "--repair", "--from", "us-1")
    check("repaired on eu-1" in out, out)
    expect(c.client("eu-1").get("a"), "right")
    c.settle()
    check(c.json("verify")["equal"], "all is equal")
    c.truce("kill", "eu-1")
    eventually(lambda: c.status("us-1")["peers"][0]["state"] != "up", "us-1 misses eu-1")
    code, out, _ = c.run("verify")
    expect(code, 3, out)
    check("eu-1 was not compared: it cannot be reached." in out, out)


@test("a quorum read sees a write that a majority has, at a follower that has not heard of it, and says when there is no majority")
def _():
    c = Cluster("us", 3)
    leader = c.status("us-1")["leader"]
    near, far = [n for n in c.nodes if n != leader]
    reader = c.client(far)
    expect(reader.execute_command("TRUCE.READ", "quorum"), "OK")
    reader.get("a")
    c.truce("slow", leader, far, "--latency", "300ms")
    for i in range(5):
        c.client(leader).set("a", str(i))
        eventually(lambda i=i: c.client(near).get("a") == str(i), "the near follower has it")
        expect(reader.get("a"), str(i), "at the far one")
    c.truce("heal", "*")
    c.truce("kill", leader, near)
    try:
        reader.get("a")
        check(False, "a read without a majority was answered")
    except redis.ResponseError as error:
        check("NOQUORUM" in str(error) or "1 of 3" in str(error), str(error))
    reader.execute_command("TRUCE.READ", "local")
    expect(reader.get("a"), "4")


run_tests()
