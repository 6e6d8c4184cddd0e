"""Where the time of the two nodes goes while all writes go to A and come to B: by room and library, by thread, and the costliest functions."""
import glob
import os
import re
import shutil
import signal
import subprocess
import time

import pairs
import system
import tables
from system import Settings, Wrong

ROOMS = ["schemas", "conflict", "topology", "dc-node/core", "dc-node/io"]
LIBRARIES = [("librocksdb", "RocksDB"), ("libnng", "nng"), ("libjansson", "jansson"), ("libxxhash", "xxhash"), ("liblz4", "lz4"),
             ("libstdc++", "libstdc++"), ("ld-linux", "libc"), ("libc.so", "libc"),
             ("libc-", "libc"), ("libm", "libc"), ("libpthread", "libc"), ("kernel", "kernel"), ("[vdso]", "kernel")]
OTHER_ROOM = "dc-node"
FUNCTIONS_SHOWN = 40
CALLGRIND_WRITES = 20000


def rooms_by_function():
    """Which room's object files define a function."""
    found = {}
    for room in ROOMS:
        files = glob.glob(os.path.join(Settings.build, room, "*.a")) + glob.glob(os.path.join(Settings.build, room, "*.p", "*.o"))
        listing = subprocess.run(["nm", "--defined-only", *files], capture_output=True, text=True, check=False).stdout
        for line in listing.splitlines():
            words = line.split()
            if len(words) == 3 and words[1] in "tTwW":
                found.setdefault(words[2], room)
    return found


def room_of(function, library, rooms):
    for part, name in LIBRARIES:
        if part in library:
            return name
    return rooms.get(function, OTHER_ROOM) if "dc-node" in library else library or "unknown"


def shares(title, columns, sums):
    """A table: for each name the share of each node's time."""
    totals = [sum(sums[i].values()) or 1 for i in (0, 1)]
    names = sorted({n for s in sums for n in s}, key=lambda n: -sum(sums[i].get(n, 0) / totals[i] for i in (0, 1)))
    rows = []
    for n in names[:FUNCTIONS_SHOWN]:
        rows.append([*(n if isinstance(n, tuple) else (n,)), *[f"{100 * sums[i].get(n, 0) / totals[i]:.1f} %" for i in (0, 1)]])
    return tables.table(title, [*columns, "A (written to)", "B (applies)"], rows)


def show(samples, cost, by_thread):
    """Samples: (side, function, library, weight)."""
    rooms = rooms_by_function()
    by_room, by_function = [{}, {}], [{}, {}]
    for side, function, library, weight in samples:
        room = room_of(function, library, rooms)
        for sums, name in ((by_room, room), (by_function, (function[:70], room))):
            sums[side][name] = sums[side].get(name, 0) + weight
    print(f"Cost: {cost}\n")
    print(shares("Time by room and library", ["room"], by_room), end="")
    if by_thread:
        print(shares("Time by thread", ["thread"], by_thread), end="")
    print(shares("The costliest functions", ["function", "room"], by_function), end="")


def run_load(pair, writes):
    load = pair.load(0, writes, 64)
    per_s = system.accepted_per_s(load.wait())
    pair.wait_visible([0])
    pair.wait_rest()
    return per_s


# ---- perf ----
def perf_samples(path, pids):
    argv = ["perf", "report", "-i", path, "--stdio", "-q", "--no-children", "-n", "--sort", "pid,dso,sym", "-t", ";"]
    report = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=True).stdout
    for line in report.splitlines():
        fields = [f.strip() for f in line.split(";")]
        if len(fields) < 5:
            continue
        pid = int(fields[2].partition(":")[0])
        if pid in pids:
            yield pids.index(pid), re.sub(r"^\[.\] ", "", fields[4]), fields[3], int(fields[1])


def with_perf(fsync, say):
    pair = pairs.Truce(fsync)
    try:
        path = os.path.join(pair.directories[0], "perf.data")
        pids = [p.pid for p in pair.processes]
        recorder = subprocess.Popen(["perf", "record", "-q", "-F", "999", "-p", ",".join(map(str, pids)), "-o", path],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        before = sum(p.cpu_s() for p in pair.processes)
        say(f"{Settings.writes} writes under perf")
        per_s = run_load(pair, Settings.writes)
        cpu_s = [p.cpu_s() for p in pair.processes]
        threads = [p.threads_cpu_s() for p in pair.processes]
        recorder.send_signal(signal.SIGINT)
        recorder.wait()
        samples = list(perf_samples(path, pids))
    finally:
        pair.stop()
    if not samples:
        raise Wrong("perf took no samples: try --profile callgrind")
    each = " and ".join(f"{s * 1e6 / Settings.writes:.2f}" for s in cpu_s)
    cost = (sum(cpu_s) - before) * 1e6 / Settings.writes
    show(samples, f"{cost:.2f} CPU s per million writes until at rest (A and B: {each}), {per_s:,.0f} writes/s accepted under perf", threads)


# ---- callgrind ----
def callgrind_samples(directories):
    for side, directory in enumerate(directories):
        for path in glob.glob(os.path.join(directory, "callgrind.*")):
            argv = ["callgrind_annotate", "--threshold=99.5", path]
            text = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=True).stdout
            for line in text.splitlines():
                match = re.match(r"\s*([\d,]+) \(\s*[\d.]+%\)\s+\S*?:(.+?)(?: \[(\S+)\])?$", line)
                if match and "PROGRAM TOTALS" not in line:
                    yield side, match.group(2), os.path.basename(match.group(3) or "unknown"), int(match.group(1).replace(",", ""))


def with_callgrind(fsync, say):
    if not shutil.which("valgrind"):
        raise Wrong("neither perf nor valgrind is installed: apt-get install linux-perf valgrind")
    Settings.wrapper = lambda node, directory: ["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/callgrind.{node}"]
    pair = pairs.Truce(fsync)
    try:
        say(f"{CALLGRIND_WRITES} writes under callgrind: instructions, not time; the kernel is not in it")
        run_load(pair, CALLGRIND_WRITES)
        for p in pair.processes:
            p.stop()
        samples = list(callgrind_samples(pair.directories))
    finally:
        pair.stop()
    total = sum(s[3] for s in samples)
    show(samples, f"{total / CALLGRIND_WRITES:,.0f} instructions per write, start and end of the two processes included", None)


def profile(how, fsync, say):
    if how == "perf" and shutil.which("perf"):
        with_perf(fsync, say)
    else:
        with_callgrind(fsync, say)
