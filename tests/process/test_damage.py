#!/usr/bin/python3
"""Data directories that are not what they were: flipped bits, old copies put back by hand, two nodes under one name.

Whatever was damaged, no node ever shows a wrong value, the others go on undisturbed, and the node is whole again without anybody's help.
--long: every file, many bits of each. --seed N: the same dice."""
import json
import os
import random
import shutil
import subprocess
import sys
import time

import redis

from harness import DC_NODE, TRUCE, Cluster, check, eventually, expect, run_tests, test

LONG = "--long" in sys.argv or os.environ.get("TRUCE_LONG") == "yes"
SEED = int(sys.argv[sys.argv.index("--seed") + 1]) if "--seed" in sys.argv else int(time.time())
dice = random.Random(SEED)
print(f"seed {SEED}")

ROWS = 3000


def fill(c):
    """Rows, deleted rows, rows that expire, conflicts: something in every kind of file."""
    for turn in range(3):
        pipe = c.client("us-1").pipeline(transaction=False)
        for i in range(turn, ROWS, 3):
            pipe.set(f"k{i}", f"{i}:" + "v" * 200)
        for i in range(turn, 300, 3):
            pipe.set(f"gone{i}", "x")
            pipe.delete(f"gone{i}")
            pipe.hset(f"h{i}", "a", str(i))
            pipe.set(f"e{i}", "x", ex=100000)
        pipe.execute()
        c.settle()
        c.truce("kill", "eu-2")
        c.truce("start", "eu-2")
        c.truce("cut", "us", "eu")
        for i in range(20):
            c.client("us-1").set(f"both{i}", f"us {turn}")
            c.client("eu-1").set(f"both{i}", f"eu {turn}")
        c.truce("heal")
        c.settle()


def reads_right(c, node):
    """Everything is read, and nothing is wrong; a node that ends while it is asked is asked again."""
    def read():
        try:
            client = c.client(node)
            for start in range(0, ROWS, 500):
                wanted = range(start, min(start + 500, ROWS))
                for i, got in zip(wanted, client.mget([f"k{i}" for i in wanted])):
                    expect(got, f"{i}:" + "v" * 200, f"k{i} at {node}")
            expect(client.exists(*[f"gone{i}" for i in range(300)]), 0, "deleted rows")
            expect([client.hget(f"h{i}", "a") for i in range(300)], [str(i) for i in range(300)])
            expect(client.dbsize(), c.client("eu-1").dbsize(), f"rows of {node}")
            return len(list(client.scan_iter(count=1000))) == client.dbsize()
        except redis.RedisError:
            return False
    eventually(read, f"{node} is read", 60)


def files_of(folder):
    """Paths of the files of both databases, from the folder."""
    return sorted(os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names
                  if ".rocksdb" in at and os.path.getsize(os.path.join(at, name)) > 0)


def kind_of(path):
    folder, name = os.path.split(path)
    return folder + " " + (os.path.splitext(name)[1] if name[0].isdigit() else name.split("-")[0].split(".")[0])


def put_back(kept, data):
    for name in os.listdir(data):
        if name not in ("log", "pid"):
            path = os.path.join(data, name)
            (shutil.rmtree if os.path.isdir(path) else os.unlink)(path)
    for name in os.listdir(kept):
        if name.endswith(".rocksdb"):
            shutil.copytree(os.path.join(kept, name), os.path.join(data, name))


