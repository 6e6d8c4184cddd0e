"""The schema of scenario files says what their reader says: of good files, of wrong ones, and of good ones with one value changed.

Arguments: the program format-check."""
import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema

SOURCE = Path(os.environ["SOURCE_DIR"])
GOOD = sorted((SOURCE / "tests/scenario/good").glob("*.json")) + sorted((SOURCE / "deploy/scenarios").glob("*.json"))
BAD = sorted((SOURCE / "tests/scenario/bad").glob("*.json"))

# Wrong as JSON, or read by Python's json without complaint: the schema never sees what is wrong.
NOT_JSON = re.compile(r"^syntax-|^duplicate-")

# What the reader alone can refuse: values that are sound by themselves, and wrong beside others, or by their size.
READER_ONLY = [
    r"which is neither|which is no datacenter|there is no datacenter or node",  # names of nodes
    r'expected sides such as .*, got ".*": |"\*", a datacenter, or sides such as',
    r"expected the name of a (node|datacenter)",
    r"expected the name of a node of that datacenter",
    r"leader, follower, returning, down or paused",
    r'expected "(leader|role) ',
    r"expected one of the datacenters",
    r"at most 255 bytes, got the key",
    r"expected (names|labels|the name of an earlier|a label of its own|a name of its own)",
    r"expected \$ before a name",
    r"expected a node that `any` can stand for",
    r"a range of .* the smaller first",
    r"ranges such as \{1\.\.5\}",
    r"expected a command of at most 256 words",
    r"expected a command, or one of converged",
    r"at most 4 comparisons",
    r"expected a time from |expected a time such as \"300ms\"",
    r"a time such as \"\+1h\" or",
    r"a drift such as",
    r"at most 128 nodes in all",
    r"settings of at most 64 KiB",
    r"handlers of \"handlers\", or simulated ones",
    r"expected (a node|two nodes|a datacenter of three nodes or more), got fewer",
    r"expected a chain that names each handler once",
    r'got "\d*\.\d+us"$',  # less than a microsecond
    r"expected a rate such as",  # less than a byte
    r"true, false, or a list of numbers of its nodes",
    r"at most 20000 faults",
    r"expected \d+ to \d+ for (bank|ring)",
    r"expected \d+ to \d+, got -?\d+$",  # drawn beyond the bounds
    r"expected a whole number from -?\d+ to -?\d+, got -?\d+$",
    r"expected a whole number from 0; one beyond",
    r"expected a time such as \"100ms\", or a range",
    r"got -?\d+\.\d+(e\+?\d+)?$",  # 1.0 is an integer for JSON schema
]
PALETTE = [None, True, -1, 0, 3, 1.5, 2.0, "", "x", "-1", "1s", "0s", "1..5", "1s..5s", "2y", "us", "any", "any us", "us > eu", "a b", "*", "1%",
           "$x",
           [], ["us"], [1], {}, {"x": 1}]


def load_schema():
    """The table schema put in where it is referred to."""
    table = json.loads((SOURCE / "schemas/table.schema.json").read_text())

    def inline(value):
        if isinstance(value, dict):
            if value.get("$ref") == "table.schema.json":
                return table
            return {k: inline(v) for k, v in value.items()}
        return [inline(v) for v in value] if isinstance(value, list) else value

    schema = inline(json.loads((SOURCE / "schemas/scenario.schema.json").read_text()))
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


def ask_reader(program, files):
    text = "".join(json.dumps(f) + "\n" for f in files)
    run = subprocess.run([program], input=text, capture_output=True, text=True, check=True)
    answers = run.stdout.splitlines()
    assert len(answers) == len(files), f"{len(files)} files, {len(answers)} answers"
    return answers


def places(value, path=()):
    yield path
    if isinstance(value, (dict, list)):
        for k, v in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(v, path + (k,))


def changed(file, path, change):
    new = copy.deepcopy(file)
    at = new
    for k in path[:-1]:
        at = at[k]
    change(at, path[-1])
    return new


def variants(file):
    """One value replaced, or taken away; one key too many."""
    def put(value):
        return lambda at, key: at.__setitem__(key, value)

    for path in places(file):
        if not path:
            continue
        for value in PALETTE:
            yield path, value, changed(file, path, put(value))
        yield path, "taken away", changed(file, path, lambda at, key: at.__delitem__(key))
        at = file
        for k in path:
            at = at[k]
        if isinstance(at, dict):
            yield path, "a key more", changed(file, path + ("zzz",), put(1))


