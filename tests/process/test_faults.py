#!/usr/bin/python3
"""Every verb of truce against real processes: what is written while datacenters are cut, killed, paused or slow, and where it ends."""
import json
import os
import signal
import subprocess
import time

from harness import TRUCE, Cluster, check, eventually, expect, run_tests, test


def writes(cluster, node, prefix, count):
    pipe = cluster.client(node).pipeline(transaction=False)
    for i in range(count):
        pipe.set(f"{prefix}:{i}", f"{prefix} wrote {i}")
    expect(pipe.execute(), [True] * count, f"writes at {node}")


def holds(cluster, node, prefix, count):
    expect(cluster.client(node).mget([f"{prefix}:{i}" for i in range(count)]), [f"{prefix} wrote {i}" for i in range(count)], f"{prefix} at {node}")


@test("up starts every node, prints its redis-cli line, and is idempotent")
def _():
    c = Cluster(up=False)
    out = c.truce("up", *c.options)
    for node in c.nodes:
        check(f"redis-cli -p {c.port(node)}" in out, out)
        expect(c.client(node).ping(), True, node)
        expect(c.status(node)["vv"], "-", f"{node} has events that nobody wrote")
    pids = {node: c.pid(node) for node in c.nodes}
    check("running already" in c.truce("up", *c.options))
    expect({node: c.pid(node) for node in c.nodes}, pids, "up again")
    c.truce("kill", "eu-2")
    again = {n["node"]: n["started"] for n in c.json("up")["nodes"]}
    expect([n for n in again if again[n]], ["eu-2"], "what up started")


@test("up refuses to change a cluster that is there")
def _():
    c = Cluster("us,eu", 1)
    for option, value in [("--dcs", "us,eu,ap"), ("--dcs", "us,mars"), ("--nodes", "2"),
                          ("--port-base", "7000"), ("--fsync", "yes"), ("--memory-mb", "99")]:
        code, _, err = c.run("up", option, value)
        expect(code, 2, f"up {option} {value}")
        check(f"{option} differs" in err, err)


@test("status names role, links, version vector and digest of every node, and its JSON holds the same")
def _():
    c = Cluster()
    writes(c, "us-1", "a", 10)
    c.settle()
    table = c.truce("status")
    check("All nodes agree." in table, table)
    for node in c.nodes:
        check(node in table and "leader" in table and "follower" in table, table)
    answer = c.json("status")
    expect(answer["settled"], True)
    for node in answer["nodes"]:
        status = node["status"]
        expect((status["node"], status["dc"], status["rows"]), (node["node"], node["dc"], "10"))
        expect(status["role"], "leader" if node["node"].endswith("-1") else "follower")
        expect(status["leader"], node["dc"] + "-1")
        expect(len(set(p["node"] for p in status["peers"])), len(status["peers"]), "peers are listed once")
    watch = subprocess.Popen([TRUCE, "status", "--watch", "--json", "--dir", c.dir], stdout=subprocess.PIPE, text=True)
    lines = [json.loads(watch.stdout.readline()) for _ in range(2)]
    watch.send_signal(signal.SIGINT)
    watch.stdout.read()
    expect((lines[0]["settled"], lines[1]["settled"], watch.wait(10)), (True, True, 0), "status --watch")


@test("both sides of a cut go on writing, see nothing of each other, and agree after it heals")
def _():
    c = Cluster()
    c.truce("cut", "eu | us ap")
    eventually(lambda: "us-1 -> eu-1: cut" in c.truce("status"), "status names the cut")
    for node in ("us-1", "eu-1", "ap-1"):
        writes(c, node, node, 50)
    eventually(lambda: c.client("ap-2").get("us-1:49"), "us reaches ap around the cut")
    expect(c.client("us-1").exists(*[f"eu-1:{i}" for i in range(50)]), 0, "rows of eu in us")
    expect(c.client("eu-2").exists(*[f"us-1:{i}" for i in range(50)]), 0, "rows of us in eu")
    expect(c.run("status", "--settle", "100ms")[0], 3, "exit code of a cluster that does not agree")
    c.truce("heal", "*")
    c.settle()
    for node in c.nodes:
        for prefix in ("us-1", "eu-1", "ap-1"):
            holds(c, node, prefix, 50)


