#!/usr/bin/python3
"""truce replay as a user runs it: every option, every exit code, and what it leaves behind."""
import glob
import json
import os
import shutil
import subprocess
import tempfile

from harness import BUILD, PORT_BASE, TRUCE, check, expect, run_tests, test

PLANTED = os.path.join(BUILD, "tests/deploy/truce-planted")
HANDLERS = os.path.join(BUILD, "deploy/handlers")
BAD_HANDLERS = os.path.join(BUILD, "tests/handlers")

RENAMED = {
    "scenario": "both sides rename a user while they are cut apart",
    "about": "The older name is kept beside the newer one.",
    "datacenters": {"us": {"nodes": 2, "priority": 20}, "eu": {"priority": 10}},
    "tables": {"users": {"conflict": "record"}},
    "seed": 42,
    "steps": [
        {"at": "0s", "dc": "us", "do": "SET users:1 Alice"},
        {"at": "1s", "cut": "us | eu"},
        {"at": "2s", "dc": "us", "do": "SET users:1 'Alice Smith'"},
        {"at": "2100ms", "dc": "eu", "do": "SET users:1 'Alice Miller-Jones'"},
        {"at": "3s", "heal": "*"},
        {"settle": "10s"},
        {"expect": "GET users:1", "is": "Alice Smith"},
        {"expect": "conflicts users", "is": 1}]}

# Something for a planted bug: many writes of few keys under faults.
BUSY = {
    "scenario": "two sides write under cuts and kills",
    "datacenters": {"us": {"nodes": "1..3"}, "eu": {"nodes": "1..2"}, "ap": {}},
    "links": {"*": {"latency": "1ms..40ms", "jitter": "0ms..5ms"}},
    "tables": {"r": {"conflict": "record"}},
    "steps": [
        {"at": "0s", "workload": "registers", "prefix": "r", "in": "*", "for": "3s", "rate": "20..60", "keys": "2..10"},
        {"at": "0s", "workload": "counters", "in": "*", "for": "3s", "rate": "20..40", "keys": "1..5"},
        {"at": "100ms", "faults": ["cut", "kill", "slow"], "for": "2s", "every": "200ms..1s", "length": "50ms..1s"}]}

folders = []


def write(content, name="cut.json", folder=None):
    """A scenario in a folder of its own, a step on each line. Returns its path."""
    if folder is None:
        folder = tempfile.mkdtemp(prefix="truce-test-")
        folders.append(folder)
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as f:
        if not isinstance(content, str):
            content = json.dumps(content)
            for key in ('{"at"', '{"expect"', '{"settle"'):
                content = content.replace(key, "\n" + key)
        f.write(content)
    return path


def truce(*args, plant=None, stdin="", program=TRUCE):
    """(exit code, stdout, stderr)"""
    environment = dict(os.environ)
    if plant:
        environment["TRUCE_PLANT"] = plant
        program = PLANTED
    done = subprocess.run([program, "replay", *args], capture_output=True, text=True, timeout=600, check=False, input=stdin, env=environment)
    return done.returncode, done.stdout, done.stderr


def replay(*args, code=0, **options):
    """The output of a replay that must end with this code."""
    got, out, err = truce(*args, **options)
    expect(got, code, f"truce replay {' '.join(args)}: {out}{err}")
    return out


def changed(scenario, **keys):
    return {**scenario, **keys}


def with_steps(scenario, *steps):
    return changed(scenario, steps=scenario["steps"] + list(steps))


# ---- results and exit codes ----
@test("What holds is shown with its place, and the exit code is 0")
def passes():
    path = write(RENAMED)
    out = replay(path)
    lines = out.splitlines()
    check(lines[0] == f"{path}: {RENAMED['scenario']}", out)
    check("2 datacenters, 3 nodes, 8 steps, seed 42" in out, out)
    check(f'ok    {path}:8: step 7, at ' in out and 'GET users:1 is "Alice Smith"' in out, out)
    check(lines[-1].startswith("passed after ") and lines[-1].endswith("times as fast"), out)