def flip(path, bit):
    with open(path, "r+b") as f:
        f.seek(bit // 8)
        byte = f.read(1)[0]
        f.seek(bit // 8)
        f.write(bytes([byte ^ 1 << bit % 8]))


def flips_of(kept):
    """(file, bit) to flip: of what counts one in each kind of file and one elsewhere, or many in each file."""
    files = files_of(kept)
    if not LONG:
        kinds = {}
        for path in files:
            kind = kind_of(path)
            name = kind.split()[1]
            kinds.setdefault(kind if name in (".log", ".sst") else name if name in ("MANIFEST", "CURRENT") else "", []).append(path)
        files = [dice.choice(paths) for _, paths in sorted(kinds.items())]
    return [(path, dice.randrange(os.path.getsize(os.path.join(kept, path)) * 8)) for path in files for _ in range(12 if LONG else 1)]


@test("a flipped bit in any file is never shown, goes nowhere, and the node is whole again by itself")
def _():
    c = Cluster("us,eu", 2)
    fill(c)
    c.truce("kill", "eu-2")
    data, kept = os.path.join(c.dir, "eu-2"), os.path.join(c.dir, "kept")
    shutil.copytree(data, kept)
    found = {}
    for path, bit in flips_of(kept):
        put_back(kept, data)
        flip(os.path.join(data, path), bit)
        before = c.log("eu-2").count("set aside:")
        c.truce("start", "eu-2")
        reads_right(c, "eu-2")
        c.settle()
        for node in ("us-1", "us-2", "eu-1"):
            expect(c.status(node)["alarms"], [], f"alarms of {node} after bit {bit} of {path} was flipped")
        told = c.log("eu-2").count("set aside:") - before
        check(told <= 1, f"bit {bit} of {path}: set aside {told} times")
        expect(os.path.exists(os.path.join(data, "set-aside")), told == 1)
        expect(os.path.exists(os.path.join(data, "returning")), False, "it returns still")
        counts = found.setdefault(kind_of(path), [0, 0])
        counts[1 - told] += 1
        c.truce("kill", "eu-2")
    for kind, (told, harmless) in sorted(found.items()):
        print(f"     {kind}: {told} found and set aside, {harmless} without effect")
    check(any(told for told, _ in found.values()), "no damage was found at all")


def damage_a_row(c, node):
    """Flips a bit in a table of rows."""
    folder = os.path.join(c.dir, node, "rows.rocksdb")
    table = min(name for name in os.listdir(folder) if name.endswith(".sst"))  # its first block is read at the start
    flip(os.path.join(folder, table), 8 * 20)


def tables_of(c, node):
    return [path for path in files_of(os.path.join(c.dir, node)) if path.startswith("rows") and path.endswith(".sst")]


def loads(c, node):
    """Whether the node says that it waits for what it has lost."""
    try:
        c.client(node).get("k")
    except redis.exceptions.BusyLoadingError:
        return True
    except redis.RedisError:
        pass
    return False


@test("where all nodes are damaged none goes on with nothing: they wait, until one has its data again")
def _():
    c = Cluster("us,eu", 1)
    c.client("us-1").set("k", "v" * 1000)
    c.settle()
    c.truce("down")
    kept = os.path.join(c.dir, "kept")
    shutil.copytree(os.path.join(c.dir, "us-1"), kept)
    for node in c.nodes:
        damage_a_row(c, node)
    with subprocess.Popen([TRUCE, "start", "*", "--dir", c.dir], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as start:
        for node in c.nodes:
            eventually(lambda n=node: os.path.exists(os.path.join(c.dir, n, "set-aside", "rows.rocksdb")), f"{node} is set aside")
            eventually(lambda n=node: loads(c, n), f"{node} waits")
        time.sleep(5)  # longer than a node waits for others that it cannot reach
        expect([loads(c, node) for node in c.nodes], [True, True], "both wait still")
        start.terminate()
    c.truce("kill", "us-1")
    put_back(kept, os.path.join(c.dir, "us-1"))
    c.truce("start", "us-1")
    c.settle()
    expect([c.client(node).get("k") for node in c.nodes], ["v" * 1000] * 2)


@test("a node that is alone keeps its damaged data where they are, and says what is wrong")
def _():
    c = Cluster("us", 1)
    c.client("us-1").set("k", "v" * 1000)
    c.truce("down")
    damage_a_row(c, "us-1")
    before = tables_of(c, "us-1")
    code, _, err = c.run("start", "us-1")
    expect(code, 1, "truce start")
    check("orruption" in err or "damaged" in err, err)
    expect(tables_of(c, "us-1"), before, "its tables")


# ---- old copies ----
def write_on(c, node, prefix, n=100):
    """Rows that are written, rewritten and deleted."""
    pipe = c.client(node).pipeline(transaction=False)
    for i in range(n):
        pipe.set(f"{prefix}{i}", "1")
        pipe.incr(f"{prefix}n")
    for i in range(0, n, 2):
        pipe.delete(f"{prefix}{i}")
    pipe.execute()


def holds(c, node, prefix, n=100):
    expect(c.client(node).mget([f"{prefix}{i}" for i in range(n)]), [None, "1"] * (n // 2), f"rows {prefix} at {node}")
    expect(c.client(node).get(f"{prefix}n"), str(n), f"the counter {prefix}n at {node}")


def set_back(c, nodes, change):
    """Stops nodes, has their data directories changed without any word to them, and starts them."""
    c.truce("kill", *nodes)
    for node in nodes:
        change(node, os.path.join(c.dir, node))
    c.truce("start", *nodes)


def taken_for_whole(c, nodes):
    """What the cluster holds when nodes of it came back with less: everything, and what they write now."""
    for node in nodes:
        eventually(lambda n=node: takes(c, n), f"{node} takes writes")
    c.settle("120s")
    eventually(lambda: not any(c.status(node)["returning"] for node in c.nodes), "nobody lacks anything any more")  # a peer may have had to say so
    for node in c.nodes:
        for prefix in ("old", "new"):
            holds(c, node, prefix)
        for writer in nodes:
            expect(c.client(node).get(f"after {writer}"), "1", f"what {writer} wrote when it was back, at {node}")


def takes(c, node):
    return takes_at(c.client(node), f"after {node}")


@test("an old copy of a data directory, put back by hand, loses nothing and brings nothing back, of a follower, a leader or a whole datacenter")
def _():
    for victims in (["us-2"], ["us-1"], ["us-1", "us-2", "us-3"]):
        c = Cluster("us,eu", 3)
        write_on(c, "us-1", "old")
        c.settle()
        for node in victims:
            c.truce("backup", node, "early")
        write_on(c, "us-1", "new")
        c.client("us-1").delete("old1", "new1")
        c.client("us-1").mset({"old1": "1", "new1": "1"})
        c.settle()
        set_back(c, victims, lambda node, data, at=c.dir: put_back(os.path.join(at, "backups/early", node), data))
        taken_for_whole(c, victims)
        c.stop()


@test("a node whose data directory is gone without a word takes everything from the others, a leader too")
def _():
    for victims in (["us-2"], ["us-1"], ["us-1", "us-2", "us-3"]):
        c = Cluster("us,eu", 3)
        write_on(c, "us-1", "old")
        write_on(c, "us-1", "new")
        c.settle()
        set_back(c, victims, lambda node, data: [shutil.rmtree(os.path.join(data, name)) for name in os.listdir(data) if name.endswith(".rocksdb")])
        taken_for_whole(c, victims)
        c.stop()


@test("a cluster of which every node is put back to one backup goes on from there")
def _():
    c = Cluster("us,eu", 2)
    write_on(c, "us-1", "old")
    write_on(c, "eu-1", "new")
    c.settle()
    for node in c.nodes:
        c.truce("backup", node, "all")
    write_on(c, "us-1", "later")
    c.settle()
    set_back(c, c.nodes, lambda node, data: put_back(os.path.join(c.dir, "backups/all", node), data))
    taken_for_whole(c, c.nodes)
    for node in c.nodes:
        expect(c.client(node).exists("latern", "later1"), 0, "what was written after the backup")


# ---- two under one name ----
class Clone:
    """A second process of a node, with a copy of its data, at addresses of its own."""

    def __init__(self, c, node, port):
        self.data, self.cluster_file, self.port = os.path.join(c.dir, "clone"), os.path.join(c.dir, "clone.json"), port
        self.log_path = os.path.join(c.dir, "clone.log")
        c.truce("backup", node, "clone")
        shutil.copytree(os.path.join(c.dir, "backups/clone", node), self.data)
        with open(os.path.join(c.dir, "cluster.json"), encoding="utf-8") as f:
            file = json.load(f)
        dc, number = node.rsplit("-", 1)
        file["datacenters"][dc]["nodes"][number] = {"client": f"127.0.0.1:{port}", "peer": f"127.0.0.1:{port + 1}"}
        with open(self.cluster_file, "w", encoding="utf-8") as f:
            json.dump(file, f)
        self.node, self.process = node, None
        self.start()

    def start(self):
        self.process = subprocess.Popen([DC_NODE, "--cluster", self.cluster_file, "--node", self.node, "--data", self.data, "--log", self.log_path])
        eventually(self.answers, "the clone answers")

    def client(self):
        return redis.Redis(port=self.port, decode_responses=True, socket_timeout=30)

    def status(self):
        return json.loads(self.client().execute_command("TRUCE.STATUS"))

    def answers(self):
        try:
            return bool(self.status())
        except redis.RedisError:
            return False

    def log(self):
        with open(self.log_path, encoding="utf-8") as f:
            return f.read()

    def kill(self):
        self.process.kill()
        self.process.wait()


@test("a cloned node beside its living original is refused by all, writes nothing, and disturbs nobody")
def _():
    c = Cluster("us,eu", 3)
    write_on(c, "us-1", "old")
    c.settle()
    clone = Clone(c, "us-1", c.port_base + 60)
    try:
        eventually(lambda: "another process is us-1, and alive" in clone.log(), "the clone is told why it is refused")
        eventually(lambda: any("two processes say that they are us-1" in text for text in c.status("eu-1")["alarms"]), "the others say so")
        eventually(lambda: any("this one is refused" in text for text in clone.status()["alarms"]), "and the clone itself")
        try:
            clone.client().set("from", "clone")
            check(False, "a clone that nobody speaks with took a write")
        except redis.ResponseError:
            pass
        write_on(c, "us-1", "new")
        c.settle()
        for node in c.nodes:
            holds(c, node, "old")
            holds(c, node, "new")
            expect(c.client(node).exists("from"), 0)
    finally:
        clone.kill()


@test("a clone that took the place of its original is the node, until the original is alone again and takes back what it lacks")
def _():
    c = Cluster("us,eu", 3)
    write_on(c, "us-2", "old")
    c.settle()
    c.truce("kill", "us-2")
    clone = Clone(c, "us-2", c.port_base + 60)
    try:
        eventually(lambda: takes_at(clone.client(), "from clone"), "the clone takes writes", 60)
        write_on(c, "us-1", "new")
        start = subprocess.Popen([TRUCE, "start", "us-2", "--dir", c.dir], stdout=subprocess.DEVNULL)
        eventually(lambda: c.log("us-2").count("another process is us-2, and alive") > 0, "the original is told why it is refused", 60)
    finally:
        clone.kill()
    expect(start.wait(150), 0, "the start of the original")
    taken_for_whole(c, ["us-2"])
    for node in c.nodes:
        expect(c.client(node).get("from clone"), "1", f"what the clone was acknowledged, at {node}")


def takes_at(client, key):
    try:
        return client.set(key, "1")
    except redis.RedisError:
        return False


run_tests()
