#!/usr/bin/python3
"""The conflict inbox from the command line, against real processes: listed, shown, resolved, written out, brought back; tables that change."""
import json
import os
import stat
import tempfile
import time

import redis
from harness import Cluster, check, eventually, expect, run_tests, test

TWO = {"nodes": 1, "dcs": "us,eu"}


def declare(cluster, table, policy):
    """A table at run time: its keys take writes when every node has the definition."""
    cluster.truce("table", "set", table, policy)
    for dc in cluster.dcs:
        eventually(lambda dc=dc: takes_writes(cluster, f"{dc}-1", table), f"{dc} takes writes of table {table}")
    cluster.settle()


def takes_writes(cluster, node, table):
    try:
        return cluster.client(node).set(f"{table}:probe", "1")
    except redis.ResponseError as error:
        check("new definition" in str(error), str(error))
        return False


def apart(cluster, us, eu):
    """Commands of us and of eu that do not know of each other; eu is later."""
    cluster.truce("cut", "us", "eu")
    for command in us:
        cluster.client("us-1").execute_command(*command)
    time.sleep(0.02)  # in one millisecond the origins' names would decide
    for command in eu:
        cluster.client("eu-1").execute_command(*command)
    cluster.truce("heal", "us", "eu")
    cluster.settle()


def listed(cluster, *words):
    return cluster.json("conflicts", "list", *words)["conflicts"]


@test("a table is declared at run time, refuses writes until every node has it, and its conflicts are shown by column in every datacenter")
def _():
    c = Cluster("us,eu,ap", 2)
    declare(c, "docs", "record")
    expect({t["table"]: t["policy"] for t in c.json("table", "list")["tables"]}, {"*": "merge", "docs": "record"})
    c.client("us-1").hset("docs:1", mapping={"title": "plan", "owner": "ann"})
    c.settle()
    c.truce("cut", "eu | us ap")
    c.client("us-1").hset("docs:1", "title", "plan of us")
    time.sleep(0.02)
    c.client("eu-1").hset("docs:1", mapping={"title": "plan of eu", "owner": "bob"})
    c.truce("heal", "*")
    c.settle()
    ids = set()
    for node in c.nodes:
        entries = listed(c, "docs", "--at", node)
        expect([(e["key"], e["state"], e["policy"], e["dcs"]) for e in entries], [("docs:1", "open", "record", ["eu", "us"])], node)
        ids.add(entries[0]["id"])
        shown = c.json("conflicts", "show", entries[0]["id"], "--at", node)["conflict"]
        expect([(v["dc"], v["state"]) for v in shown["versions"]], [("us", "hidden"), ("eu", "read")], node)
        expect({d["column"]: [d["base"]] + d["values"] for d in shown["diff"]},
               {"owner": ["ann", "ann", "bob"], "title": ["plan", "plan of us", "plan of eu"]}, node)
    expect(len(ids), 1, "ids of one conflict")
    text = c.truce("conflicts", "show", ids.pop())
    for part in ("docs:1, open, table docs, policy record", "COLUMN", "plan of us", "plan of eu", "ann"):
        check(part in text, text)
    check("docs:1" in c.truce("conflicts", "list"), "the list names the row")


@test("a resolution by datacenter, by value, by rule or in the editor closes the conflict in every datacenter")
def _():
    c = Cluster(**TWO)
    declare(c, "docs", "record")
    keys = ["take", "value", "rule", "edit", "json"]
    apart(c, [("HSET", f"docs:{k}", "by", "us", "left", "1") for k in keys] + [("SET", "docs:string", "us")],
          [("HSET", f"docs:{k}", "by", "longer eu", "right", "2") for k in keys] + [("SET", "docs:string", "eu")])
    ids = {e["key"]: e["id"] for e in listed(c)}
    expect(len(ids), 6, "open conflicts")
    c.truce("conflicts", "resolve", ids["docs:take"], "--take", "us")
    c.truce("conflicts", "resolve", ids["docs:rule"], "--rule", "longest")
    c.truce("conflicts", "resolve", ids["docs:string"], "--value", "both", "--at", "eu")
    c.truce("conflicts", "resolve", ids["docs:json"], "--value", json.dumps({"by": "hand"}))
    code, _, err = c.run("conflicts", "resolve", ids["docs:value"], "--value", "no hash")
    expect(code, 1, err)
    check("JSON object" in err, err)
    c.truce("conflicts", "resolve", ids["docs:value"], "--value", '{"by": "both", "n": "3"}')
    with tempfile.NamedTemporaryFile("w", suffix=".sh", delete=False) as editor:
        editor.write("#!/bin/sh\nsed -i 's/longer eu/the editor/; s/\"us\"/\"us\"/' \"$1\"\n")
    os.chmod(editor.name, os.stat(editor.name).st_mode | stat.S_IXUSR)
    os.environ["EDITOR"] = editor.name
    os.environ.pop("VISUAL", None)
    c.truce("conflicts", "resolve", ids["docs:edit"], "--edit")
    os.unlink(editor.name)
    c.settle()
    for node in c.nodes:
        r = c.client(node)
        expect(r.hgetall("docs:take"), {"by": "us", "left": "1"}, node)
        expect(r.hgetall("docs:rule"), {"by": "longer eu", "right": "2"}, node)
        expect(r.get("docs:string"), "both", node)
        expect(r.hgetall("docs:json"), {"by": "hand"}, node)
        expect(r.hgetall("docs:value"), {"by": "both", "n": "3"}, node)
        expect(r.hgetall("docs:edit"), {"by": "the editor", "left": "1", "right": "2"}, node)
        expect(listed(c, "--at", node), [], node)
        expect({e["state"] for e in listed(c, "--all", "--at", node)}, {"closed"}, node)
    code, _, err = c.run("conflicts", "resolve", ids["docs:take"], "--take", "eu")
    expect((code, "closed already" in err), (1, True), err)


