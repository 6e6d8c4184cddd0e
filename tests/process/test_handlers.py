#!/usr/bin/python3
"""Conflict handlers in real nodes: what was admitted settles conflicts, what was not is refused, and what is forced in though it is bad costs nothing
but its own rows."""
import json
import os
import shutil
import signal

from harness import BUILD, Cluster, check, eventually, expect, run_tests, test

EXAMPLES = os.path.join(BUILD, "deploy/handlers")
BAD = os.path.join(BUILD, "tests/io")


def open_cluster(tables, forced=(), nodes=1, up=True):
    """Two datacenters, whose handlers are looked for in one directory."""
    c = Cluster("us,eu", nodes, up=False)
    os.makedirs(os.path.join(c.dir, "handlers"))
    dcs = {dc: {"nodes": {str(i): {"client": f"127.0.0.1:{c.port(f'{dc}-{i}')}", "peer": f"127.0.0.1:{c.peer_port(f'{dc}-{i}')}"}
                          for i in range(1, nodes + 1)}} for dc in c.dcs}
    content = {"cluster": "handled", "fsync": False, "memory_mb": 64, "datacenters": dcs, "tables": tables,
               "handlers": {"dir": os.path.join(c.dir, "handlers"), "forced": list(forced)}}
    with open(os.path.join(c.dir, "cluster.json"), "w", encoding="utf-8") as f:
        json.dump(content, f)
    if up:
        c.truce("up")
    return c


def copy_in(c, *files):
    for file in files:
        shutil.copy(file, os.path.join(c.dir, "handlers"))


def admit(c, name):
    """Checks and installs an example, as its author would."""
    folder = os.path.join(c.dir, "built")
    os.makedirs(folder, exist_ok=True)
    file = shutil.copy(os.path.join(EXAMPLES, name + ".so"), folder)
    c.truce("handler", "check", file)
    c.truce("handler", "install", file)


def both(c, key, at_us, at_eu):
    """Both datacenters write the row without knowing of each other."""
    c.truce("cut", "us", "eu")
    expect(c.client("us-1").set(key, at_us), True)
    expect(c.client("eu-1").set(key, at_eu), True)
    c.truce("heal", "us", "eu")
    c.settle()


def siblings(c, node, key):
    flat = c.client(node).execute_command("TRUCE.SIBLINGS", key)
    return flat[flat.index("siblings") + 1]


def settled(c, key):
    """Every node has one value in one sibling, or in equal ones; which."""
    values = {str(s[s.index("value") + 1]) for node in c.nodes for s in siblings(c, node, key)}
    return values.pop() if len(values) == 1 else None


def handlers_of(c, node):
    return {h[h.index("name") + 1]: dict(zip(h[::2], h[1::2])) for h in c.client(node).execute_command("TRUCE.HANDLERS")}


def alarms(c, node):
    return c.status(node)["alarms"]


def has_alarm(c, node, words):
    return any(words in a for a in alarms(c, node))


def agree(c, *keys):
    """All nodes read the same, and have the same digest."""
    c.settle()
    for key in keys:
        values = {c.client(node).get(key) for node in c.nodes}
        check(len(values) == 1, f"{key} reads {values}")
    digests = {c.status(node)["digest"] for node in c.nodes}
    check(len(digests) == 1, f"digests differ: {digests}")


