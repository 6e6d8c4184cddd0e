#!/usr/bin/python3
"""Scenarios on real processes (`truce replay --live`): for everything that can be done to nodes and links one that ends as in the simulator."""
import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

from harness import DC_NODE, PORT_BASE, TRUCE, check, eventually, expect, run_tests, test

TWO = {"us": {"nodes": 2, "priority": 2}, "eu": {"nodes": 2, "priority": 1}}
PAIR = {"us": {"priority": 2}, "eu": {"priority": 1}}
WORK = tempfile.mkdtemp(prefix="truce-test-live-")


def scenario_file(name, datacenters, steps, **more):
    path = os.path.join(WORK, name + ".json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"scenario": name, "datacenters": datacenters, "links": {"*": {"latency": "5ms"}}, **more, "steps": steps}, f)
    return path


def replay(path, *options):
    env = dict(os.environ, TMPDIR=WORK, TRUCE_DC_NODE=DC_NODE)
    return subprocess.run([TRUCE, "replay", path, "--live", "--port-base", str(PORT_BASE), *options], capture_output=True, text=True, timeout=300,
                          check=False, env=env)


def nodes_that_run():
    """The command lines of nodes of these tests."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as f:
                words = f.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(word.startswith(WORK) for word in words) and words[0].endswith("dc-node"):
            found.append(words)
    return found


def passes(name, datacenters, steps, *options, **more):
    """Plays it; it passes, ends as the simulated one, and leaves nothing behind."""
    for left in glob.glob(os.path.join(WORK, "truce-live-*")):
        shutil.rmtree(left, ignore_errors=True)
    done = replay(scenario_file(name, datacenters, steps, **more), "--json", *options)
    check(done.returncode == 0, f"{name} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr}")
    answer = json.loads(done.stdout.splitlines()[-1])  # lines of what happened, and of how it ended
    expect(answer["differences"], [], f"{name}: where it differs from the simulator")
    expect(nodes_that_run(), [], "nodes that are left")
    expect(glob.glob(os.path.join(WORK, "truce-live-*")), [], "directories that are left")
    return answer


@test("a cut, with writes on both sides, ends as in the simulator")
def _():
    passes("cut", TWO, [
        {"dc": "us", "do": "SET doc old"}, {"settle": "10s"},
        {"cut": "us | eu"},
        {"dc": "us", "do": "SET doc us", "is": "OK"}, {"after": "50ms", "dc": "eu", "do": "SET doc eu", "is": "OK"},
        {"expect": "GET doc", "is": "us", "in": "us-1"}, {"expect": "GET doc", "is": "eu", "in": "eu-1"},
        {"heal": "*"}, {"settle": "10s"},
        {"expect": "GET doc", "is": "us", "in": "*"}, {"expect": "losers doc", "is": ["eu"]}, {"expect": "converged"},
    ], tables={"*": {"conflict": "priority"}})


@test("a one-way cut lets the other direction through")
def _():
    passes("one-way", PAIR, [
        {"cut": "us > eu"},
        {"dc": "us", "do": "SET a 1"}, {"dc": "eu", "do": "SET b 1"},
        {"expect": "GET b", "is": "1", "in": "us", "within": "5s"}, {"expect": "GET a", "is": None, "in": "eu"},
        {"expect": "backlog us > eu", "at_least": 1},
        {"heal": "*"}, {"expect": "GET a", "is": "1", "in": "eu", "within": "10s"},
    ])


@test("a clog holds, and lets go")
def _():
    passes("clog", PAIR, [
        {"clog": "us > eu"}, {"dc": "us", "do": "SET a 1"},
        {"after": "300ms", "expect": "GET a", "is": None, "in": "eu"},
        {"heal": "*"}, {"expect": "GET a", "is": "1", "in": "eu", "within": "10s"},
    ])


@test("slow, lossy, repeating, replaying, corrupting and reordering links lose nothing")
def _():
    bad = {"slow": "us | eu", "latency": "60ms", "jitter": "30ms", "loss": "2%", "repeat": "5%", "replay": "2%", "corrupt": "1%", "reorder": True}
    passes("slow", PAIR, [
        bad, *({"dc": dc, "do": f"SET {dc}{i} {i}"} for i in range(20) for dc in ("us", "eu")),
        {"expect": "GET us19", "is": "19", "in": "eu", "within": "30s"}, {"heal": "*"}, {"settle": "30s"}, {"expect": "converged"},
        {"slow": "us > eu", "rate": "100kbit"}, {"dc": "us", "do": "SET big " + "x" * 2000},
        {"expect": "GET us0", "is": "0", "in": "*"}, {"heal": "*"},
    ])


@test("connections that end come again")
def _():
    passes("disconnect", TWO, [
        {"disconnect": "us | eu"}, {"dc": "us", "do": "SET a 1"}, {"disconnect": "us-1 | us-2"}, {"dc": "us", "do": "SET b 1"},
        {"expect": "MGET a b", "is": ["1", "1"], "in": "*", "within": "20s"},
    ])


@test("a killed node comes back with what it had, and gets the rest")
def _():
    passes("kill", TWO, [
        {"dc": "us", "do": "SET a 1"}, {"settle": "10s"}, {"kill": "eu-2"}, {"expect": "role eu-2", "is": "down"},
        {"dc": "us", "do": "SET b 1"}, {"start": "eu-2"}, {"expect": "MGET a b", "is": ["1", "1"], "in": "eu-2", "within": "20s"},
    ])


@test("a power cut is a kill, and a note says so")
def _():
    answer = passes("power", PAIR, [
        {"dc": "us", "do": "SET a 1"}, {"settle": "10s"}, {"kill": "eu", "power": True}, {"start": "eu"},
        {"expect": "GET a", "is": "1", "in": "*", "within": "20s"},
    ])
    check("did not sync stays" in json.dumps(answer), "no note")


@test("a paused node goes on where it was")
def _():
    passes("pause", PAIR, [
        {"pause": "eu"}, {"expect": "role eu-1", "is": "paused"}, {"dc": "us", "do": "SET a 1"}, {"resume": "eu"},
        {"expect": "GET a", "is": "1", "in": "eu", "within": "20s"},
    ])


@test("a wiped node, and one that was put back, catch up before they serve")
def _():
    passes("wipe", TWO, [
        {"dc": "us", "do": "SET a 1"}, {"settle": "10s"}, {"backup": "eu-2", "as": "monday"}, {"dc": "us", "do": "SET a 2"}, {"settle": "10s"},
        {"kill": "us-2 eu-2"}, {"wipe": "us-2"}, {"restore": "eu-2", "from": "monday"}, {"start": "*"},
        {"expect": "GET a", "is": "2", "in": "us-2 eu-2", "within": "30s"}, {"settle": "20s"}, {"expect": "converged"},
    ])


@test("a clock that is behind, or stands, holds back no write that has seen what it replaces")
def _():
    passes("skew", PAIR, [
        {"dc": "us", "do": "SET a 0"}, {"settle": "10s"},
        {"skew": "eu", "by": "-10s", "drift": "200ppm"}, {"dc": "eu", "do": "SET a 1"}, {"settle": "10s"},
        {"expect": "GET a", "is": "1", "in": "*"}, {"skew": "eu", "frozen": True},
        {"dc": "eu", "do": "SET a 2"}, {"dc": "eu", "do": "SET a 3"}, {"expect": "GET a", "is": "3", "in": "*", "within": "10s"},
    ], tables={"*": {"conflict": "lww"}})


@test("a node whose disk is full refuses writes, and has everything when there is room again, killed in between or not")
def _():
    passes("full", TWO, [
        {"dc": "us", "do": "SET a 1"}, {"settle": "10s"}, {"disk": "eu-2", "state": "full"}, {"after": "2s", "dc": "us", "do": "SET a 2"},
        {"node": "eu-2", "do": "SET b 1", "fails": True}, {"node": "eu-2", "do": "GET a", "is": "1"},
        {"kill": "eu-2"}, {"start": "eu-2"},  # it may find enough to start, or not
        {"disk": "eu-2", "state": "ok"}, {"start": "eu-2"}, {"expect": "GET a", "is": "2", "in": "*", "within": "20s"},
    ])


@test("a disk that fails stops the node, one that is slow does not")
def _():
    passes("disk", TWO, [
        {"disk": "us-2", "state": "failing"}, {"dc": "us", "do": "SET a 1"}, {"expect": "role us-2", "is": "down", "within": "10s"},
        {"start": "us-2"}, {"disk": "us-2", "state": "slow", "latency": "30ms"}, {"dc": "us", "do": "SET a 2"},
        {"expect": "GET a", "is": "2", "in": "*", "within": "20s"},
    ])


@test("a datacenter that joins later gets everything")
def _():
    passes("late", {"us": {}, "ap": {"down": True}}, [
        {"dc": "us", "do": "SET a 1"}, {"expect": "role ap-1", "is": "down"}, {"start": "ap"},
        {"expect": "GET a", "is": "1", "in": "ap", "within": "20s"},
    ])


@test("clients of workloads find what they wrote, through a cut and a kill")
def _():
    passes("workloads", TWO, [
        {"at": "0s", "workload": "counters", "in": "*", "for": "3s", "rate": 100, "keys": 5},
        {"at": "0s", "workload": "sets", "in": "*", "for": "3s", "rate": 100, "keys": 5},
        {"at": "500ms", "cut": "us | eu"}, {"at": "1500ms", "heal": "*"}, {"at": "2s", "kill": "us-2"}, {"at": "2500ms", "start": "us-2"},
        {"at": "3500ms", "settle": "30s"}, {"expect": "workload *"}, {"expect": "converged"},
    ])


@test("in network namespaces a cut takes the routes away")
def _():
    answer = passes("spaces", PAIR, [
        {"dc": "us", "do": "SET a 1"}, {"settle": "10s"}, {"cut": "us | eu"}, {"dc": "us", "do": "SET a 2"},
        {"after": "300ms", "expect": "GET a", "is": "1", "in": "eu"}, {"heal": "*"}, {"expect": "GET a", "is": "2", "in": "eu", "within": "30s"},
    ], "--namespaces")
    if os.geteuid() == 0:
        check("no network namespaces" not in json.dumps(answer), "this machine has none")


@test("an expectation that does not hold fails with exit code 1, and the directory stays")
def _():
    done = replay(scenario_file("fails", PAIR, [{"dc": "us", "do": "SET a 1"}, {"expect": "GET a", "is": "2", "in": "us"}]))
    expect(done.returncode, 1, done.stdout + done.stderr)
    expect(nodes_that_run(), [], "nodes that are left")
    check(glob.glob(os.path.join(WORK, "truce-live-*", "us-1", "log")), "nothing is left to look at")


@test("nodes end with the command, however it ends")
def _():
    path = scenario_file("long", PAIR, [{"dc": "us", "do": "SET a 1"}, {"at": "60s", "expect": "GET a", "is": "1"}])
    for which in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        run = subprocess.Popen([TRUCE, "replay", path, "--live", "--port-base", str(PORT_BASE)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=dict(os.environ, TMPDIR=WORK, TRUCE_DC_NODE=DC_NODE))
        eventually(lambda: len(nodes_that_run()) == 2, "both nodes run")
        time.sleep(0.3)
        run.send_signal(which)
        check(run.wait(20) != 0)
        eventually(lambda: not nodes_that_run(), f"nodes end after {which}")


try:
    run_tests()
finally:
    shutil.rmtree(WORK, ignore_errors=True)
