#!/usr/bin/python3
"""Nodes are killed with -9 in the midst of writing, again and again: every acknowledged write is there afterwards.
Usage: kill_cycles.py [--cycles N]."""
import argparse
import random
import socket
import sys
import threading
import time

from harness import Cluster, stop_clusters


class Writer(threading.Thread):
    """Writes rows of its own at one node, in small pipelines, and remembers which were acknowledged."""

    def __init__(self, port, name):
        super().__init__(daemon=True)
        self.port, self.prefix, self.acked, self.stop = port, name, set(), False

    def run(self):
        n = 0
        while not self.stop:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=30) as s:
                    stream = s.makefile("rb")
                    while not self.stop:
                        batch = range(n, n + 16)
                        n += 16
                        s.sendall(b"".join(b"SET %s:%d %d\r\n" % (self.prefix.encode(), i, i) for i in batch))
                        for i in batch:
                            line = stream.readline()
                            if not line.endswith(b"\r\n"):
                                raise ConnectionError
                            if line == b"+OK\r\n":
                                self.acked.add(i)
            except OSError:
                time.sleep(0.02)


def lost_at(cluster, node, writer):
    numbers, lost, client = sorted(writer.acked), [], cluster.client(node)
    for start in range(0, len(numbers), 1000):
        part = numbers[start:start + 1000]
        lost += [i for i, got in zip(part, client.mget([f"{writer.prefix}:{i}" for i in part])) if got != str(i)]
    return lost


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cycles", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    dice = random.Random(options.seed)
    print(f"seed {options.seed}")
    cluster = Cluster("us,eu", 2, fsync="yes")
    passed, failed = 0, 0
    writers = [Writer(cluster.port(node), f"w-{node}") for node in cluster.nodes]
    for w in writers:
        w.start()
    for cycle in range(options.cycles):
        victims = dice.sample(cluster.nodes, dice.choice((1, 1, 2, 4)))
        time.sleep(dice.uniform(0.05, 0.6))
        code, _, err = cluster.run("kill", *victims)
        if code == 0:
            time.sleep(dice.uniform(0, 0.3))
            code, _, err = cluster.run("start", *victims)
        good = code == 0
        passed, failed = passed + good, failed + (not good)
        if not good:
            print(f"FAIL cycle {cycle}, {victims}: {err}")
            break
    for w in writers:
        w.stop = True
    for w in writers:
        w.join(60)
    code, _, err = cluster.run("status", "--settle", "300s")
    print(("ok   " if code == 0 else "FAIL ") + "all nodes have equal version vectors and digests " + err)
    passed, failed = passed + (code == 0), failed + (code != 0)
    for node in cluster.nodes:
        for w in writers:
            lost = lost_at(cluster, node, w)
            passed, failed = passed + (not lost), failed + bool(lost)
            if lost:
                print(f"FAIL {node} lacks {len(lost)} of {len(w.acked)} writes acknowledged to {w.prefix}, such as {lost[:5]}")
    print(f"     {sum(len(w.acked) for w in writers)} acknowledged writes")
    if failed:
        for node in cluster.nodes:
            print("\n".join(f"     log of {node}: {line}" for line in cluster.log(node).splitlines()[-8:]))
    stop_clusters()
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
