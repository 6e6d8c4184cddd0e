#!/usr/bin/python3
"""The external checker names histories that cannot be; and what clients are told by real nodes through elections can be explained."""
import os
import time

import history
from harness import Cluster, check, eventually, expect, run_tests, test
from history import FAILED, OK, UNKNOWN, History


# ---- by hand ----
def row(*operations):
    """Operations of one row: kind, value, called, answered (None: no answer), answer."""
    h = History()
    for kind, value, called, answered, answer in operations:
        h.add(client=1, where="us-1", kind=kind, row="k", value=value, called=called, answered=answered,
              outcome=UNKNOWN if answered is None else OK, answer=answer)
    return h


def good(h, linear=True):
    expect(list(history.faults(h, linear)), [])


def bad(h, words, linear=True):
    found = list(history.faults(h, linear))
    check(any(words in fault for fault in found), f"expected a fault with {words!r}, got {found}")


@test("a read that shows an older value than a read before it has no order")
def stale_read():
    write = ("write", "a", 0, 10, "OK")
    good(row(write, ("read", None, 1, 2, None), ("read", None, 3, 4, "a")))
    bad(row(write, ("read", None, 1, 2, "a"), ("read", None, 3, 4, None)), "no order explains")
    good(row(write, ("read", None, 1, 2, "a"), ("read", None, 3, 4, None)), linear=False)


@test("an acknowledged write that a later write of unknown outcome did not know, and that is gone, has no order")
def beaten():
    late = ("write", "tail", 0, None, "timed out")
    good(row(late, ("write", "a", 1, 2, "OK"), ("read", None, 3, 4, "a"), ("read", None, 5, 6, "tail")))  # it landed late
    bad(row(late, ("read", None, 1, 2, "tail"), ("write", "a", 3, 4, "OK"), ("read", None, 5, 6, "tail")), "no order explains")


@test("two SETNX that both succeeded, and an increment that counted twice, have no order")
def twice():
    bad(row(("setnx", "a", 0, 1, 1), ("setnx", "b", 2, 3, 1)), "no order explains")
    good(row(("setnx", "a", 0, 1, 1), ("remove", None, 2, 3, 1), ("setnx", "b", 4, 5, 1)))
    bad(row(("add", 1, 0, 1, 1), ("add", 1, 2, 3, 3)), "no order explains")
    good(row(("add", 1, 0, None, "timed out"), ("add", 1, 2, 3, 2)))


@test("a value that nobody wrote, or whose write was refused, is named")
def phantom():
    bad(row(("read", None, 0, 1, "x")), "nobody wrote", linear=False)
    h = row(("read", None, 2, 3, "a"))
    h.add(client=1, where="us-1", kind="write", row="k", value="a", called=0, answered=1, outcome=FAILED, answer="NOLEADER")
    bad(h, "was refused", linear=False)


@test("a member that was lost, one that came back, and a sum that is too small are named; so are nodes that differ at rest")
def at_rest():
    h = row(("join", "m1", 0, 1, 1), ("join", "m2", 0, 1, 1), ("leave", "m2", 2, 3, 1), ("join", "m3", 4, None, "timed out"))
    for shows, words in [([], "lost"), (["m1", "m2"], "came back"), (["m1", "m4"], "nobody added")]:
        h.rests = [("us-1", "k", shows)]
        bad(h, words)
    for shows in [["m1"], ["m1", "m3"]]:
        h.rests = [("us-1", "k", shows), ("us-2", "k", shows)]
        good(h)
    h.rests[1] = ("us-2", "k", [])
    bad(h, "elsewhere")
    h = row(("add", 2, 0, 1, 2), ("add", 3, 0, None, "timed out"))
    for shows in ["2", "5"]:
        h.rests = [("us-1", "k", shows)]
        good(h)
    for shows in ["1", "6", None]:
        h.rests = [("us-1", "k", shows)]
        bad(h, "is ", linear=False)


# ---- real nodes ----
SETUP = ["TRUCE.READ linearizable"]


def leader_of(c, dc):
    for node in c.nodes:
        if node.startswith(dc + "-"):
            try:
                leader = c.status(node)["leader"]
            except Exception:  # pylint: disable=broad-except
                continue
            if leader:
                return leader
    return None


@test("writes at majority and linearizable reads have one order, through leaders that are killed and cut off with a minority")
def elections():
    long = os.environ.get("TRUCE_LONG") == "yes"
    c = Cluster(dcs="us,eu", nodes=3, port_offset=700)
    eventually(lambda: leader_of(c, "us"), "us has a leader")
    addresses = [("127.0.0.1", c.port(n)) for n in c.nodes if n.startswith("us-")]
    clients = history.Clients(addresses, 9, rows=4, setup=SETUP, timeout_s=7, pause_s=0.01)
    for turn in range(12 if long else 3):
        time.sleep(1.5)
        leader = eventually(lambda: leader_of(c, "us"), "us has a leader again")
        if turn % 3 == 1:
            others = ",".join(n for n in c.nodes if n.startswith("us-") and n != leader)
            c.truce("cut", f"{leader} | {others}")
            time.sleep(2.5)
            c.truce("heal")
        else:
            c.truce("kill", leader)
            time.sleep(2)
            c.truce("start", leader)
    time.sleep(1)
    h = clients.stop()
    c.settle()
    clients.rest()
    count = history.summary(h)
    print(f"     {count}")
    faults = list(history.faults(h, True))
    check(not faults, f"{count}; {faults[:5]}")
    check(sum(o.outcome == OK for o in h.operations) > 300, f"too little was done to tell: {count}")


if __name__ == "__main__":
    run_tests()
