#!/usr/bin/python3
"""Writes into two datacenters at once while their link is cut and healed ten times and a follower and a leader are killed with -9.

Afterwards all digests are equal, and every acknowledged write is accounted for: it is read, or it is in the journal of every datacenter with its
value,
or a later write overwrote it knowingly. What a write knew is not guessed: contended rows are written with SET ... GET, so that each write is told the
value that it replaced. Usage: million.py [--writes N] (into each datacenter; default 1,000,000)."""
import argparse
import collections
import multiprocessing
import os
import pickle
import socket
import sys
import time

from harness import Cluster, stop_clusters

CUTS = 10
PIPELINE = 64
HOT_EVERY = 10       # every tenth write goes to a contended row
HOT_KEYS = 500
WORKERS = ["us-1", "us-1", "us-2", "eu-1", "eu-1", "eu-2"]
ACKED, REFUSED, UNKNOWN = b"a", b"r", b"u"


def unique_key(worker, i):
    return b"row:%d:%d" % (worker, i)


def value_of(worker, i):
    return b"%d.%d." % (worker, i) + b"v" * 40


def hot_key(worker, i):
    return b"hot:%03d" % (((i + 1) * 2654435761 + worker * 40503 >> 8) % HOT_KEYS)


def is_hot(i):
    return i % HOT_EVERY == 0


def encode(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def encode_write(worker, i):
    if is_hot(i):
        return encode(b"SET", hot_key(worker, i), value_of(worker, i), b"GET")
    return encode(b"SET", unique_key(worker, i), value_of(worker, i))


def read_reply(stream):
    """(what became of the write, the value that it replaced)."""
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("the connection is gone")
    if line[:1] == b"+":
        return ACKED, None
    if line == b"$-1\r\n":
        return ACKED, None
    if line[:1] == b"$":
        n = int(line[1:])
        data = stream.read(n + 2)
        if len(data) != n + 2:
            raise ConnectionError("the connection is gone")
        return ACKED, data[:-2]
    # An error before anything was tried refuses the write; any other may have happened.
    return (REFUSED if line.startswith((b"-NOLEADER", b"-OOM", b"-NOAUTH", b"-LOADING", b"-MISCONF")) else UNKNOWN), None


def work(worker, port, first, allowed, done, result_path):
    """Writes first.. as far as allowed, until the last; what became of each goes into a file."""
    fate, replaced, stream, connection = [], {}, None, None
    last = allowed["last"]
    i = first
    errors = collections.Counter()
    while i < last:
        limit = min(allowed["now"].value, last)
        if i >= limit:
            time.sleep(0.002)
            continue
        count = min(PIPELINE, limit - i)
        answered = 0
        try:
            if stream is None:
                connection = socket.create_connection(("127.0.0.1", port), timeout=120)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                stream = connection.makefile("rb", 1 << 16)
            connection.sendall(b"".join(encode_write(worker, k) for k in range(i, i + count)))
            while answered < count:
                what, old = read_reply(stream)
                fate.append(what)
                if old is not None:
                    replaced[i + answered] = old
                errors[what] += 1
                answered += 1
        except OSError:
            if connection is None:
                time.sleep(0.02)  # nothing was sent
                continue
            connection.close()
            connection, stream = None, None
            fate += [UNKNOWN] * (count - answered)
        i += count
        done[worker] = i
    with open(result_path, "wb") as f:
        pickle.dump((b"".join(fate), replaced), f)


class RawReader:
    """Reads many rows at once and compares them without taking the reply apart."""

    def __init__(self, port):
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)

    def reads(self, worker, wanted):
        self.socket.sendall(encode(b"MGET", *(unique_key(worker, i) for i in wanted)))
        expected = b"*%d\r\n" % len(wanted) + b"".join(b"$%d\r\n%s\r\n" % (len(v), v) for v in wanted.values())
        got = bytearray()
        while len(got) < len(expected):
            piece = self.socket.recv(1 << 20)
            if not piece or expected[len(got):len(got) + len(piece)] != piece:
                self.socket.close()  # with whatever of the reply is still under way
                self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=120)
                return False
            got += piece
        return True