class Checker:
    def __init__(self, program):
        self.program = program
        self.schema = load_schema()
        self.validator = jsonschema.Draft202012Validator(self.schema)
        self.steps_count = 0
        self.verbs = {}  # a step has one verb, whose schema says it all
        for v in self.schema["properties"]["steps"]["items"]["anyOf"]:
            name = v["$ref"].rsplit("/", 1)[1]
            self.verbs[name] = jsonschema.Draft202012Validator({"$defs": self.schema["$defs"], **self.schema["$defs"][name]})
        self.reader_only = re.compile("|".join(READER_ONLY))
        self.passed, self.failures = 0, []

    def check(self, ok, what):
        if ok:
            self.passed += 1
        else:
            self.failures.append(what)

    def keys(self):
        listed = subprocess.run([self.program, "--keys"], capture_output=True, text=True, check=True).stdout.split("\n")
        reader = {tuple(line.split()) for line in listed if line and not line.endswith(" place")}
        verbs = [v["$ref"].rsplit("/", 1)[1] for v in self.schema["properties"]["steps"]["items"]["anyOf"]]
        schema = {(verb, key) for verb in verbs for key in self.schema["$defs"][verb]["properties"]}
        options = {("workload", "distribution"), ("workload", "prefix"), ("workload", "loses")}  # those that nothing is drawn for
        self.check(reader == schema - options, f"keys of one side alone: {sorted(reader ^ (schema - options))}")
        undescribed = [f"{verb}.{key}" for verb in verbs for key, value in self.schema["$defs"][verb]["properties"].items()
                       if "description" not in value and not any(k in value for k in ("$ref", "enum", "anyOf", "type"))]
        self.check(not undescribed, f"nothing is said of {undescribed}")

    def good(self):
        self.check(len(GOOD) >= 3, "fewer than three good files were found")
        for path in GOOD:
            errors = [e.message[:200] for e in self.validator.iter_errors(json.loads(path.read_text()))]
            self.check(not errors, f"{path.name}: {errors}")

    def bad(self):
        self.check(len(BAD) >= 80, f"{len(BAD)} wrong files were found, fewer than 80")
        for path in BAD:
            if NOT_JSON.match(path.name):
                continue
            said = path.with_suffix(".txt").read_text().strip()
            fits = self.validator.is_valid(json.loads(path.read_text()))
            self.check(not fits or self.reader_only.search(said), f"{path.name}: the schema takes it, and not because of names or sizes: {said}")

    def both(self):
        """Every file that the reader takes fits; what it refuses does not fit, or is wrong for a reason that no schema can express."""
        for name in ("every-key.json", "left-open.json"):
            file = json.loads((SOURCE / "tests/scenario/good" / name).read_text())
            all_of_it = list(variants(file))
            answers = ask_reader(self.program, [v for _, _, v in all_of_it])
            for (path, value, variant), answer in zip(all_of_it, answers):
                self.steps_count = len(file["steps"])
                fits = self.fits(path, variant)
                where = f"{name}: {'.'.join(map(str, path))} = {value!r}"
                if answer == "ok":
                    self.check(fits, f"{where}: the reader takes it, the schema does not")
                else:
                    self.check(not fits or self.reader_only.search(answer), f"{where}: the schema takes it, the reader says {answer}")

    def fits(self, path, variant):
        if path[0] != "steps" or len(path) == 1:
            return self.validator.is_valid({**variant, "steps": variant["steps"][:1]} if isinstance(variant.get("steps"), list) else variant)
        if len(path) == 2 and len(variant["steps"]) < self.steps_count:
            return True  # taken away
        step = variant["steps"][path[1]]
        verbs = [v for v in self.verbs if isinstance(step, dict) and v in step]
        return len(verbs) == 1 and self.verbs[verbs[0]].is_valid(step)


def main():
    c = Checker(sys.argv[1])
    c.keys()
    c.good()
    c.bad()
    c.both()
    for f in c.failures[:60]:
        print("FAILED", f)
    print(f"{c.passed} passed, {len(c.failures)} failed")
    return 1 if c.failures else 0


if __name__ == "__main__":
    sys.exit(main())
