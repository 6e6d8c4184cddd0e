#!/usr/bin/python3
"""Nodes fall while clients write: kill -9 of any of them, restarts, power cuts.

What was acknowledged is there afterwards, on every node, and all nodes agree. --long: as many rounds as a release asks for. --seed N: the same dice.
--shim: power cuts without a loop device."""
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from harness import Cluster, check, expect, run_tests, test
from power import LoopDisk, ShimDisk, loop_works
from writers import figures, start_writers, stop_writers, wrong_at

LONG = "--long" in sys.argv or os.environ.get("TRUCE_LONG") == "yes"
SEED = int(sys.argv[sys.argv.index("--seed") + 1]) if "--seed" in sys.argv else int(time.time())
dice = random.Random(SEED)
print(f"seed {SEED}")


def rounds(short, long):
    return long if LONG else short


def settles_whole(c, writers, lost_some=False):
    """All nodes agree, hold what was acknowledged, and say of none that it came back with less, unless it did (`lost_some`)."""
    stop_writers(writers)
    c.settle("300s")
    wrong = wrong_at(c, writers)
    print(f"     {figures(writers)}")
    check(any(w.acked for w in writers), "nothing was acknowledged")
    check(not wrong, f"{len(wrong)} rows are not as they were acknowledged, such as {wrong[:5]}")
    if not lost_some:
        expect({node: c.status(node)["alarms"] for node in c.nodes}, {node: [] for node in c.nodes}, "alarms")


@test("nodes killed in the midst of writing lose nothing that was acknowledged")
def _():
    c = Cluster("us,eu", 3, fsync="yes")
    writers = start_writers(c, rest_s=0.02 if LONG else 0.004)
    for _ in range(rounds(4, 100)):
        victims = dice.sample(c.nodes, dice.choice((1, 1, 2, 3, len(c.nodes))))
        time.sleep(dice.uniform(0.05, 0.5))
        c.truce("kill", *victims)
        time.sleep(dice.uniform(0, 0.3))
        c.truce("start", *victims)
    settles_whole(c, writers)


@test("a follower that restarts again and again costs its leader nothing, and has everything")
def _():
    c = Cluster("us,eu", 2)
    writers = start_writers(c, ["us-1", "eu-1"], rest_s=0.02 if LONG else 0.004)
    counts = []
    for _ in range(rounds(4, 100)):
        c.truce("kill", "us-2")
        time.sleep(dice.uniform(0, 0.2))
        c.truce("start", "us-2")
        counts.append(len(os.listdir(f"/proc/{c.pid('us-1')}/fd")))
    settles_whole(c, writers)
    check(counts[-1] <= counts[0] + 10, f"open files of the leader: {counts}")


# ---- power cuts ----
class PoweredCluster(Cluster):
    """Each node's data directory is a disk whose power can be cut."""

    def __init__(self, *args, shim=False, **options):
        super().__init__(*args, up=False, **options)
        self.disks, self.shim = {}, shim
        for node in self.nodes:
            self.disks[node] = (ShimDisk if shim else LoopDisk)(os.path.join(self.dir, node))
        self.with_shim("up", *self.options)

    def with_shim(self, *words):
        """The verbs that start nodes."""
        added = next(iter(self.disks.values())).environment()
        os.environ.update(added)
        try:
            return self.truce(*words)
        finally:
            for name in added:
                del os.environ[name]

    def power_cut(self, victims):
        processes = [os.pidfd_open(self.pid(node)) for node in victims]
        for node in victims:
            self.disks[node].cut()
        for process in processes:
            try:
                signal.pidfd_send_signal(process, signal.SIGKILL)
            except ProcessLookupError:  # it has ended by itself: its disk fails
                pass
            select.select([process], [], [])
            os.close(process)
        for node in victims:
            self.disks[node].power_on()

    def stop(self):
        self.run("down")
        for disk in self.disks.values():
            disk.finish()
        super().stop()


def cut_rounds(c, count, choose, lost_some=False):
    writers = start_writers(c, rest_s=0.02 if LONG else 0.004)
    for _ in range(count):
        victims = choose()
        time.sleep(dice.uniform(0.1, 0.6))
        c.power_cut(victims)
        c.with_shim("start", *victims)
    settles_whole(c, writers, lost_some)


def kind_of_disks():
    shim = "--shim" in sys.argv or not loop_works()
    print("     disks: " + ("a library that forgets what was not synced" if shim else "ext4 on loop devices, shut down"))
    return shim


@test("a disk whose power is cut keeps what was synced, and loses what was not")
def _():
    folder = tempfile.mkdtemp(prefix="truce-power-")
    disk = (ShimDisk if kind_of_disks() else LoopDisk)(os.path.join(folder, "disk"))
    write = "import os, sys\nfor part in 'kept', 'lost':\n f = open(sys.argv[1], 'a')\n f.write(part)\n f.flush()\n part == 'kept' and os.fsync(f)\n"
    try:
        subprocess.run([sys.executable, "-c", write, os.path.join(disk.path, "file")], env={**os.environ, **disk.environment()}, check=True)
        disk.cut()
        disk.power_on()
        with open(os.path.join(disk.path, "file"), encoding="ascii") as f:
            expect(f.read(), "kept")
    finally:
        disk.finish()
        shutil.rmtree(folder, ignore_errors=True)


@test("a power cut of any nodes, or of all, takes nothing that was acknowledged")
def _():
    c = PoweredCluster("us,eu", 3, fsync="yes", shim=kind_of_disks())
    cut_rounds(c, rounds(3, 20), lambda: dice.sample(c.nodes, dice.choice((1, 2, 3, len(c.nodes)))))


@test("where commits are not synced, a node that loses its power takes back from the others what a majority had acknowledged")
def _():
    c = PoweredCluster("us,eu", 3, fsync="no", shim=kind_of_disks())
    cut_rounds(c, rounds(2, 20), lambda: [dice.choice(c.nodes)], lost_some=True)


run_tests()
