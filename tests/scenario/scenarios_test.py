#!/usr/bin/python3
"""Plays in the simulator every scenario that comes with Truce, and every one that was kept because something once failed.
Usage: tests/scenario/scenarios_test.py TRUCE [FILE...]"""
import concurrent.futures
import glob
import json
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def scenarios():
    return sorted(path for folder in ("deploy/scenarios", "tests/scenario/kept") for path in glob.glob(os.path.join(ROOT, folder, "*.json")))


def title_of(path):
    with open(path, encoding="utf-8") as f:
        content = json.load(f)
    return content["scenario"] if content.get("about") else "(it does not say what it is about)"


def play(truce, path):
    """(what was said, seconds); nothing is said when it passed."""
    begun = time.monotonic()
    try:
        run = subprocess.run([truce, "replay", path], capture_output=True, text=True, timeout=600, check=False)
        said = "" if run.returncode == 0 else f"ended with {run.returncode}: {run.stdout}{run.stderr}"
    except (OSError, subprocess.TimeoutExpired) as error:
        said = str(error)
    return said, time.monotonic() - begun


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    truce, files = sys.argv[1], sys.argv[2:] or scenarios()
    passed, failed = 0, 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for path, (said, seconds) in zip(files, pool.map(lambda path: play(truce, path), files)):
            print(f"{'FAIL' if said else 'ok  '} {title_of(path)} ({os.path.basename(path)}, {seconds:.1f} s)")
            if said:
                print("     " + said.replace("\n", "\n     "))
            passed, failed = passed + (not said), failed + bool(said)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


main()
