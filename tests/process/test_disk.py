#!/usr/bin/python3
"""What writes take: memory stays in its bound under load, the disk at rest holds the rows and the log budget."""
import json
import os
import subprocess

from harness import Cluster, check, eventually, expect, process_figure, run_tests, test


def disk_bytes(folder):
    return sum(os.lstat(os.path.join(at, name)).st_blocks * 512 for at, _, names in os.walk(folder) for name in names)


def load(c, node, count, size, keys):
    run = subprocess.run(["redis-benchmark", "-p", str(c.port(node)), "-P", "64", "-c", "8", "-n", str(count), "-r", str(keys), "-d", str(size), "-q",
                          "-t", "set"], capture_output=True, text=True, timeout=300, check=False)
    expect(run.returncode, 0, run.stdout + run.stderr)


@test("memory stays near its bound while more is written than fits")
def _():
    c = Cluster("us,eu", 2, memory_mb=64)
    load(c, "us-1", 300000, 512, 10000000)
    peaks = {node: process_figure(c.pid(node), "VmHWM") // 1024 for node in c.nodes}
    c.settle("120s")
    for node in c.nodes:
        expect(c.client(node).dbsize(), c.client("us-1").dbsize(), node)
        check(peaks[node] < 64 * 3, f"{node} took {peaks[node]} MiB where 64 are allowed")


@test("at rest the disk holds at most 1.5 times the payload and the log budget")
def _():
    c = Cluster("us,eu", 1, up=False)
    c.truce("up", *c.options)
    c.truce("down")
    path = os.path.join(c.dir, "cluster.json")
    with open(path, encoding="utf-8") as f:
        file = json.load(f)
    file["log_budget_mb"] = 16
    with open(path, "w", encoding="utf-8") as f:
        json.dump(file, f)
    c.truce("up")
    load(c, "us-1", 400000, 400, 50000)
    c.settle("120s")
    rows = c.client("us-1").dbsize()
    payload = rows * (16 + 400)
    for node in c.nodes:
        bound = payload * 1.5 + (16 << 20)
        eventually(lambda n=node, b=bound: disk_bytes(os.path.join(c.dir, n)) <= b,
                   f"{node} holds {disk_bytes(os.path.join(c.dir, node)) >> 20} MiB, "
                   f"{rows} rows with {payload >> 20} MiB of payload, log budget 16 MiB", 60)


run_tests()