def runners(c):
    """Processes that run handlers of this cluster."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "--run-handler" in words and any(w.startswith(c.dir) for w in words):
            found.append(int(pid))
    return found


@test("an admitted handler settles a conflict once, the same on every node, in one process that ends with its node")
def _():
    c = open_cluster({"notes": {"conflict": "handler:longest_text"}}, nodes=2, up=False)
    admit(c, "longest_text")
    c.truce("up")
    both(c, "notes:1", "the longer text", "short")
    eventually(lambda: settled(c, "notes:1") == "the longer text", "notes:1 is settled")
    agree(c, "notes:1")
    both(c, "notes:2", "short", "a text that is longer")
    eventually(lambda: settled(c, "notes:2") == "a text that is longer", "notes:2 is settled")
    for node in c.nodes:
        expect(alarms(c, node), [], f"alarms of {node}")
    check(1 <= len(runners(c)) <= 2, f"{len(runners(c))} processes run handlers")
    ran = sum(handlers_of(c, f"{dc}-1")["longest_text"]["runs"] for dc in c.dcs)
    check(2 <= ran <= 4, f"it was asked {ran} times")
    c.truce("down")
    expect(runners(c), [])


@test("a handler that asks for the base gets it, and a chain goes on where it passes")
def _():
    c = open_cluster({"docs": {"conflict": "handler:json_three_way,longest_text"}}, up=False)
    admit(c, "json_three_way")
    admit(c, "longest_text")
    c.truce("up")
    c.client("us-1").set("docs:1", '{"title": "a", "body": "b"}')
    c.settle()
    both(c, "docs:1", '{"title": "changed", "body": "b"}', '{"title": "a", "body": "changed too"}')
    eventually(lambda: settled(c, "docs:1"), "docs:1 is settled")
    expect(json.loads(c.client("eu-1").get("docs:1")), {"title": "changed", "body": "changed too"})
    c.client("us-1").set("docs:2", "no JSON")
    c.settle()
    both(c, "docs:2", "short", "longer")
    eventually(lambda: settled(c, "docs:2") == "longer", "docs:2 is settled")
    agree(c, "docs:1", "docs:2")


@test("a handler that was not admitted is refused with why, and runs once it is")
def _():
    c = open_cluster({"notes": {"conflict": "handler:longest_text"}})
    copy_in(c, os.path.join(EXAMPLES, "longest_text.so"))
    eventually(lambda: "longest_text" in handlers_of(c, "us-1"), "the handler is listed without anybody's word")
    listed = handlers_of(c, "us-1")["longest_text"]
    check(not listed["usable"] and "never checked" in listed["why"], listed)
    both(c, "notes:1", "longer", "short")
    for node in c.nodes:
        check(has_alarm(c, node, "handler longest_text of table notes cannot run here: it was never checked"), alarms(c, node))
    expect(len(siblings(c, "us-1", "notes:1")), 2)
    expect(runners(c), [])
    admit(c, "longest_text")
    for node in c.nodes:
        expect(c.client(node).execute_command("TRUCE.HANDLERS", "RELOAD"), "OK")
    eventually(lambda: settled(c, "notes:1") == "longer", "notes:1 is settled")
    agree(c, "notes:1")
    for node in c.nodes:
        expect(alarms(c, node), [], f"alarms of {node}")


FAILURES = {
    "crash": "crashed with signal 11 (Segmentation fault)",
    "loop": "gave no answer within ",
    "exit": "ended its process with code 3",
    "deaf": "returned 7",
    "garbage": "gave garbage as its answer",
    "flood": "gave an answer that is too large",
    "closer": "closed its connection to the node",
}


@test("handlers that crash, loop or answer garbage, forced in, cost their own rows: nodes stay up and equal, and say handler, table and row")
def _():
    names = list(FAILURES) + ["first"]
    c = open_cluster({f"t-{name}": {"conflict": f"handler:{name}"} for name in names}, forced=names, nodes=2, up=False)
    copy_in(c, *(os.path.join(BAD, name + ".so") for name in names))
    c.truce("up")
    pids = {node: c.pid(node) for node in c.nodes}
    keys = [f"t-{name}:{i}" for name in names for i in range(2)]
    c.truce("cut", "us", "eu")
    for key in keys:
        c.client("us-1").set(key, "of us")
        c.client("eu-1").set(key, "of eu")
    c.truce("heal", "us", "eu")
    for i in range(2):
        eventually(lambda k=f"t-first:{i}": settled(c, k) == "of eu", "the good one is not held up")
    for name, words in FAILURES.items():
        for node in c.nodes:
            for i in range(2):
                alarm = f"handler {name}, table t-{name}, row t-{name}:{i}: {words}"
                eventually(lambda n=node, a=alarm: has_alarm(c, n, a), f"{node} tells of {name}")
    agree(c, *keys)
    for node in c.nodes:
        check(int(c.status(node)["handler_failures"]) >= 14, c.status(node)["handler_failures"])
        expect(c.pid(node), pids[node], f"the process of {node}")
        check(c.client(node).ping(), node)
    for name in FAILURES:
        expect(len(siblings(c, "us-1", f"t-{name}:0")), 2, f"siblings of {name}")
    c.client("us-1").set("t-crash:0", "by a person")
    agree(c, "t-crash:0")
    expect(settled(c, "t-crash:0"), "by a person")
    check(not any(has_alarm(c, node, "row t-crash:0:") for node in c.nodes), "the alarm has gone with the conflict")
    c.truce("down")
    expect(runners(c), [])


@test("handlers that look at the clock, or count their calls, cannot make datacenters differ")
def _():
    names = ["clock", "counter"]
    c = open_cluster({f"t-{name}": {"conflict": f"handler:{name}"} for name in names}, forced=names, up=False)
    copy_in(c, *(os.path.join(BAD, name + ".so") for name in names))
    c.truce("up")
    c.client("eu-1").set("t-counter:9", "x")  # so that the two counts differ, eu has been asked before
    c.settle()
    both(c, "t-counter:9", "a", "b")
    eventually(lambda: settled(c, "t-counter:9"), "the first is settled")
    c.truce("slow", "us", "eu", "--latency", "700ms")
    keys = [f"t-{name}:{i}" for name in names for i in range(5)]
    for key in keys:
        c.client("us-1").set(key, "of us")
        c.client("eu-1").set(key, "of eu")
    for node in c.nodes:
        eventually(lambda n=node: int(c.status(n)["handler_failures"]) >= 5, f"{node} has seen answers that differ")
        check(has_alarm(c, node, "it gave different answers to the same question"), alarms(c, node))
    c.truce("heal", "us", "eu")
    agree(c, *keys)


@test("a node that is killed takes its handlers' processes along, and asks again after its restart")
def _():
    c = open_cluster({"notes": {"conflict": "handler:sleepy"}}, forced=["sleepy"], up=False)
    copy_in(c, os.path.join(BAD, "sleepy.so"))
    c.truce("up")
    c.truce("cut", "us", "eu")
    for i in range(20):
        c.client("us-1").set(f"notes:{i}", "of us")
        c.client("eu-1").set(f"notes:{i}", "of eu")
    c.truce("heal", "us", "eu")
    eventually(lambda: runners(c), "somebody runs the handler")
    for node in c.nodes:
        os.kill(c.pid(node), signal.SIGKILL)
    eventually(lambda: not runners(c), "no process is left")
    for node in c.nodes:
        c.truce("start", node)
    for i in range(20):
        eventually(lambda k=f"notes:{i}": settled(c, k), f"notes:{i} is settled", 60)
    agree(c, *(f"notes:{i}" for i in range(20)))


run_tests()
