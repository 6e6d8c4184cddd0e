"""The JSON schemas say what the loader says: every example fits, every wrong cluster file does not.

What a JSON schema cannot express, or its reader has already lost, is listed below with the reason; such a file has to be one that fits."""
import json
import os
import sys
from pathlib import Path

import jsonschema

SOURCE = Path(os.environ["SOURCE_DIR"])
BAD = SOURCE / "tests/schemas/bad-cluster"

# Wrong as JSON, or read by Python's json without complaint: the schema never sees what is wrong.
NOT_SEEN = {
    "syntax-comma", "syntax-cut", "syntax-empty", "syntax-trailing", "syntax-utf8", "syntax-comment", "syntax-nul", "syntax-single-quotes",
    "syntax-huge-integer", "duplicate-key", "duplicate-node", "duplicate-datacenter",
}
# Values that are sound by themselves and wrong beside others, or forms that JSON schema counts as equal.
LOADER_ONLY = {
    "endpoint-twice",            # two endpoints against each other
    "endpoint-twice-across",
    "endpoint-twice-by-case",
    "memory-real",               # 256.0 is an integer for JSON schema
    "password-bytes",            # a schema counts characters, the limit is in bytes
    "handlers-dir-bytes",
    "table-settings-large",      # a limit for the object's text
    "ack-dcs",                   # a number of datacenters against how many there are
    "topology-hub-unknown",      # a name that another part of the file has to have
    "home-dc-unknown",
    "home-leaderless",           # what another part of the file says of it
    "home-twice",                # a table, and the beginning of its keys
    "table-chain-twice",         # names within a text against each other
}


# Taken by the loader too (cluster_test.c).
GOOD_POLICIES = ["lww", "priority", "merge", "record", "handler:a", "handler:a,b-2,c_", "handler:a,lww", "handler:a,record", "handler:lww",
                 "handler:merger,lwwx,a", "handler:a,b,c,d,e,f,g,lww"]


def load_schema():
    """The table schema put in where it is referred to."""
    table = json.loads((SOURCE / "schemas/table.schema.json").read_text())

    def inline(value):
        if isinstance(value, dict):
            if value.get("$ref") == "table.schema.json":
                return table
            return {k: inline(v) for k, v in value.items()}
        return [inline(v) for v in value] if isinstance(value, list) else value

    schema = inline(json.loads((SOURCE / "schemas/cluster.schema.json").read_text()))
    for s in (schema, table):
        jsonschema.Draft202012Validator.check_schema(s)
    return jsonschema.Draft202012Validator(schema)


def main():
    validator = load_schema()
    passed, failures = 0, []

    def check(ok, what):
        nonlocal passed
        if ok:
            passed += 1
        else:
            failures.append(what)

    examples = sorted((SOURCE / "deploy/examples").glob("*.cluster.json"))
    check(len(examples) >= 3, "fewer than three examples were found")
    for path in examples:
        errors = [e.message for e in validator.iter_errors(json.loads(path.read_text()))]
        check(not errors, f"{path.name}: {errors}")

    node = {"client": "127.0.0.1:1", "peer": "127.0.0.1:2"}
    for policy in GOOD_POLICIES:
        file = {"cluster": "c", "datacenters": {"us": {"nodes": {"1": node}}}, "tables": {"*": {"conflict": policy}}}
        check(validator.is_valid(file), f"the schema refuses the policy {policy}")

    bad = sorted(BAD.glob("*.json"))
    names = {p.stem for p in bad}
    check(len(bad) >= 40, "fewer than forty wrong files were found")
    for name in (NOT_SEEN | LOADER_ONLY) - names:
        check(False, f"{name} is listed, and there is no such file")
    for path in bad:
        if path.stem in NOT_SEEN:
            continue
        fits = validator.is_valid(json.loads(path.read_text()))
        if path.stem in LOADER_ONLY:
            check(fits, f"{path.name}: the schema refuses it too; take it off the list")
        else:
            check(not fits, f"{path.name}: the schema takes it")

    for f in failures:
        print("FAILED", f)
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
