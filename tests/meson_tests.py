#!/usr/bin/python3
"""Runs the tests of a build directory and counts what is in them: Criterion's tests and those of plain programs, one by one."""
import json
import os
import re
import subprocess
import sys

SYNTHESIS = re.compile(r"Synthesis: Tested: .*?(\d+).*?Passing: .*?(\d+).*?Failing: .*?(\d+).*?Crashing: .*?(\d+)")
PLAIN = re.compile(r"^(\d+) passed, (\d+) failed$", re.MULTILINE)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def count(output, good):
    """(passed, failed) of one program; a program that failed has at least one failure, one that says nothing counts as one."""
    synthesis, plain = SYNTHESIS.findall(output), PLAIN.findall(output)
    if synthesis:
        passed, failed = int(synthesis[-1][1]), int(synthesis[-1][2]) + int(synthesis[-1][3])
    elif plain:
        passed, failed = int(plain[-1][0]), int(plain[-1][1])
    else:
        passed, failed = int(good), 0
    return passed, failed if good else max(failed, 1)


def main():
    build = sys.argv[1]
    log = os.path.join(build, "meson-logs/testlog.json")
    if os.path.exists(log):
        os.remove(log)
    run = subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--num-processes", "2", "--print-errorlogs"], capture_output=True, text=True,
                         errors="replace", check=False)
    if not os.path.exists(log):
        print(run.stdout + run.stderr)
        print("0 passed, 1 failed")
        sys.exit(1)
    passed, failed = 0, 0
    with open(log, encoding="utf-8", errors="replace") as f:
        for line in f:
            result = json.loads(line)
            good = result["result"] in ("OK", "EXPECTEDFAIL")
            output = COLOUR.sub("", (result.get("stdout") or "") + "\n" + (result.get("stderr") or ""))
            p, n = count(output, good)
            print(f"{'ok  ' if n == 0 else 'FAIL'} {result['name']}: {p} passed, {n} failed ({result['duration']:.1f} s)")
            if n:
                print(f"     {result['result']}, exit code {result['returncode']}")
                print("\n".join("     " + text for text in output.splitlines()[-150:]))
            passed, failed = passed + p, failed + n
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
