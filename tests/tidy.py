#!/usr/bin/python3
"""The layers, the form of the code, and what must not be in it.
Usage: tests/tidy.py [BUILD_DIR]; with a build, the libraries' symbols are looked at too."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINE_LENGTH_MAX = 150
FILE_LINES_MAX = 750
FAULTS_SHOWN = 30

# Which rooms a room may include (DESIGN: dependencies point one way); the innermost room of a path counts.
MAY_INCLUDE = {
    "schemas": [],
    "conflict": ["schemas"],
    "topology": ["schemas"],
    "dc-node/core": ["conflict", "topology", "schemas"],
    "dc-node/io": ["dc-node/core", "conflict", "topology", "schemas"],
    "dc-node/sim": ["dc-node/core", "conflict", "topology", "schemas"],
    "dc-node/checks": ["dc-node/sim", "dc-node/core", "conflict", "topology", "schemas"],
    "dc-node/scenario": ["dc-node/checks", "dc-node/sim", "dc-node/core", "conflict", "topology", "schemas"],
    "deploy": ["dc-node/scenario", "dc-node/sim", "conflict", "topology", "schemas"],
}
# Of rooms that are not known otherwise: what has no part in the rest of its room.
DOORS = {"deploy": ["dc-node/io/handler_process.h"]}
# Libraries that belong to some rooms alone.
LIBRARY_ROOMS = {
    "nng/": ["dc-node/io", "tests"],
    "rocksdb/": ["dc-node/io", "tests"],
    "hiredis/": ["deploy", "dc-node/scenario", "tests"],
    "criterion/": ["tests"],
}
PURE = ["schemas", "conflict", "topology", "dc-node/core"]
PURE_HEADERS_BANNED = ["time.h", "sys/time.h", "sys/socket.h", "sys/random.h", "unistd.h", "fcntl.h", "pthread.h", "threads.h",
                       "netdb.h", "poll.h", "signal.h"]
PURE_SYMBOLS_BANNED = re.compile(
    r"^(nng_|rocksdb_|pthread_create|socket$|connect$|accept4?$|open$|openat$|creat$|read$|write$|pread|pwrite|fsync|fdatasync|"
    r"clock_gettime|gettimeofday|time$|localtime|rand$|random$|srand|drand48|getrandom|getentropy|nanosleep|usleep|sleep$)")
# Of the pure rooms, what runs in the outer world: handlers from files, and the processes of their admission check.
OUTER = re.compile(r"^conflict/(handler_load|admission|check_\w+)\.[ch]$")
GENERATED = ["version.h", "handler_texts.h", "report_texts.h"]  # by the build
FILE_READERS = {"schemas": ["file.c"]}  # reads the files of clusters and of scenarios
BANNED_CALLS = re.compile(r"\b(sprintf|vsprintf|strcpy|strcat|stpcpy|gets|strtok|alloca|tmpnam|mktemp)\s*\(")
BANNED_WORDS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|not (yet )?implemented|\b(placeholder|lorem ipsum)\b", re.IGNORECASE)
MACHINE_PATHS = re.compile(r"(?<![\w.])/(work|root|home/\w+)/|/tmp/b-")

passed, failed = 0, 0


def report(title, faults):
    global passed, failed
    if faults:
        failed += 1
        print(f"FAIL {title}")
        for fault in faults[:FAULTS_SHOWN]:
            print(f"     {fault}")
        if len(faults) > FAULTS_SHOWN:
            print(f"     and {len(faults) - FAULTS_SHOWN} more")
    else:
        passed += 1
        print(f"ok   {title}")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def tracked():
    """Files of the project: those git knows, else all but builds."""
    listing = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=False)
    if listing.returncode == 0 and listing.stdout:
        return [p for p in listing.stdout.splitlines() if os.path.exists(os.path.join(ROOT, p))]
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [f for f in folders if not f.startswith((".git", "build"))]
        found += [os.path.relpath(os.path.join(folder, f), ROOT) for f in files]
    return found


def room_of(path):
    for room in sorted(MAY_INCLUDE, key=len, reverse=True):
        if path.startswith(room + "/"):
            return room
    return "tests" if path.startswith("tests/") else None


def check_includes(sources):
    rooms, libraries, headers = [], [], []
    for path in sources:
        room = room_of(path)
        for number, line in enumerate(read(path).splitlines(), 1):
            own = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if own:
                target = os.path.normpath(os.path.join(os.path.dirname(path), own.group(1)))
                there = room_of(target)
                if not os.path.exists(os.path.join(ROOT, target)) and os.path.basename(target) not in GENERATED:
                    rooms.append(f"{path}:{number}: {own.group(1)} is not beside it: own headers are included by their relative path")
                elif room in MAY_INCLUDE and there != room and there not in MAY_INCLUDE[room] and target not in DOORS.get(room, []):
                    rooms.append(f"{path}:{number}: {room} must not know {there or target}")
            library = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
            if library:
                for prefix, allowed in LIBRARY_ROOMS.items():
                    if library.group(1).startswith(prefix) and room not in allowed:
                        libraries.append(f"{path}:{number}: <{library.group(1)}> belongs to {', '.join(allowed)}")
                if room in PURE and library.group(1) in PURE_HEADERS_BANNED and not OUTER.match(path):
                    headers.append(f"{path}:{number}: <{library.group(1)}>: the engine and what it knows have no clock, files, sockets or threads")
    report("rooms include only the rooms below them", rooms)
    report("libraries are known only where they belong", libraries)
    report("the engine and its vocabulary include nothing of the outer world", headers)


def check_symbols(build):
    for room, library in [("schemas", "schemas/libschemas.a"), ("conflict", "conflict/libconflict.a"), ("topology", "topology/libtopology.a"),
                          ("dc-node/core", "dc-node/core/libcore.a"), ("dc-node/sim", "dc-node/sim/libsim.a")]:
        path = os.path.join(build, library)
        if not os.path.exists(path):
            report(f"the linker's view of {room}", [f"{path} is missing"])
            continue
        symbols = subprocess.run(["nm", "-A", "--undefined-only", path], capture_output=True, text=True, check=True).stdout
        faults, count = [], 0
        for line in symbols.splitlines():
            place, name = line.split(":")[-2], line.split()[-1]
            count += 1
            member = os.path.basename(place).replace(".o", "")
            if PURE_SYMBOLS_BANNED.match(name.split("@")[0]) and not any(m in place for m in FILE_READERS.get(room, [])):
                faults.append(f"{member} needs {name}")
        if count == 0:
            faults.append("no symbols were read")
        report(f"{room} links no network, store, clock, file or thread", faults)


def check_lines(sources, scripts):
    length, calls, words, paths, form = [], [], [], [], []
    for path in sources + scripts:
        text = read(path)
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > LINE_LENGTH_MAX and not path.endswith(".json") and not line.startswith("|"):
                length.append(f"{path}:{number}: {len(line)} columns")
            if path in sources and BANNED_CALLS.search(line):
                calls.append(f"{path}:{number}: {line.strip()}")
            if BANNED_WORDS.search(line) and path != "tests/tidy.py":
                words.append(f"{path}:{number}: {line.strip()}")
            if MACHINE_PATHS.search(line) and path != "tests/tidy.py":
                paths.append(f"{path}:{number}: {line.strip()}")
            if line != line.rstrip() or "\t" in line:
                form.append(f"{path}:{number}: a tab, or spaces at the end")
        if text and not text.endswith("\n"):
            form.append(f"{path}: no newline at the end")
    report(f"no line is longer than {LINE_LENGTH_MAX} columns", length)
    report("no banned calls", calls)
    report("nothing is left for later", words)
    report("no paths of one machine", paths)
    report("no tabs, no spaces at the end of lines", form)
    report(f"no source file is longer than {FILE_LINES_MAX} lines",
           [f"{p}: {len(read(p).splitlines())} lines" for p in sources if len(read(p).splitlines()) > FILE_LINES_MAX])


def check_headers(sources):
    faults = []
    for path in sources:
        if not path.endswith(".h"):
            continue
        text = read(path)
        if not re.match(r"/\* \S.{15,}", text):
            faults.append(f"{path}: does not open with a comment that says what it is for")
        if "#pragma once" not in text and path != "conflict/truce_handler.h":
            faults.append(f"{path}: no #pragma once")
    report("every header opens with its purpose", faults)


def check_format(sources):
    run = subprocess.run(["clang-format", "--dry-run", "-Werror", *sources], cwd=ROOT, capture_output=True, text=True, check=False)
    report("clang-format has nothing to change", sorted({line for line in run.stderr.splitlines() if "error:" in line}))


def check_top_level(files):
    allowed = {"conflict", "dc-node", "deploy", "schemas", "tests", "topology", "meson.build", "meson_options.txt", "README.md", "LICENSE",
               ".ci", ".clang-format", ".editorconfig",
               ".gitignore"}
    report("the top level is the rooms", sorted({p.split("/")[0] for p in files} - allowed))


def main():
    files = tracked()
    sources = [p for p in files if p.endswith((".c", ".h"))]
    scripts = [p for p in files if p not in sources and (p.endswith((".py", ".build", ".json", ".md"))
                                                       or p in ("deploy/quickstart", "deploy/install-packages", "tests/run"))]
    check_top_level(files)
    check_includes(sources)
    check_lines(sources, scripts)
    check_headers(sources)
    check_format(sources)
    if len(sys.argv) > 1:
        check_symbols(sys.argv[1])
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
