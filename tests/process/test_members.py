#!/usr/bin/python3
"""Nodes and datacenters that come and go through truce, while clients go on writing."""
import threading
import time

import redis

from harness import Cluster, check, eventually, expect, run_tests, test


class Writers:
    """Clients that write counters and keys to nodes, one thread each, and note what was acknowledged."""

    def __init__(self, c, nodes):
        self.ends = threading.Event()
        self.acknowledged = [[] for _ in nodes]
        self.errors = []
        self.threads = [threading.Thread(target=self.write, args=(c, node, i)) for i, node in enumerate(nodes)]
        for thread in self.threads:
            thread.start()

    def write(self, c, node, which):
        client = c.client(node, socket_timeout=20)
        n = 0
        while not self.ends.is_set():
            key = f"w{which}:{n}"
            try:
                client.set(key, f"v{n}")
                self.acknowledged[which].append((time.monotonic(), key, f"v{n}"))
            except redis.RedisError as e:
                self.errors.append((node, str(e)))
            n += 1

    def stop(self):
        self.ends.set()
        for thread in self.threads:
            thread.join()

    def longest_gap_s(self, which):
        times = [t for t, _, _ in self.acknowledged[which]]
        return max((b - a for a, b in zip(times, times[1:])), default=0.0)

    def lost(self, client):
        """Acknowledged writes that are not there."""
        missing = []
        for entries in self.acknowledged:
            for at in range(0, len(entries), 1000):
                part = entries[at:at + 1000]
                there = client.mget([key for _, key, _ in part])
                missing += [key for (_, key, value), got in zip(part, there) if got != value]
        return missing


def standings(c, node):
    return {entry[1]: entry[5] for entry in c.client(node).execute_command("TRUCE.MEMBERS")}


@test("a node and a datacenter join under load, and no writer is refused or held up for long")
def _():
    c = Cluster("us,eu", 2)
    filler = c.client("us-1").pipeline(transaction=False)
    for at in range(0, 20000, 500):
        for i in range(at, at + 500):
            filler.set(f"old{i}", "x" * 100)
        filler.execute()
    w = Writers(c, ["us-1", "us-2", "eu-1"])
    time.sleep(0.5)
    expect(c.json("add-node", "us")["added"], ["us-3"])
    expect(c.json("add-dc", "ap")["added"], ["ap-1"])
    time.sleep(0.5)
    w.stop()
    expect(w.errors, [], "what writers were told")
    c.settle()
    for node in ("us-3", "ap-1"):
        expect(w.lost(c.client(node)), [], f"acknowledged and not at {node}")
        expect(c.client(node).get("old19999"), "x" * 100)
    for node in ("us-1", "us-2", "us-3", "eu-1", "ap-1"):
        expect(set(standings(c, node).values()), {"member"}, node)
    print(f"    {sum(map(len, w.acknowledged))} writes; longest gap {max(w.longest_gap_s(i) for i in range(3)) * 1000:.0f} ms")
    c.client("ap-1").set("from-ap", "1")
    eventually(lambda: c.client("us-3").get("from-ap") == "1", "a write of the new datacenter")


@test("a follower, a leader and a datacenter are removed under load, and nothing that was acknowledged is lost")
def _():
    c = Cluster("us,eu,ap", 3)
    w = Writers(c, ["us-2", "eu-1"])
    time.sleep(0.3)
    leader = c.status("us-2")["leader"]
    follower = next(n for n in ("us-1", "us-3") if n != leader)
    if leader == "us-2":  # a writer is there: it is to stay
        leader = next(n for n in ("us-1", "us-3") if n != follower)
    expect(c.json("remove-node", follower)["removed"], [follower])
    expect(c.json("remove-node", leader)["removed"], [leader])
    expect(sorted(c.json("remove-dc", "ap")["removed"]), ["ap-1", "ap-2", "ap-3"])
    time.sleep(0.5)
    w.stop()
    c.settle()
    for node in ("us-2", "eu-2"):
        expect(w.lost(c.client(node)), [], f"acknowledged and not at {node}")
        there = {name for name, standing in standings(c, node).items() if standing == "member"}
        expect(there, {"us-2", "eu-1", "eu-2", "eu-3"}, node)
    told = [text for node, text in w.errors if not text.startswith(("NOLEADER", "INDETERMINATE", "UNCONFIRMED"))]
    expect(told, [], "what writers were told")
    print(f"    {sum(map(len, w.acknowledged))} writes, {len(w.errors)} refused while the leader changed; "
          f"longest gap {max(w.longest_gap_s(i) for i in range(2)) * 1000:.0f} ms")
    eventually(lambda: c.status("us-2")["vv"] == c.status("us-2")["stable"], "everything is stable without those that were removed")


@test("a node that is dead is removed by force; when it comes again it is refused by name")
def _():
    c = Cluster("us,eu", 3)
    c.client("us-1").set("a", "1")
    c.settle()
    victim = next(n for n in ("us-2", "us-3") if n != c.status("us-1")["leader"])
    c.truce("kill", victim)
    expect(c.run("remove-node", victim)[0], 1, "of a node that does not run")
    c.truce("remove-node", victim, "--force")
    c.client("us-1").set("a", "2")
    eventually(lambda: c.status("eu-1")["vv"] == c.status("eu-1")["stable"], "everything is stable without it")
    check(victim not in c.truce("status"), "it is not in the file any more")
    expect(standings(c, "eu-3")[victim], "removed")
    with_it = c.client("eu-1").execute_command("TRUCE.MEMBERS")
    check(any(entry[1] == victim for entry in with_it), "its name stays taken")
    expect(c.json("add-node", "us")["added"], ["us-4"])


run_tests()