@test("what both sides of a cut wrote to one row is read alike everywhere, and the other is in every journal with its value")
def _():
    c = Cluster()
    c.client("us-1").set("doc", "old")
    c.client("us-1").hset("user", mapping={"name": "Alice", "city": "Rome"})
    c.client("us-1").set("gone", "old")
    c.settle()
    c.truce("cut", "us", "eu")
    c.truce("cut", "eu", "ap")
    time.sleep(1)  # a leader that was just elected is ahead of its clock, by no more than the bound
    c.client("us-1").set("doc", "from us")
    c.client("us-1").hset("user", "name", "Alice Smith")
    c.client("us-1").set("gone", "kept by us")
    time.sleep(0.02)
    c.client("eu-1").set("doc", "from eu")
    c.client("eu-1").hset("user", "name", "Alice Jones")
    c.client("eu-1").delete("gone")
    c.truce("heal")
    c.settle()
    for node in c.nodes:
        expect(c.client(node).get("doc"), "from eu", node)
        expect(c.client(node).hgetall("user"), {"name": "Alice Jones", "city": "Rome"}, node)
        expect(c.client(node).get("gone"), "kept by us", f"{node}: a delete removes what it had seen, and no other")
    for dc in c.dcs:
        for key, value in (("doc", "from us"), ("user", "Alice Smith")):
            lost = c.conflicts(dc, key)
            expect([(l["key"], l["loser_dc"]) for l in lost], [(key, "us")], f"journal of {dc}")
            check(value in str(lost[0]["value"]), f"{dc} has {lost} instead of {value}")
        expect(len(c.conflicts(dc)), 2, f"entries in {dc}")


@test("a later write that has seen both sides ends the conflict, and a second cut makes a new one")
def _():
    c = Cluster("us,eu", 1)
    for turn in range(3):
        c.truce("cut", "us", "eu")
        c.client("us-1").set("k", f"us {turn}")
        time.sleep(0.02)  # in one millisecond the origins' names would decide
        c.client("eu-1").set("k", f"eu {turn}")
        c.truce("heal", "us", "eu")
        c.settle()
        c.client("us-1").set("k", f"settled {turn}")
        c.settle()
        expect((c.client("us-1").get("k"), c.client("eu-1").get("k")), (f"settled {turn}",) * 2)
        for node in ("us-1", "eu-1"):
            lost = {entry["value"] for entry in c.conflicts(node)}
            check({f"us {n}" for n in range(turn + 1)} <= lost, f"{node} has {lost} after turn {turn}")
            check(not any(value.startswith("settled") for value in lost), f"{node} names as lost what both sides have seen: {lost}")


@test("a one-way cut stops one direction, is seen, and heals")
def _():
    c = Cluster("us,eu", 1)
    c.truce("cut", "eu > us")
    writes(c, "us-1", "a", 10)
    writes(c, "eu-1", "b", 10)
    expect(c.client("us-1").exists("b:0"), 0, "eu's write in us")
    eventually(lambda: any(p["state"] != "up" for p in c.status("us-1")["peers"]), "us notices that it hears nothing of eu")
    c.truce("heal", "eu > us")
    c.settle()
    for node in c.nodes:
        holds(c, node, "a", 10)
        holds(c, node, "b", 10)


@test("a follower cut from its leader says so to writers, and catches up afterwards")
def _():
    c = Cluster("us,eu", 3)
    writes(c, "us-1", "0", 1)
    leader = c.status("us-1")["leader"]
    cut_off = next(node for node in ("us-1", "us-2", "us-3") if node != leader)
    for node in ("us-1", "us-2", "us-3"):
        if node != cut_off:
            c.truce("cut", node, cut_off)
    writes(c, leader, "a", 20)
    try:
        c.client(cut_off, socket_timeout=60).set("b", "lost?")
        raise AssertionError("a follower without its leader took a write")
    except Exception as error:  # the exact words are the node's
        check(not isinstance(error, AssertionError), str(error))
    c.truce("heal")
    c.settle()
    holds(c, cut_off, "a", 20)
    expect(c.client(cut_off).set("c", "1"), True, "a follower forwards again")


@test("kill -9 loses no acknowledged write, of a follower or of a leader")
def _():
    c = Cluster("us,eu", 3, fsync="yes")
    writes(c, "us-1", "a", 30)
    leader = c.status("us-1")["leader"]
    others = [node for node in ("us-1", "us-2", "us-3") if node != leader]
    c.truce("kill", leader)
    writes(c, others[0], "b", 30)
    c.truce("kill", others[1])
    writes(c, "eu-1", "c", 30)
    table = c.truce("status")
    check(f"{leader}: not running" in table, table)
    c.truce("start", leader, others[1])
    c.settle()
    for node in c.nodes:
        for prefix in "abc":
            holds(c, node, prefix, 30)


@test("all nodes killed at once and started again hold everything")
def _():
    c = Cluster("us,eu", 2)
    for turn in range(3):
        for node in ("us-1", "eu-1"):
            writes(c, node, f"{node} {turn}", 40)
        c.truce("kill", *c.nodes)
        c.truce("start", "*")
        c.settle()
    for node in c.nodes:
        for turn in range(3):
            holds(c, node, f"us-1 {turn}", 40)
            holds(c, node, f"eu-1 {turn}", 40)


