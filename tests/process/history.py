#!/usr/bin/python3
"""An external checker of histories: clients that know a cluster by the Redis protocol alone, and whether any order explains what they were told.

Rows are registers (SET, SET GET, SETNX, DEL, GET), counters (INCRBY, GET) and sets (SADD and SREM of members never used twice, SMEMBERS). Each
operation is kept with when it was called and answered, and how: "ok", "failed" (refused: it must not have happened) or "unknown" (it may have, or
may yet). What must hold: at every level, nothing that was answered "ok" is lost and nothing that failed is there; with `majority` writes and
linearizable reads, each row is linearizable.

Usage: history.py run [--seconds S] [--clients N] [--setup "COMMAND"]... [--out FILE] HOST:PORT...
       history.py check [--linear] FILE"""
import argparse
import json
import random
import socket
import sys
import threading
import time
from collections import defaultdict

OK, FAILED, UNKNOWN = "ok", "failed", "unknown"
UNSURE = ("INDETERMINATE", "ERR the command was carried out")
TRIED_MAX = 300000


# ---- the protocol ----
class Refused(Exception):
    """An error in words."""


class Lost(Exception):
    """No answer came."""


class Connection:
    """One connection, which says each command once."""

    def __init__(self, address, timeout_s):
        try:
            self.socket = socket.create_connection(address, timeout=timeout_s)
        except OSError as error:
            raise Refused(str(error)) from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    def _line(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise Lost("the connection ended")
        return line[:-2]

    def _reply(self):
        line = self._line()
        kind, text = line[:1], line[1:].decode()
        if kind == b"-":
            raise Refused(text)
        if kind == b"+":
            return text
        if kind == b":":
            return int(text)
        if kind == b"$":
            if text == "-1":
                return None
            data = self.file.read(int(text) + 2)
            if len(data) != int(text) + 2:
                raise Lost("the connection ended")
            return data[:-2].decode()
        if kind == b"*":
            return None if text == "-1" else [self._reply() for _ in range(int(text))]
        raise Lost(f"no reply: {line!r}")

    def say(self, *words):
        data = b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in (str(word).encode() for word in words))
        try:
            self.socket.sendall(b"*%d\r\n" % len(words) + data)
            return self._reply()
        except OSError as error:
            raise Lost(str(error)) from error


# ---- what is kept ----
class Operation:
    """What one client asked of one row, and what it was told."""
    __slots__ = ("client", "where", "kind", "row", "value", "called", "answered", "outcome", "answer")

    def __init__(self, **fields):
        for name in self.__slots__:
            setattr(self, name, fields.get(name))

    def text(self):
        return (f"{self.kind} {self.row} {'' if self.value is None else self.value} of client {self.client} at {self.where}, from {self.called:.6f} "
                f"to {'-' if self.answered is None else format(self.answered, '.6f')} s: {self.outcome} {self.answer!r}")


class History:
    """All operations of all clients; `rests`: what each node shows of each row when all is at rest."""

    def __init__(self):
        self.operations, self.rests = [], []

    def add(self, **fields):
        self.operations.append(Operation(**fields))
        return self.operations[-1]

    def rows(self):
        rows = defaultdict(list)
        for o in self.operations:
            rows[o.row].append(o)
        return rows

    def save(self, path):
        with open(path, "w", encoding="utf-8") as f:
            for o in self.operations:
                f.write(json.dumps({name: getattr(o, name) for name in o.__slots__}) + "\n")
            for where, row, shows in self.rests:
                f.write(json.dumps({"rest": where, "row": row, "shows": shows}) + "\n")

    @staticmethod
    def load(path):
        history = History()
        with open(path, encoding="utf-8") as f:
            for line in f:
                j = json.loads(line)
                if "rest" in j:
                    history.rests.append((j["rest"], j["row"], j["shows"]))
                else:
                    history.operations.append(Operation(**j))
        return history


