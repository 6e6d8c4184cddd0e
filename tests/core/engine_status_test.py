"""Every status that the program given prints fits schemas/status.schema.json, and together they use every state but one."""
import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema

SCHEMA = json.loads((Path(os.environ["SOURCE_DIR"]) / "schemas/status.schema.json").read_text())


def main():
    validator = jsonschema.Draft202012Validator(SCHEMA) if hasattr(jsonschema, "Draft202012Validator") else jsonschema.Draft7Validator(SCHEMA)
    lines = subprocess.run([sys.argv[1]], stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
    failed, states = 0, set()
    for line in lines:
        status = json.loads(line)
        errors = [f"{'.'.join(map(str, e.absolute_path))}: {e.message}" for e in validator.iter_errors(status)]
        unknown = set(status) - set(SCHEMA["properties"])
        errors += [f"{name}: not in the schema" for name in unknown]
        failed += bool(errors)
        for error in errors:
            print(f"{status['node']}: {error}")
        states |= {peer["state"] for peer in status["peers"]}
    missing = {"up", "cut", "connecting"} - states
    if missing:
        failed += 1
        print(f"no status says: {', '.join(sorted(missing))}")
    print(f"{len(lines) + 1 - failed} passed, {failed} failed")
    return 1 if failed or len(lines) < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
