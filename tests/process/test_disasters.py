#!/usr/bin/python3
"""What befalls nodes themselves, through the verbs of truce: their data is gone or old, their clocks are wrong, what they send is held up."""
import os
import time

from harness import Cluster, check, eventually, expect, run_tests, test


def wall_ms(c, node):
    """What the clock of the node shows."""
    seconds, microseconds = c.client(node).time()
    return int(seconds) * 1000 + int(microseconds) // 1000


@test("a clog holds what is sent until it is healed, and nothing is lost")
def _():
    c = Cluster("us,eu", 1)
    c.client("us-1").set("a", "1")
    eventually(lambda: c.client("eu-1").get("a") == "1", "the write before the clog")
    check("clogged" in c.truce("clog", "us > eu"))
    c.client("us-1").set("a", "2")
    c.client("eu-1").set("b", "1")
    eventually(lambda: c.client("us-1").get("b") == "1", "the other direction is free")
    expect(c.client("eu-1").get("a"), "1", "a write through the clog")
    check("clogged" in c.truce("status"), "status names it")
    c.truce("heal")
    eventually(lambda: c.client("eu-1").get("a") == "2", "what was held comes")
    c.settle()


@test("a node that was wiped has everything again when it serves")
def _():
    c = Cluster("us,eu", 2)
    for i in range(50):
        c.client("us-1").set(f"k{i}", f"v{i}")
    c.settle()
    expect(c.run("wipe", "us-2")[0], 2, "of a node that runs")
    c.truce("kill", "us-2")
    c.truce("wipe", "us-2")
    expect(sorted(os.listdir(os.path.join(c.dir, "us-2"))), ["log", "returning"])
    c.truce("start", "us-2")
    eventually(lambda: c.client("us-2").get("k49") == "v49", "the last row")
    c.settle()
    expect(c.status("us-2")["digest"], c.status("us-1")["digest"])
    check(not os.path.exists(os.path.join(c.dir, "us-2", "returning")), "it has come back")


@test("a backup of a node that runs can be put back, and the node takes the rest from the others")
def _():
    c = Cluster("us,eu", 2)
    for i in range(300):
        c.client("eu-1").set(f"k{i}", "old" * 100)
    c.truce("backup", "eu-2", "monday")
    c.truce("backup", "eu-2", "monday")
    check(c.client("eu-2").ping(), "it goes on")
    c.client("us-1").set("k0", "new")
    c.client("us-1").set("later", "1")
    c.settle()
    expect(c.run("restore", "eu-2", "monday")[0], 2, "of a node that runs")
    c.truce("kill", "eu-2")
    expect(c.run("restore", "eu-2", "tuesday")[0], 2, "a backup that is not there")
    c.truce("restore", "eu-2", "monday")
    c.truce("start", "eu-2")
    eventually(lambda: c.client("eu-2").get("later") == "1", "what came after the backup")
    c.settle()
    expect(c.client("eu-2").get("k0"), "new")
    expect(c.client("eu-2").get("k299"), "old" * 100)


@test("copies of a store that is written to open, whenever they were made")
def _():
    c = Cluster("us", 1, fsync="yes")
    for turn in range(5):
        pipe = c.client("us-1").pipeline(transaction=False)
        for i in range(2000):
            pipe.set(f"t{turn}:{i}", "x" * (turn * 50))
        pipe.execute()
        c.truce("backup", "us-1", f"turn{turn}")
    c.truce("kill", "us-1")
    for turn in range(5):
        c.truce("restore", "us-1", f"turn{turn}")
        os.unlink(os.path.join(c.dir, "us-1", "returning"))  # there is nobody to take the rest from
        c.truce("start", "us-1")
        expect(c.client("us-1").dbsize(), 2000 * (turn + 1), f"rows in the backup of turn {turn}")
        c.truce("kill", "us-1")


@test("a clock that is skewed stays so when its node starts anew, and is set right")
def _():
    c = Cluster("us,eu", 1)
    c.truce("skew", "us-1", "--by", "-1h")
    check(abs(wall_ms(c, "us-1") + 3600000 - time.time() * 1000) < 600000, "an hour behind")
    c.truce("kill", "us-1")
    c.truce("start", "us-1")
    check(abs(wall_ms(c, "us-1") + 3600000 - time.time() * 1000) < 600000, "an hour behind after a start")
    c.truce("skew", "us-1", "--by", "0")
    check(abs(wall_ms(c, "us-1") - time.time() * 1000) < 600000, "right again")
    expect(c.run("skew", "us-1")[0], 2)
    expect(c.run("skew", "us-1", "--by", "soon")[0], 2)


@test("a clock that is frozen stands")
def _():
    c = Cluster("us", 1)
    c.truce("skew", "*", "--frozen")
    first = wall_ms(c, "us-1")
    time.sleep(0.05)
    expect(wall_ms(c, "us-1"), first)


run_tests()