@test("What does not hold is shown with its place and the rows, and the exit code is 1")
def fails():
    path = write(with_steps(RENAMED, {"expect": "GET users:1", "is": "Alice"}))
    out = replay(path, code=1)
    check(f"FAIL  {path}:10: step 9, at " in out, out)
    check(f'{path}:10: step 9 (expect): GET users:1 is "Alice Smith" at ' in out, out)
    row = next(line for line in out.splitlines() if line.startswith("  users:1"))
    expect(row.split(), ["users:1", "Alice", "Smith", "2", "0", "open"])
    check(not glob.glob(os.path.join(os.path.dirname(path), "*.seed-*")), "a single seed is written out with --keep alone")


@test("A file that is no scenario is refused with its place, and the exit code is 2")
def bad_files():
    for content, words in [('{"scenario": "x",\n "steps": [}', ":2:"), (changed(RENAMED, surprise=1), "surprise"),
                           (with_steps(RENAMED, {"expect": "GET a", "its": 1}), ":10: step 9 (expect)"),
                           (with_steps(RENAMED, {"at": "4s", "cut": "us eu |"}), "step 9 (cut)"),
                           (changed(RENAMED, datacenters={}), "datacenters"), (changed(RENAMED, handlers={"none": "none.so"}), "none.so")]:
        path = write(content)
        code, out, err = truce(path)
        expect(code, 2, out + err)
        expect(out, "")
        check(err.startswith("truce: ") and words in err and err.count("\n") == 1, err)
        code, out, err = truce(path, "--json")
        expect((code, err), (2, ""))
        check(words in json.loads(out)["error"], out)
    code, _, err = truce("/nowhere/cut.json")
    check(code == 2 and "/nowhere/cut.json" in err, err)


@test("A command line that makes no sense is refused, and the exit code is 2")
def bad_usage():
    path = write(RENAMED)
    for args, words in [([], "FILE"), ([path, path], "FILE"), ([path, "--seed", "x"], "--seed"), ([path, "--seeds", "5"], "1..1000"),
                        ([path, "--seeds", "5..3"], "1..1000"), ([path, "--jobs", "0"], "--jobs"), ([path, "--seeds", "1..2", "--trace"], "--trace"),
                        ([path, "--seeds", "1..2", "--seed", "3"], "--seed"), ([path, "--step", "--json"], "--step"),
                        ([path, "--policy", "users"], "users"), ([path, "--policy", "users=no-such"], "handler:NAME"),
                        ([path, "--sideways"], "--sideways"),
                        ([path, "--handler", "/nowhere/x.so"], "/nowhere/x.so")]:
        code, out, err = truce(*args)
        expect(code, 2, f"{args}: {out}{err}")
        check(words in err + out, f"{args}: {err}{out}")


@test("Nodes that cannot agree end a replay with code 3")
def not_converged():
    path = write(changed(RENAMED, steps=RENAMED["steps"][:4] + [{"at": "3s", "settle": "2s"}]))
    out = replay(path, code=3)
    check("step 5 (settle): not settled within 2s" in out and "the nodes did not converge" in out, out)


@test("A broken invariant ends a replay with code 4")
def invariant():
    path = write(RENAMED)
    out = replay(path, code=4, plant="DROP_LOSER")
    check("an invariant is broken" in out and " I" in out, out)


@test("A reader who leaves early is no failure of the cluster's")
def closed_pipe():
    path = write(RENAMED)
    done = subprocess.run(f"'{TRUCE}' replay '{path}' --trace | head -n 3", shell=True, capture_output=True, text=True, timeout=60, check=False)
    expect((len(done.stdout.splitlines()), done.stderr), (3, ""))