@test("a whole table is resolved by rule, and other tables stay open")
def _():
    c = Cluster(**TWO)
    declare(c, "docs", "record")
    declare(c, "other", "record")
    apart(c, [("SET", f"docs:{i}", "us") for i in range(50)] + [("SET", "other:1", "us")],
          [("SET", f"docs:{i}", "eu") for i in range(50)] + [("SET", "other:1", "eu")])
    expect(len(listed(c, "docs", "--limit", "10")), 10, "a limited list")
    expect(c.json("conflicts", "resolve", "--table", "docs", "--take", "us", "--limit", "20")["resolved"], 20)
    answer = c.json("conflicts", "resolve", "--table", "docs", "--rule", "latest")
    expect((answer["resolved"], answer["skipped"]), (30, 0))
    c.settle()
    for node in c.nodes:
        values = c.client(node).mget([f"docs:{i}" for i in range(50)])
        expect((values.count("us"), values.count("eu")), (20, 30), node)
        expect([e["key"] for e in listed(c, "--at", node)], ["other:1"], node)


@test("what lost under an automatic policy is written out, and is brought back with its value")
def _():
    c = Cluster(**TWO)
    apart(c, [("HSET", "users:1", "name", "Alice Smith"), ("SET", "blob", b"\xff\x00us")],
          [("HSET", "users:1", "name", "Alice Jones"), ("SET", "blob", b"\xff\x00eu")])
    for node in c.nodes:
        expect([(e["value"], e["loser_dc"]) for e in c.conflicts(node, "users:1")], [("Alice Smith", "us")], node)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "out.json")
        expect(c.json("conflicts", "export", "--out", path)["exported"], 2)
        with open(path, encoding="utf-8") as f:
            cases = {k["key"]: k for k in json.load(f)["conflicts"]}
    expect([s["columns"] for s in cases["users:1"]["siblings"]],
           [[{"name": "name", "value": "Alice Smith"}], [{"name": "name", "value": "Alice Jones"}]])
    expect([s["value"] for s in cases["blob"]["siblings"]], [{"base64": "/wB1cw=="}, {"base64": "/wBldQ=="}])
    c.truce("conflicts", "restore", [e["id"] for e in listed(c, "users:1")][0])
    c.settle()
    for node in c.nodes:
        expect(c.client(node).hget("users:1", "name"), "Alice Smith", node)
        expect([e["key"] for e in listed(c, "--at", node)], ["blob"], node)


@test("a client hears that its write lost, as a push or when it asks")
def _():
    c = Cluster(dcs="us,eu", nodes=2)
    asks = redis.Redis(port=c.port("us-2"), decode_responses=True, socket_timeout=30, single_connection_client=True)
    asks.execute_command("TRUCE.LOSSES", "ON")
    c.truce("cut", "us", "eu")
    asks.set("k", "of us")
    time.sleep(0.02)
    c.client("eu-1").set("k", "of eu")
    c.truce("heal", "us", "eu")
    c.settle()
    losses = eventually(lambda: asks.execute_command("TRUCE.LOSSES"), "the loss is told")
    loss = dict(zip(losses[0][::2], losses[0][1::2]))
    expect((len(losses), loss["key"], loss["value"], loss["winner_dc"], loss["policy"]), (1, "k", "of us", "eu", "merge"))


@test("the inbox survives kill -9 of every node")
def _():
    c = Cluster(**TWO)
    declare(c, "docs", "record")
    apart(c, [("SET", "docs:1", "us"), ("SET", "a", "us")], [("SET", "docs:1", "eu"), ("SET", "a", "eu")])
    before = [listed(c, "--all", "--at", node) for node in c.nodes]
    c.truce("kill", *c.nodes)
    c.truce("start", "*")
    c.settle()
    expect([listed(c, "--all", "--at", node) for node in c.nodes], before)
    expect({t["table"]: t["policy"] for t in c.json("table", "list")["tables"]}, {"*": "merge", "docs": "record"})
    eventually(lambda: takes_writes(c, "eu-1", "docs"), "eu knows again that every node has the definition")
    c.truce("conflicts", "resolve", [e["id"] for e in before[0] if e["key"] == "docs:1"][0], "--take", "us", "--at", "eu")
    c.settle()
    expect([c.client(node).get("docs:1") for node in c.nodes], ["us", "us"])


@test("what makes no sense is refused in words")
def _():
    c = Cluster("us", 1)
    for words, part in ((("conflicts", "show"), "which conflict"), (("conflicts", "show", "xyz"), "16 hex digits"),
                        (("conflicts", "show", "0" * 16), "there is no conflict"), (("conflicts", "resolve", "0" * 16), "one of --take"),
                        (("conflicts", "resolve", "--table", "docs", "--edit"), "--take or --rule"),
                        (("conflicts", "resolve", "--table", "docs", "--rule", "best"), "expected TAKE"),
                        (("conflicts", "resolve", "--table", "nonesuch", "--rule", "latest"), "there is no table"),
                        (("table", "set", "docs"), "truce table list"), (("table", "set", "docs", "best"), "policy"),
                        (("table", "set", "truce", "lww"), "reserved"), (("table", "set", "docs", "handler:nonesuch"), "not installed here"),
                        (("conflicts", "list", "--at", "mars"), "no datacenter or node")):
        code, out, err = c.run(*words)
        check(code in (1, 2) and part in err, f"truce {' '.join(words)}: {code}, {out}{err}")


run_tests()