class Run:
    def __init__(self, writes):
        self.each = writes // 3  # three workers in each datacenter
        self.cluster = Cluster("us,eu", 2, fsync="yes")
        self.allowed = {"now": multiprocessing.Value("q", 0), "last": self.each}
        self.done = multiprocessing.Array("q", len(WORKERS))
        self.workers = []
        self.failures = 0
        self.passed = 0

    def say(self, good, what):
        print(("ok   " if good else "FAIL ") + what, flush=True)
        self.passed += bool(good)
        self.failures += not good

    def result_path(self, worker):
        return os.path.join(self.cluster.dir, f"worker-{worker}")

    def start(self):
        for w, node in enumerate(WORKERS):
            p = multiprocessing.Process(target=work, args=(w, self.cluster.port(node), 0, self.allowed, self.done, self.result_path(w)))
            p.start()
            self.workers.append(p)

    def allow(self, share, meanwhile=None):
        """Lets the workers go to a share of their writes; `meanwhile` is done in the middle of it."""
        start, goal = self.allowed["now"].value, int(self.each * share)
        self.allowed["now"].value = goal
        deadline = time.monotonic() + 900
        while min(self.done[:]) < goal:
            if meanwhile and sum(self.done[:]) / len(WORKERS) > (start + goal) / 2:
                meanwhile()
                meanwhile = None
            if time.monotonic() > deadline or not all(p.is_alive() or self.done[w] >= goal for w, p in enumerate(self.workers)):
                raise RuntimeError(f"the workers stand at {self.done[:]} of {goal}\n{self.cluster.run('status')[1]}")
            time.sleep(0.005)
        if meanwhile:
            meanwhile()

    def kill_and_start(self, node):
        self.cluster.truce("kill", node)
        time.sleep(0.3)
        self.cluster.truce("start", node)

    def write_through_cuts(self):
        for n in range(CUTS):
            self.cluster.truce("cut", "us", "eu")
            self.allow((n + 0.6) / CUTS, {3: lambda: self.kill_and_start("eu-2"), 6: lambda: self.kill_and_start("us-1")}.get(n))
            self.cluster.truce("heal", "us", "eu")
            self.allow((n + 1) / CUTS, {4: lambda: self.kill_and_start("us-2"), 8: lambda: self.kill_and_start("eu-1")}.get(n))
        for p in self.workers:
            p.join(60)

    def check(self):
        fates, replaced = {}, {}
        for w in range(len(WORKERS)):
            with open(self.result_path(w), "rb") as f:
                fates[w], replaced[w] = pickle.load(f)
        acked = sum(f.count(ACKED) for f in fates.values())
        unknown = sum(f.count(UNKNOWN) for f in fates.values())
        total = sum(len(f) for f in fates.values())
        print(f"     {total} writes: {acked} acknowledged, {unknown} unknown, {total - acked - unknown} refused")
        self.say(acked > total * 0.9, "most writes were acknowledged")
        self.check_unique(fates)
        self.check_hot(fates, replaced)

    def check_unique(self, fates):
        lost, phantom, differs, unknown_there = [], [], [], 0
        nodes = ("us-1", "eu-1", "us-2", "eu-2")
        readers, raw = [self.cluster.client(node) for node in nodes], [RawReader(self.cluster.port(node)) for node in nodes]
        for w, fate in fates.items():
            for start in range(0, len(fate), 1000):
                numbers = [i for i in range(start, min(start + 1000, len(fate))) if not is_hot(i)]
                acked = [i for i in numbers if fate[i:i + 1] == ACKED]
                wanted = {i: value_of(w, i) for i in acked}
                for r, node in zip(raw, nodes):
                    if acked and not r.reads(w, wanted):
                        got = self.cluster.client(node).mget([unique_key(w, i) for i in acked])
                        lost += [(node, w, i) for i, g in zip(acked, got) if g != wanted[i].decode()] or [(node, w, "reads twice, differently")]
                others = [i for i in numbers if fate[i:i + 1] != ACKED]
                answers = [r.mget([unique_key(w, i) for i in others]) if others else [] for r in readers]
                for k, i in enumerate(others):
                    got = [a[k] for a in answers]
                    if len(set(got)) > 1:
                        differs.append((w, i, got))
                    if got[0] not in (None, value_of(w, i).decode()) or (fate[i:i + 1] == REFUSED and got[0] is not None):
                        phantom.append((w, i))
                    unknown_there += fate[i:i + 1] == UNKNOWN and got[0] is not None
        self.say(not lost, "every acknowledged write of a row of its own is read on every node"
                 + (f": lost {len(lost)} such as {lost[:5]}" if lost else ""))
        self.say(not phantom, "nothing is read that was refused or never written" + (f": {phantom[:5]}" if phantom else ""))
        self.say(not differs, f"of the writes without an answer {unknown_there} happened, everywhere the same ones"
                 + (f": {differs[:3]}" if differs else ""))

    def check_hot(self, fates, replaced):
        journals = {dc: self.journal(dc) for dc in ("us", "eu")}
        shown = {}
        for node in ("us-1", "eu-1"):
            shown[node] = self.cluster.client(node).mget([f"hot:{k:03}" for k in range(HOT_KEYS)])
        self.say(shown["us-1"] == shown["eu-1"], "contended rows read alike")
        visible = set(shown["us-1"])
        overwritten = {old.decode() for r in replaced.values() for old in r.values()}
        unknown_writes = collections.Counter()
        for w, fate in fates.items():
            for i in range(0, len(fate), HOT_EVERY):
                if fate[i:i + 1] == UNKNOWN:
                    unknown_writes[hot_key(w, i)] += 1
        count, counts, lost, excused = 0, collections.Counter(), [], 0
        for w, fate in fates.items():
            for i in range(0, len(fate), HOT_EVERY):
                if fate[i:i + 1] != ACKED:
                    continue
                count += 1
                value = value_of(w, i).decode()
                in_journals = [dc for dc in journals if (hot_key(w, i).decode(), value) in journals[dc]]
                if value in visible:
                    counts["read"] += 1
                elif value in overwritten:
                    counts["overwritten knowingly"] += 1
                elif len(in_journals) == 2:
                    counts["in both journals"] += 1
                elif unknown_writes[hot_key(w, i)] > 0:
                    unknown_writes[hot_key(w, i)] -= 1  # a write whose answer was lost may have replaced it
                    excused += 1
                else:
                    lost.append((w, i, hot_key(w, i), in_journals))
        print(f"     {count} acknowledged writes of {HOT_KEYS} contended rows: " + ", ".join(f"{n} {what}" for what, n in counts.items()) +
              f", {excused} perhaps replaced by a write whose answer was lost")
        self.say(not lost, "every acknowledged write of a contended row is accounted for"
                 + (f": lost {len(lost)} such as {lost[:5]}" if lost else ""))
        self.say(counts["in both journals"] > 0, "there were conflicts, and their losers are in the journals of both datacenters")

    def journal(self, dc):
        """Keys and values, asked for in parts: a whole journal is more than a client is sent at once."""
        parts = [self.cluster.json("conflicts", dc, f"hot:{n:02}", "--limit", "1000000")["conflicts"] for n in range((HOT_KEYS + 9) // 10)]
        return {(entry["key"], entry["value"]) for part in parts for entry in part}

    def run(self):
        start = time.monotonic()
        self.start()
        self.write_through_cuts()
        written_s = time.monotonic() - start
        self.cluster.truce("heal")
        code, _, err = self.cluster.run("status", "--settle", "900s")
        self.say(code == 0, f"all nodes have equal version vectors and digests {err}")
        print(f"     written in {written_s:.1f} s, settled after {time.monotonic() - start - written_s:.1f} s more")
        self.check()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--writes", type=int, default=1000000)
    run = Run(parser.parse_args().writes)
    try:
        run.run()
    except Exception as error:  # pylint: disable=broad-except
        run.say(False, f"the run came to its end: {error}")
        for node in run.cluster.nodes:
            print("\n".join(f"     log of {node}: {line}" for line in run.cluster.log(node).splitlines()[-8:]))
    for p in run.workers:
        if p.is_alive():
            p.kill()
    stop_clusters()
    print(f"{run.passed} passed, {run.failures} failed")
    sys.exit(1 if run.failures else 0)


main()