# ---- the same again ----
@test("Traces of one file and seed are the same, byte for byte")
def identical():
    path = write(BUSY, "busy.json")
    for options in (["--trace"], ["--json"], ["--hash"], ["--trace", "--seed", "7"], ["--json", "--seed", "7"], ["--seeds", "1..6"],
                    ["--seeds", "1..6", "--hash"], ["--seeds", "1..6", "--json"]):
        expect(replay(path, *options), replay(path, *options), " ".join(options))
    check(replay(path, "--hash", "--seed", "7") != replay(path, "--hash", "--seed", "8"), "two seeds have one trace")
    expect(replay(path, "--hash", "--seed", "1"), replay(path, "--hash"), "a file without a seed is played with seed 1")


@test("How many processes there are does not change what they find")
def jobs():
    path = write(BUSY, "busy.json")
    expect(replay(path, "--seeds", "1..12", "--hash", "--jobs", "1"), replay(path, "--seeds", "1..12", "--hash", "--jobs", "3"))
    lines = replay(path, "--seeds", "3..5", "--hash").splitlines()
    expect([line.split()[0] for line in lines[:-1]], ["3", "4", "5"])
    expect(lines[1].split()[1], replay(path, "--seed", "4", "--hash").strip())


@test("The trace has a column for each datacenter, and no line is too wide or coloured")
def trace():
    lines = replay(write(RENAMED), "--trace").splitlines()
    head = next(line for line in lines if line.strip().startswith("seconds"))
    columns = [head.index(" eu") + 1, head.index(" us") + 1]
    check(any(line[columns[0]:].startswith("eu-1 makes ") for line in lines), "eu-1 makes nothing in its column")
    check(any(line[columns[1]:].startswith("us-1 makes ") for line in lines), "us-1 makes nothing in its column")
    check(any(line.startswith("    1.000000 == step 2: cut us | eu") for line in lines), "the cut is not shown")
    check(max(len(line) for line in lines[3:-1]) <= 120, "a line is too wide")
    check("\033" not in "".join(lines), "colours, though this is no terminal")


@test("As JSON each moment is a line, and the last line is the outcome")
def as_json():
    lines = [json.loads(line) for line in replay(write(RENAMED), "--json").splitlines()]
    times = [m["at_us"] for m in lines[:-1]]
    expect(times, sorted(times))
    check({"step", "reply", "link", "makes", "applies", "conflict", "holds"} <= {m["kind"] for m in lines[:-1]}, "a kind is missing")
    last = lines[-1]
    expect((last["outcome"], last["exit"], last["seed"], last["conflicts_open"]), ("passed", 0, "42", 1))
    expect([(r["key"], r["shown"], r["versions"], r["open"]) for r in last["rows"]], [("users:1", "Alice Smith", 2, True)])
    expect(last["trace_hash"], replay(write(RENAMED), "--hash").strip())
    failed = replay(write(with_steps(RENAMED, {"expect": "GET users:1", "is": "Alice"})), "--json", code=1)
    last = json.loads(failed.splitlines()[-1])
    expect((last["exit"], last["failed_step"]), (1, 9))
    check("step 9 (expect)" in last["failure"], last["failure"])


# ---- many seeds, and what is left of a failure ----
@test("Many seeds pass, and the summary says how many")
def seeds_pass():
    out = replay(write(BUSY, "busy.json"), "--seeds", "1..20")
    check(out.startswith("20 seeds (1..20), ") and out.endswith(": 0 failed\n"), out)