# ---- clients ----
class Clients:
    """Clients that go on, each at a node and elsewhere when that fails, until they are stopped."""

    def __init__(self, addresses, count, rows=4, setup=(), timeout_s=12, pause_s=0.003, seed=1, prefix=""):
        self.addresses, self.rows, self.setup, self.timeout_s, self.pause_s, self.prefix = addresses, rows, setup, timeout_s, pause_s, prefix
        self.history, self.lock, self.going, self.began = History(), threading.Lock(), True, time.monotonic()
        self.numbers = iter(range(1, 1 << 60))
        self.threads = [threading.Thread(target=self._run, args=(i, random.Random(seed * 1000 + i)), daemon=True) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.going = False
        for thread in self.threads:
            thread.join()
        return self.history

    def connect(self, address):
        connection = Connection(address, self.timeout_s)
        try:
            for command in self.setup:
                connection.say(*command.split())
        except (Refused, Lost):
            connection.close()
            raise
        return connection

    def _now(self):
        return time.monotonic() - self.began

    def _draw(self, rng, mine):
        row = rng.randrange(self.rows)
        with self.lock:
            number = next(self.numbers)
        kind = rng.choices(["r", "c", "s"], [6, 3, 2])[0]
        name = f"{self.prefix}{kind}:{row}"
        if kind == "r":
            verb = rng.choices(["read", "write", "swap", "setnx", "remove"], [5, 3, 2, 2, 1])[0]
            return name, verb, None if verb in ("read", "remove") else f"v{number}"
        if kind == "c":
            return (name, "read", None) if rng.random() < 0.3 else (name, "add", rng.randrange(1, 4))
        if mine and rng.random() < 0.3:
            return mine.pop(rng.randrange(len(mine))) + (None,)
        return (name, "members", None) if rng.random() < 0.3 else (name, "join", f"m{number}")

    def _run(self, client, rng):
        mine, at, connection = [], client % len(self.addresses), None
        while self.going:
            row, verb, value = self._draw(rng, mine)
            if verb.startswith("leave "):
                verb, value = verb.split()
            try:
                connection = connection or self.connect(self.addresses[at])
            except (Refused, Lost):
                at = rng.randrange(len(self.addresses))
                time.sleep(0.05)
                continue
            where = "%s:%d" % self.addresses[at]
            o = Operation(client=client, where=where, kind=verb, row=row, value=value, called=self._now(), outcome=UNKNOWN)
            with self.lock:
                self.history.operations.append(o)
            try:
                o.answer = connection.say(*words_of(verb, row, value))
                o.answered, o.outcome = self._now(), OK
            except Refused as error:
                o.answer, o.answered = str(error), self._now()
                o.outcome = UNKNOWN if str(error).startswith(UNSURE) else FAILED
                time.sleep(0.02)
            except Lost as error:
                o.answer, at = str(error), rng.randrange(len(self.addresses))
                connection.close()
                connection = None
            if verb == "join" and o.outcome == OK:
                mine.append((row, "leave " + value))
            if self.pause_s:
                time.sleep(rng.random() * 2 * self.pause_s)
        if connection:
            connection.close()

    def rest(self, addresses=None):
        """What every node shows, when nobody writes any more."""
        for address in addresses or self.addresses:
            connection = Connection(address, self.timeout_s)
            for row, operations in sorted(self.history.rows().items()):
                is_set = any(o.kind in ("join", "members", "leave") for o in operations)
                shows = connection.say("SMEMBERS" if is_set else "GET", row)
                self.history.rests.append(("%s:%d" % address, row, sorted(shows) if is_set else shows))
            connection.close()


def words_of(verb, row, value):
    return {"read": ("GET", row), "write": ("SET", row, value), "swap": ("SET", row, value, "GET"), "setnx": ("SETNX", row, value),
            "remove": ("DEL", row), "add": ("INCRBY", row, value), "join": ("SADD", row, value), "leave": ("SREM", row, value),
            "members": ("SMEMBERS", row)}[verb]


# ---- linearizability of a row: Wing & Gong's search with Lowe's memory ----
def effect(o, row):
    """(could it have answered so, the row afterwards)"""
    known = o.outcome == OK
    if o.kind == "read":
        shown = int(o.answer or 0) if isinstance(row, int) else o.answer
        return shown == row, row
    if o.kind == "write":
        return True, o.value
    if o.kind == "remove":
        return True, None
    if o.kind == "swap":
        return not known or o.answer == row, o.value
    if o.kind == "setnx":
        if known and o.answer == 0:
            return row is not None, row
        return not known or row is None, o.value
    return not known or o.answer == row + o.value, row + o.value  # add


def linearizable(operations):
    """None, or the operation that nothing explains. A write of unknown outcome may land late, as a plain write, or never. Raises if too hard."""
    counts = any(o.kind == "add" for o in operations)
    ops = [o for o in operations if o.outcome == OK or (o.outcome == UNKNOWN and o.kind != "read")]
    read = {o.answer for o in ops if o.outcome == OK and o.kind in ("read", "swap")}
    asked = counts or any(o.kind == "setnx" and o.outcome == OK and o.answer == 0 for o in ops)
    ops = [o for o in ops if o.outcome == OK or asked or o.kind == "remove" or o.value in read]
    ops.sort(key=lambda o: o.called)
    entries = sorted([(o.called, 0, i) for i, o in enumerate(ops)] + [(o.answered, 1, i) for i, o in enumerate(ops) if o.outcome == OK])
    after, before = list(range(1, len(entries) + 2)), list(range(-1, len(entries)))  # a list with a head at 0; entry k stands at k + 1
    answer_at = {i: k + 1 for k, (_, kind, i) in enumerate(entries) if kind == 1}
    twins, latest = {}, {}
    for i, o in enumerate(ops):
        if o.outcome == UNKNOWN:
            twins[i] = latest.get((o.kind, o.value))
            latest[(o.kind, o.value)] = i
    row, done, stack, tried, required = (0 if counts else None), 0, [], set(), len(answer_at)
    furthest, stuck, e = -1, None, after[0]

    def out(k):
        after[before[k]] = after[k]
        if after[k] < len(before):
            before[after[k]] = before[k]

    def back(k):
        after[before[k]] = k
        if after[k] < len(before):
            before[after[k]] = k

    while required:
        _, kind, i = entries[e - 1]
        if kind == 0:
            twin = twins.get(i)
            fits, then = effect(ops[i], row) if twin is None or done >> twin & 1 else (False, None)
            if fits and (done | 1 << i, then) not in tried:
                tried.add((done | 1 << i, then))
                if len(tried) > TRIED_MAX:
                    raise RuntimeError(f"no verdict on {ops[i].row} after {TRIED_MAX} states")
                stack.append((e, row))
                done, row = done | 1 << i, then
                out(e)
                if i in answer_at:
                    out(answer_at[i])
                    required -= 1
                e = after[0]
            else:
                e = after[e]
            continue
        if len(stack) > furthest:
            furthest, stuck = len(stack), ops[i]
        if not stack:
            return stuck
        e, row = stack.pop()
        i = entries[e - 1][2]
        done &= ~(1 << i)
        if i in answer_at:
            back(answer_at[i])
            required += 1
        back(e)
        e = after[e]
    return None


# ---- what must hold ----
def faults_of_set(row, operations, shows):
    joins = {o.value: o for o in operations if o.kind == "join"}
    leaves = {o.value: o for o in operations if o.kind == "leave"}
    for member, o in joins.items():
        leave = leaves.get(member)
        if o.outcome == OK and member not in shows and (leave is None or leave.outcome == FAILED):
            yield f"lost: {o.text()}"
        if o.outcome == FAILED and member in shows:
            yield f"it was refused, and is there: {o.text()}"
        if leave and leave.outcome == OK and member in shows:
            yield f"it came back: {leave.text()}"
    for member in set(shows) - set(joins):
        yield f"nobody added {member} to {row}"


def faults_of_counter(row, operations, shows):
    ok = sum(o.value for o in operations if o.kind == "add" and o.outcome == OK)
    open_ = sum(o.value for o in operations if o.kind == "add" and o.outcome == UNKNOWN)
    if not ok <= int(shows or 0) <= ok + open_:
        yield f"{row} is {shows}, with {ok} answered and {open_} of unknown outcome"


def faults_of_register(row, operations, shows):
    """A value that is there was written. (Whether it is the right one is asked of the order.)"""
    written = {o.value: o for o in operations if o.kind in ("write", "swap", "setnx")}
    seen = [(o.answer, o.text()) for o in operations if o.outcome == OK and o.kind in ("read", "swap") and o.answer is not None]
    for value, text in seen + ([(shows, f"{row} at rest")] if shows is not None else []):
        o = written.get(value)
        if o is None:
            yield f"nobody wrote {value!r}: {text}"
        elif o.outcome == FAILED or (o.kind == "setnx" and o.outcome == OK and o.answer == 0):
            yield f"{value!r} was refused, and was read: {text}"


def faults(history, linear):
    """In words, all that cannot be."""
    shown = defaultdict(dict)
    for where, row, shows in history.rests:
        shown[row][where] = shows
    for row, operations in sorted(history.rows().items()):
        kinds = {o.kind for o in operations}
        at_rest = list(shown[row].values())
        for where, shows in shown[row].items():
            if shows != at_rest[0]:
                yield f"{row} is {shows!r} at {where}, but {at_rest[0]!r} elsewhere"
        shows = at_rest[0] if at_rest else None
        if kinds & {"join", "leave", "members"}:
            if at_rest:
                yield from faults_of_set(row, operations, shows)
            continue
        counts = "add" in kinds
        if counts and at_rest:
            yield from faults_of_counter(row, operations, shows)
        if not counts:
            yield from faults_of_register(row, operations, shows)
        if not linear:
            continue
        rest = []
        if at_rest:
            end = max([o.called for o in operations] + [o.answered for o in operations if o.answered is not None]) + 1
            rest = [Operation(client="-", where="rest", kind="read", row=row, called=end, answered=end + 1, outcome=OK, answer=shows)]
        stuck = linearizable(operations + rest)
        if stuck:
            yield f"no order explains {stuck.text()}"


def summary(history):
    count = defaultdict(int)
    for o in history.operations:
        count[o.outcome] += 1
    return f"{count[OK]} ok, {count[FAILED]} refused, {count[UNKNOWN]} of unknown outcome"


# ---- by itself ----
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run")
    run.add_argument("--seconds", type=float, default=10)
    run.add_argument("--clients", type=int, default=8)
    run.add_argument("--setup", action="append", default=[])
    run.add_argument("--out", default="history.jsonl")
    run.add_argument("address", nargs="+")
    check = verbs.add_parser("check")
    check.add_argument("--linear", action="store_true")
    check.add_argument("file")
    a = parser.parse_args()
    if a.verb == "run":
        addresses = [(host, int(port)) for host, port in (text.rsplit(":", 1) for text in a.address)]
        clients = Clients(addresses, a.clients, setup=a.setup)
        time.sleep(a.seconds)
        history = clients.stop()
        clients.rest()
        history.save(a.out)
        print(summary(history))
        return 0
    found = list(faults(History.load(a.file), a.linear))
    for fault in found:
        print(fault)
    print(f"{len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
