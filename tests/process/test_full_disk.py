#!/usr/bin/python3
"""A disk that is full refuses writes and nothing else, and the node goes on when there is room: on a small file system of its own, where this may be
mounted; else as TRUCE.FAULT DISK FULL makes it."""
import ctypes
import os
import threading

import redis

from harness import Cluster, check, eventually, expect, run_tests, test

MB = 1 << 20
libc = ctypes.CDLL(None, use_errno=True)
mounted = []


def mount(where, megabytes, again=False):
    """A file system in memory; `again`: another size for the one that is there."""
    remount = 32
    if libc.mount(b"truce", where.encode(), b"tmpfs", remount if again else 0, b"size=%dm" % megabytes) != 0:
        return False
    if not again:
        mounted.append(where)
    return True


def unmount_all():
    while mounted:
        libc.umount2(mounted.pop().encode(), 2)


class Disk:
    """The disk of us-1: filled by somebody else, and emptied."""

    def __init__(self, megabytes):
        self.cluster = Cluster("us,eu", 1, memory_mb=64, up=False)
        self.dir = os.path.join(self.cluster.dir, "us-1")
        os.makedirs(self.dir)
        self.real = mount(self.dir, megabytes)
        self.cluster.truce("up", *self.cluster.options)

    def fill(self):
        if not self.real:
            expect(self.cluster.client("us-1").execute_command("TRUCE.FAULT", "DISK", "FULL"), "OK")
            return
        with open(os.path.join(self.dir, "ballast"), "wb") as f:
            for _ in range(20):  # the node makes and removes files meanwhile
                room = os.statvfs(self.dir)
                if room.f_bavail == 0:
                    break
                try:
                    os.posix_fallocate(f.fileno(), f.seek(0, 2), room.f_bavail * room.f_bsize)
                except OSError:
                    pass

    def empty(self):
        if self.real:
            os.unlink(os.path.join(self.dir, "ballast"))
        else:
            expect(self.cluster.client("us-1").execute_command("TRUCE.FAULT", "DISK", "OK"), "OK")


class Writer(threading.Thread):
    """Writes numbered rows until it is told to end, and keeps which were acknowledged, which refused."""

    def __init__(self, port, prefix, size=500):
        super().__init__()
        self.client = redis.Redis(port=port, decode_responses=True, socket_timeout=30)
        self.size, self.prefix, self.going, self.written, self.refused, self.wrong = size, prefix, True, [], [], []
        self.start()

    def run(self):
        n = 0
        while self.going:
            n += 1
            key = f"{self.prefix}:{n}"
            try:
                self.client.set(key, "v" * self.size + str(n))
                self.written.append(key)
            except redis.ResponseError as error:
                (self.refused if str(error).startswith("DISKFULL ") else self.wrong).append(str(error))
            except redis.RedisError as error:
                self.wrong.append(repr(error))
                return

    def end(self):
        self.going = False
        self.join()


def refuses(c):
    try:
        c.client("us-1").set("probe", "x")
    except redis.ResponseError as error:
        return str(error).startswith("DISKFULL the disk of us-1 is full")
    return False


@test("a disk that somebody else fills in an instant refuses writes, reads and sending go on, and writes come back with room")
def _():
    d = Disk(160)
    c = d.cluster
    pid = c.pid("us-1")
    writer = Writer(c.port("us-1"), "k")
    for _ in range(5 if os.environ.get("TRUCE_LONG") == "yes" else 1):
        enough = len(writer.written) + 2000
        eventually(lambda e=enough: len(writer.written) >= e or writer.wrong, "writes are taken")
        d.fill()
        eventually(lambda: refuses(c), "writes are refused")
        expect(c.status("us-1")["disk_full"], True)
        check(any("is full" in alarm for alarm in c.status("us-1")["alarms"]), "the status says so")
        latest = writer.written[-1]
        check(c.client("us-1").get(latest).startswith("v"), "reads go on")
        c.client("eu-1").set("from-eu", latest)
        eventually(lambda k=latest: c.client("eu-1").exists(k), "what was acknowledged is sent")
        check(c.client("us-1").get("from-eu") != latest, "a node without room takes nothing")
        d.empty()
        eventually(lambda: not refuses(c), "writes are taken again", 60)
        eventually(lambda k=latest: c.client("us-1").get("from-eu") == k, "what came meanwhile is fetched")
    writer.end()
    expect(writer.wrong, [])
    check(len(writer.refused) > 0, "some writes were refused")
    expect(c.pid("us-1"), pid, "the process")
    c.settle("60s")
    eu = c.client("eu-1")
    missing = [k for k in writer.written if not eu.exists(k)]
    expect(missing, [], "acknowledged rows that are missing in eu")
    c.stop()
    unmount_all()


@test("a node that fills its disk itself stops writing before there is none, and goes on when the disk grows")
def _():
    d = Disk(72)
    c = d.cluster
    if not d.real:
        return
    pid = c.pid("us-1")
    writers = [Writer(c.port("us-1"), f"w{i}", 6000) for i in range(4)]
    eventually(lambda: writers[0].refused, "writes are refused", 240)
    free = os.statvfs(d.dir)
    check(free.f_bavail * free.f_bsize > 4 * MB, "something is left")
    check(c.client("us-1").get(writers[0].written[-1]).startswith("v"), "reads go on")
    check(mount(d.dir, 400, again=True), "the disk grows")
    eventually(lambda: not refuses(c), "writes are taken again", 60)
    for w in writers:
        w.end()
        expect(w.wrong, [])
    expect(c.pid("us-1"), pid, "the process")
    c.settle("120s")
    c.truce("down")
    c.truce("up")
    c.settle("60s")
    us = c.client("us-1")
    for w in writers:
        missing = [k for k in w.written if not us.exists(k)]
        expect(missing, [], "acknowledged rows that are missing after a restart")
    c.stop()
    unmount_all()


try:
    run_tests()
finally:
    unmount_all()