@test("Of the seeds that break an invariant the first is shrunk to a few steps, which break it again, and only with the bug")
def seeds_shrink():
    path = write(BUSY, "busy.json")
    kept = os.path.join(os.path.dirname(path), "kept", "today")
    out = replay(path, "--seeds", "1..6", "--keep", kept, code=4, plant="DROP_LOSER")
    first = next(line for line in out.splitlines() if line.startswith("  seed ")).split()[1].rstrip(":")
    small = os.path.join(kept, f"busy.seed-{first}.json")
    check(f"written to {small}" in out, out)
    with open(small, encoding="utf-8") as f:
        content = json.load(f)
    check(len(content["steps"]) <= 5, f"{len(content['steps'])} steps are left")
    check(len(content["datacenters"]) <= 2, "datacenters are left that nothing needs")
    check(f"From busy.json, seed {first}: " in content["about"], content["about"])
    before = next(line for line in out.splitlines() if line.startswith(f"  seed {first}: "))
    name = before.split("): ")[-1].split(":")[0]
    check(name in replay(small, code=4, plant="DROP_LOSER"), f"it breaks another invariant than {name}")
    replay(small)


@test("A failing file is shrunk where a place to keep it is named, and nothing is written where that is not wanted")
def keep():
    steps = [{"at": f"{i}s", "dc": "us" if i % 2 else "eu", "do": f"SET k{i} v"} for i in range(1, 40)]
    path = write(changed(RENAMED, steps=steps + [{"settle": "10s"}, {"expect": "GET k17", "is": "other"}]))
    folder = os.path.dirname(path)
    replay(path, "--keep", folder, "--no-shrink", code=1)
    replay(path, "--seeds", "1..2", "--no-shrink", code=1)
    expect(glob.glob(os.path.join(folder, "*.seed-*")), [])
    out = replay(path, "--keep", folder, code=1)
    with open(os.path.join(folder, "cut.seed-42.json"), encoding="utf-8") as f:
        content = json.load(f)
    check(len(content["steps"]) <= 3, out)
    check(any(s.get("do") == "SET k17 v" for s in content["steps"]), "it fails for another reason now")
    check('GET k17 is "v"' in replay(os.path.join(folder, "cut.seed-42.json"), code=1), "another failure")
    replay(path, "--seeds", "1..2", code=1)
    check(os.path.exists(os.path.join(folder, "cut.seed-1.json")), "of many seeds the first goes beside the file")


# ---- step by step ----
@test("Step by step one can look around, and go on")
def step():
    path = write(RENAMED)
    out = replay(path, "--step", stdin="\nus-1> GET users:1\nus GET users:1\nuntil 2500ms\nrows\nstatus\nconflicts\nhelp\nnonsense\nrun 2\n")
    check("-- next, at 0s: step 1 of 8: " in out and '-- next, at 1s: step 2 of 8: {"at":"1s","cut":"us | eu"}\n' in out, out)
    expect(out.count('"Alice"\n'), 2, out)
    check("-- next, at 3s: step 5 of 8" in out and "step 4 of 8" not in out and "step 7 of 8" in out and "step 8 of 8" not in out, out)
    check("Alice Smith" in out and "Alice Miller-Jones" in out, out)
    check("us-1" in out and "leader" in out and "quit" in out and '"nonsense"' in out, out)
    check(out.splitlines()[-1].startswith("passed after "), out)


@test("Step by step one can leave")
def step_quit():
    out = replay(write(RENAMED), "--step", stdin="\n\nquit\n")
    check("step 2: cut" in out and "step 3: do" not in out, out)


# ---- what if ----
@test("Under another policy other values are read, and other conflicts stay open, row by row")
def what_if():
    path = write(with_steps(RENAMED, {"at": "20s", "dc": "us", "do": "SET plain 1"}))
    out = replay(path, "--policy", "users=lww")
    check("AS WRITTEN: users=record" in out and "WHAT IF: users=lww" in out, out)
    rows = [line for line in out.splitlines() if line.startswith("users:1")]
    check(len(rows) == 1 and "Alice Smith" in rows[0] and "Alice Miller-Jones" in rows[0], out)
    check("1 row differs, 1 alike; conflicts open: 1 as written, 1 under the other policy" in out, out)
    check(f"what if: {path}:8: step 7 (expect): GET users:1" in out, "the expectation that fails under lww is not named: " + out)
    j = json.loads(replay(path, "--policy", "users=lww", "--json"))
    expect([(r["key"], r["written"]["value"], r["other"]["value"], r["written"]["open"], r["other"]["open"]) for r in j["rows"]],
           [("users:1", "Alice Smith", "Alice Miller-Jones", True, True)])
    expect((j["alike"], sorted(j["other"]["failed_expectations"]), j["written"]["exit"]), (1, ["7"], 0))
    both = replay(path, "--policy", "users=lww", "--policy", "*=record")
    check("WHAT IF: users=lww *=record" in both, both)


