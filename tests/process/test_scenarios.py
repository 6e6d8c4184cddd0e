#!/usr/bin/python3
"""The scenarios that come with Truce, and those that were kept, on real processes: all that they expect holds, and the outcome is the simulated one.
Those that take long are played with TRUCE_LONG=yes; three at a time."""
import concurrent.futures
import glob
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile

from harness import DC_NODE, PORT_BASE, ROOT, TRUCE, check, expect, run_tests, test

LONG = os.environ.get("TRUCE_LONG") == "yes"
SHORT_S = 15  # of the cluster's time
AT_ONCE = 3
PORTS_EACH = 200  # clients from the base, links from 100 above it
WORK = tempfile.mkdtemp(prefix="truce-test-scenarios-")
ENVIRONMENT = dict(os.environ, TMPDIR=WORK, TRUCE_DC_NODE=DC_NODE)

port_bases = queue.SimpleQueue()
for slot in range(AT_ONCE):
    port_bases.put(PORT_BASE + slot * PORTS_EACH)


def replay(path, *options):
    run = subprocess.run([TRUCE, "replay", path, "--json", *options], capture_output=True, text=True, timeout=600, check=False, env=ENVIRONMENT)
    lines = run.stdout.splitlines()
    return run, json.loads(lines[-1]) if lines else {}


def is_short(path):
    return replay(path)[1].get("length_us", 0) <= SHORT_S * 1000000


def play(path):
    """(what ran, what it said last) on real processes."""
    base = port_bases.get()
    try:
        return replay(path, "--live", "--port-base", str(base))
    finally:
        port_bases.put(base)


def holds(path, future):
    run, answer = future.result()
    check(run.returncode == 0, f"{path} ended with {run.returncode}: {json.dumps(answer)[:3000]}{run.stderr}")
    expect((answer["stage"], answer["differences"]), ("live", []), f"{path}: where the simulated outcome differs")


def title_of(path):
    with open(path, encoding="utf-8") as f:
        return f"{json.load(f)['scenario']} ({os.path.basename(path)})"


pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
wanted = [a for a in sys.argv[1:] if not a.startswith("--")]
paths = sorted(path for folder in ("deploy/scenarios", "tests/scenario/kept") for path in glob.glob(os.path.join(ROOT, folder, "*.json")))
chosen = [path for path in paths if not wanted or any(w in title_of(path) for w in wanted)]
if not LONG:
    chosen = [path for path, short in zip(chosen, pool.map(is_short, chosen)) if short]
    print(f"{len(chosen)} that take no longer than {SHORT_S} s (TRUCE_LONG=yes for all)", flush=True)
for each in chosen:
    test(title_of(each))(lambda path=each, future=pool.submit(play, each): holds(path, future))

try:
    run_tests()
finally:
    pool.shutdown(cancel_futures=True)
    shutil.rmtree(WORK, ignore_errors=True)
