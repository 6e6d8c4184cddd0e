#!/usr/bin/python3
"""I17: the same seeds and scenarios give the same traces in every build.
Usage: tests/sim/same_traces.py [--seeds A..B] BUILD BUILD..."""
import glob
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEEDS = "1..40"


def lines_of(*command):
    run = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    if run.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {run.returncode}:\n{run.stdout}{run.stderr}\n0 passed, 1 failed")
    return run.stdout.splitlines()


def traces_of_seeds(build, seeds):
    hashes = {}
    for line in lines_of(os.path.join(build, "tests/sim/swarm"), "--seeds", seeds, "--hash"):
        words = line.split()
        if len(words) == 2 and words[0].isdigit():
            hashes["seed " + words[0]] = words[1]
    return hashes


def handlers_of(path, folder):
    """A handler's file is part of what is played: the same one in all builds."""
    with open(path, encoding="utf-8") as f:
        files = json.load(f).get("handlers", {}).values()
    return [word for file in files for word in ("--handler", os.path.join(folder, file))]


def traces_of_scenarios(build, handlers):
    truce = os.path.join(build, "deploy/truce")
    hashes = {}
    for path in sorted(glob.glob(os.path.join(ROOT, "deploy/scenarios/*.json"))):
        hashes[os.path.basename(path)] = lines_of(truce, "replay", path, "--hash", *handlers_of(path, handlers))[-1]
    return hashes


def main():
    arguments, seeds = sys.argv[1:], SEEDS
    if len(arguments) > 2 and arguments[0] == "--seeds":
        seeds, arguments = arguments[1], arguments[2:]
    if len(arguments) < 2:
        sys.exit(__doc__)
    handlers = os.path.join(arguments[0], "deploy/handlers")
    traces = [{**traces_of_seeds(build, seeds), **traces_of_scenarios(build, handlers)} for build in arguments]
    passed, failed = 0, 0
    for name in traces[0]:
        hashes = [t.get(name, "none") for t in traces]
        if len(set(hashes)) == 1:
            passed += 1
            continue
        failed += 1
        print(f"FAIL {name}: " + ", ".join(f"{build} {h}" for build, h in zip(arguments, hashes)))
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


main()