# ---- pages, and real processes ----
@test("The report is a page, whatever the outcome is")
def report():
    path = write(RENAMED)
    page = os.path.join(os.path.dirname(path), "out.html")
    check(f"The report is in {page}." in replay(path, "--report", page), "its place is not told")
    with open(page, encoding="utf-8") as f:
        text = f.read()
    check(text.lower().startswith("<!doctype html>") and RENAMED["scenario"] in text, text[:200])
    os.unlink(page)
    replay(write(with_steps(RENAMED, {"expect": "GET users:1", "is": "Alice"})), "--report", page, "--json", code=1)
    check(os.path.exists(page), "there is no page about what failed")
    code, _, err = truce(path, "--report", "/nowhere/out.html")
    check(code == 2 and "/nowhere/out.html" in err, err)


@test("On real processes the outcome is the same, and it is said that it is")
def live():
    path = write(RENAMED)
    port = str(PORT_BASE + 900)
    out = replay(path, "--live", "--port-base", port)
    check("on real processes" in out and out.endswith("The simulated outcome is the same.\n"), out)
    last = json.loads(replay(path, "--live", "--port-base", port, "--json").splitlines()[-1])
    expect((last["stage"], last["exit"], last["simulated"]["exit"], last["differences"]), ("live", 0, 0, []))
    replay(write(with_steps(RENAMED, {"expect": "GET users:1", "is": "Alice"})), "--live", "--port-base", port, code=1)


# ---- handlers from files ----
def handled(name):
    return changed(RENAMED, tables={"users": {"conflict": f"handler:{name}"}}, handlers={name: f"{name}.so"}, steps=RENAMED["steps"][:6] + [
        {"expect": "GET users:1", "is": "Alice Miller-Jones"}, {"expect": "conflicts users", "is": 0}])


@test("A handler from a file decides as it does in a node")
def handler():
    path = write(RENAMED)
    library = os.path.join(HANDLERS, "longest_text.so")
    out = replay(path, "--policy", "users=handler:longest_text", "--handler", library)
    row = next(line for line in out.splitlines() if line.startswith("users:1"))
    check("Alice Smith" in row and "Alice Miller-Jones" in row, out)
    check("conflicts open: 1 as written, 0 under the other policy" in out, out)
    beside = write(handled("longest_text"))
    shutil.copy(library, os.path.dirname(beside))
    replay(beside)
    expect(replay(beside, "--json"), replay(beside, "--json"))
    check(": 0 failed" in replay(beside, "--seeds", "1..4"), "seeds fail")
    replay(write(handled("longest_text")))  # an example is found wherever the scenario is


@test("A handler that the admission check refuses is played with --force alone, and costs nothing but its own rows")
def bad_handler():
    for name, ends in (("bad_crash", 0), ("bad_clock", 0)):
        path = write(changed(handled(name), steps=RENAMED["steps"][:6] + [{"expect": "converged"}]))
        shutil.copy(os.path.join(BAD_HANDLERS, name + ".so"), os.path.dirname(path))
        code, out, err = truce(path)
        expect((code, out), (2, ""), err)
        check("the admission check refuses handler " + name in err, err)
        replay(path, "--force", code=ends)


try:
    run_tests()
finally:
    for each in folders:
        shutil.rmtree(each, ignore_errors=True)