@test("a node that is down when a cut is ordered is under it when it starts")
def _():
    c = Cluster("us,eu", 1)
    c.truce("kill", "us-1", "eu-1")
    check("told when it is started" in c.truce("cut", "us", "eu"))
    c.truce("start", "*")
    writes(c, "us-1", "a", 5)
    time.sleep(1)
    expect(c.client("eu-1").exists("a:0"), 0, "a write across the cut")
    c.truce("heal")
    c.settle()
    holds(c, "eu-1", "a", 5)


@test("a paused node is shown as paused, holds nobody up, and goes on where it was")
def _():
    c = Cluster("us,eu", 2)
    c.truce("pause", "eu-1")
    writes(c, "us-1", "a", 20)
    check("eu-1: paused" in c.truce("status"))
    eventually(lambda: any(p["node"] == "eu-1" and p["state"] != "up" for p in c.status("us-1")["peers"]), "us notices that eu-1 is silent", 60)
    c.truce("resume", "eu-1")
    c.settle()
    holds(c, "eu-2", "a", 20)


@test("a slow link delays, and loses nothing")
def _():
    c = Cluster("us,eu", 1)
    c.truce("slow", "us", "eu", "--latency", "300ms", "--jitter", "50ms", "--loss", "5%", "--rate", "1mbit")
    start = time.monotonic()
    writes(c, "us-1", "a", 200)
    writes(c, "eu-1", "b", 200)
    eventually(lambda: c.client("eu-1").get("a:0"), "the first write arrives", 60)
    check(time.monotonic() - start >= 0.25, "it arrived sooner than the link allows")
    c.settle("120s")
    c.truce("heal")
    for node in c.nodes:
        holds(c, node, "a", 200)
        holds(c, node, "b", 200)


@test("a link that is cut and healed again and again ends in agreement")
def _():
    c = Cluster("us,eu", 1)
    for turn in range(10):
        c.truce("cut", "us", "eu")
        writes(c, "us-1", f"u{turn}", 100)
        c.truce("heal", "us", "eu")
        writes(c, "eu-1", f"e{turn}", 100)
    c.settle()
    for node in c.nodes:
        for turn in range(10):
            holds(c, node, f"u{turn}", 100)
            holds(c, node, f"e{turn}", 100)


@test("do runs a command with the quoting of redis-cli, at a datacenter or a node")
def _():
    c = Cluster("us,eu", 2)
    expect(c.truce("do", "us", "SET 'a key' \"line\\n\\x41\""), "OK\n")
    expect(c.client("us-1").get("a key"), "line\nA")
    expect(c.truce("do", "us-2", "INCRBY", "n", "7"), "7\n")
    expect(c.json("do", "us", "MGET n nothing"), {"node": "us-1", "reply": ["7", None]})
    code, out, _ = c.run("do", "us", "INCR 'a key'")
    expect((code, out), (1, "ERR value is not an integer or out of range\n"))
    expect(c.run("do", "us", "SET 'a")[0], 2)
    expect(c.run("do", "mars", "PING")[0], 2)


@test("down stops every node cleanly, paused ones too, and up brings all rows back")
def _():
    c = Cluster("us,eu", 2)
    writes(c, "us-1", "a", 500)
    c.settle()
    digest = c.status("us-1")["digest"]
    pids = [c.pid(node) for node in c.nodes]
    c.truce("pause", "eu-2")
    answer = c.json("down")
    expect((sorted(answer["stopped"]), answer["killed"]), (sorted(c.nodes), []))
    check(not any(os.path.exists(f"/proc/{pid}/exe") for pid in pids), "a process is still there")
    check("No node was running" in c.truce("down"))
    c.truce("up")
    for node in c.nodes:
        expect(c.status(node)["digest"], digest, node)
        holds(c, node, "a", 500)


@test("kill, pause and down never touch a process that is not the node's")
def _():
    c = Cluster("us,eu", 1)
    stranger = subprocess.Popen(["sleep", "1000"])
    other = Cluster("us,eu", 1, port_offset=20)
    try:
        c.truce("kill", "us-1", "eu-1")
        for pid in (stranger.pid, other.pid("us-1"), 1, 0, -1):
            with open(os.path.join(c.dir, "us-1", "pid"), "w", encoding="ascii") as f:
                f.write(f"{pid}\n")
            for verb in ("kill", "pause", "resume"):
                expect(c.run(verb, "us-1")[0], 1, f"{verb} with pid {pid}")
            c.truce("down")
        expect(stranger.poll(), None, "the stranger's end")
        expect(other.client("us-1").ping(), True)
    finally:
        stranger.kill()
        stranger.wait()


run_tests()
