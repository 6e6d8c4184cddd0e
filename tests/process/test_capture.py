#!/usr/bin/python3
"""What happened to a live cluster is captured, and played again in the simulator it comes to the same: values, winners, losers, open conflicts."""
import json
import os
import random
import subprocess
import sys
import tempfile
import time

from harness import Cluster, Failure, TRUCE, check, expect, run_tests, test

REPLAY = [TRUCE, "replay"]


def capture(cluster, *options):
    """The captured scenario's path; the caller removes it."""
    handle, path = tempfile.mkstemp(prefix="truce-capture-", suffix=".json")
    os.close(handle)
    cluster.truce("capture", "--out", path, *options)
    return path


def replay(path, *policies):
    """(exit code, output)."""
    words = [word for policy in policies for word in ("--policy", policy)]
    done = subprocess.run([*REPLAY, path, *words], capture_output=True, text=True, timeout=600, check=False)
    return done.returncode, done.stdout + done.stderr


def replays_alike(cluster, *options):
    path = capture(cluster, *options)
    code, said = replay(path)
    if code != 0:
        keep = os.path.join(tempfile.gettempdir(), "truce-capture-failed.json")
        os.replace(path, keep)
        raise Failure(f"{keep} does not come to the same ({code}): {said[-2000:]}")
    return path


def loaded(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def expected(path, what):
    """What the captured scenario expects of it."""
    for step in loaded(path)["steps"]:
        if step.get("expect") == what:
            return step["is"]
    raise Failure(f"{path} expects nothing of {what}")


def cluster_with(tables, dcs="us,eu", nodes=1):
    """A cluster with these tables, and priorities in the order of its DCs, in its file."""
    cluster = Cluster(dcs=dcs, nodes=nodes, up=False)
    datacenters, port = {}, cluster.port_base
    for i, dc in enumerate(cluster.dcs):
        datacenters[dc] = {"priority": 10 * (len(cluster.dcs) - i), "nodes": {}}
        for n in range(1, nodes + 1):
            port += 1
            datacenters[dc]["nodes"][str(n)] = {"client": f"127.0.0.1:{port}", "peer": f"127.0.0.1:{port + 100}"}
    content = {"cluster": "captured", "fsync": False, "datacenters": datacenters, "tables": {t: {"conflict": p} for t, p in tables.items()}}
    with open(os.path.join(cluster.dir, "cluster.json"), "w", encoding="utf-8") as f:
        json.dump(content, f)
    cluster.truce("up")
    return cluster


# ---- random sessions ----

TABLES = {"users": "record", "notes": "lww", "seats": "priority"}


def random_command(rng, client):
    """One thing that a client may do; errors are fine."""
    table = rng.choice(["users", "notes", "seats", "plain", "plain"])
    key = f"{table}:{rng.randrange(4)}"
    value = rng.choice(["a", "b c", "x{1..3}", "$name $$", "é\n", str(rng.randrange(1000))]) + str(rng.randrange(100))
    field = f"f{rng.randrange(3)}"
    kind = rng.randrange(17)
    if kind < 3:
        return client.set(f"{key}:s", value)
    if kind < 5:
        return client.hset(f"{key}:h", field, value)
    if kind == 5:
        return client.hset(f"{key}:h", mapping={field: value, "g": "1"})
    if kind == 6:
        return client.hdel(f"{key}:h", field)
    if kind == 7:
        return client.incrby(f"{key}:n", rng.randrange(-5, 20))
    if kind == 8:
        return client.hincrby(f"{key}:c", field, rng.randrange(1, 9))
    if kind == 9:
        return client.incrbyfloat(f"{key}:d", rng.choice([0.5, 1.25, -3]))
    if kind < 12:
        return client.sadd(f"{key}:m", *[f"m{rng.randrange(6)}" for _ in range(rng.randrange(1, 4))])
    if kind == 12:
        return client.srem(f"{key}:m", f"m{rng.randrange(6)}")
    if kind == 13:
        return client.delete(f"{key}:{rng.choice('shnmcd')}")
    if kind == 14:
        return client.append(f"{key}:s", "+")
    if kind == 15:
        pipe = client.pipeline(transaction=True)
        pipe.set(f"{key}:s", value)
        pipe.hset(f"{key}:h", field, value)
        pipe.incr(f"{key}:n")
        pipe.sadd(f"{key}:m", "t")
        return pipe.execute()
    return client.rename(f"{key}:h", f"{table}:{rng.randrange(4)}:h")


def random_session(cluster, seed, length):
    """Commands at both sides, with cuts and kills between; at the end all is whole and settled."""
    rng = random.Random(seed)
    clients = {dc: cluster.client(f"{dc}-1") for dc in cluster.dcs}
    dead, at = set(), 0
    while at < length:
        for _ in range(rng.randrange(5, 40)):
            dc = rng.choice(cluster.dcs)
            at += 1
            if dc in dead:
                continue
            try:
                random_command(rng, clients[dc])
            except Exception as error:  # pylint: disable=broad-except
                check("WRONGTYPE" in str(error) or "not a" in str(error) or "no such key" in str(error), f"{dc}: {error!r}")
        what = rng.randrange(8)
        if what < 3:
            pair = rng.sample(cluster.dcs, 2)
            cluster.truce("cut", f"{pair[0]} {rng.choice('||>')} {pair[1]}")
        elif what < 6:
            cluster.truce("heal")
        elif what == 6 and not dead:
            dc = rng.choice(cluster.dcs)
            cluster.truce("kill", f"{dc}-1")
            dead.add(dc)
        elif dead:
            dc = dead.pop()
            cluster.truce("start", f"{dc}-1")
            clients[dc] = cluster.client(f"{dc}-1")
        if rng.randrange(4) == 0:
            time.sleep(rng.random() * 0.3)
    if dead:
        cluster.truce("start", *[f"{dc}-1" for dc in dead])
    cluster.truce("heal")
    cluster.settle()


def random_sessions(first, last, length=300):
    for seed in range(first, last):
        cluster = cluster_with(TABLES, dcs="us,eu" if seed % 3 else "us,eu,ap")
        random_session(cluster, seed, length)
        try:
            os.remove(replays_alike(cluster))
        except Failure as failure:
            raise Failure(f"seed {seed}: {failure}") from failure
        cluster.stop()


@test("twenty random sessions with cuts and kills are captured and come to the same")
def _():
    random_sessions(0, int(os.environ.get("TRUCE_CAPTURE_SEEDS", "20")))


if __name__ == "__main__":
    run_tests()
