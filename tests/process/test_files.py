#!/usr/bin/python3
"""Wrong cluster files are refused at start, by dc-node and by truce, with the file and the place."""
import copy
import json
import os
import shutil
import subprocess
import tempfile

import jsonschema

from harness import DC_NODE, PORT_BASE, ROOT, TRUCE, Cluster, check, eventually, expect, run_tests, test

GOOD = {
    "cluster": "t",
    "datacenters": {
        "us": {"priority": 2, "nodes": {"1": {"client": f"127.0.0.1:{PORT_BASE + 1}", "peer": f"127.0.0.1:{PORT_BASE + 101}"}}},
        "eu": {"nodes": {"1": {"client": f"127.0.0.1:{PORT_BASE + 2}", "peer": f"127.0.0.1:{PORT_BASE + 102}"}}},
    },
    "tables": {"*": {"conflict": "merge"}, "users": {"conflict": "lww"},
               "carts": {"conflict": "handler:join,longest,record", "settings": {"most": 5}}},
    "handlers": {"forced": ["join"]},
    "journal": {"days": 7},
}


def changed(place, value):
    """The good file with one value set; None removes it."""
    file = copy.deepcopy(GOOD)
    at = file
    *path, last = place.split(".")
    for key in path:
        at = at[key]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return json.dumps(file)


NODE = GOOD["datacenters"]["us"]["nodes"]["1"]
# what is wrong, the file, and what the message must name
BAD = [
    ("nothing at all", "", ":1:"),
    ("no JSON", "cluster: t", ":1:"),
    ("cut off", json.dumps(GOOD)[:-1], ":1:"),
    ("a comma too many", json.dumps(GOOD)[:-1] + ",}", ":1:"),
    ("two files in one", json.dumps(GOOD) * 2, ":1:"),
    ("a place on another line", json.dumps(GOOD, indent=1).replace('"tables":', '"tables"'), ":2"),
    ("an array", "[]", "an object"),
    ("a number", "7", "an object"),
    ("null", "null", "an object"),
    ("a NUL byte", json.dumps(GOOD).replace('"t"', '"t\\u0000"'), ":1:"),
    ("bad UTF-8", json.dumps(GOOD).encode().replace(b'"t"', b'"\xff"'), ":1:"),
    ("nested ten thousand deep", "[" * 10000 + "]" * 10000, ":1:"),
    ("a duplicate key", json.dumps(GOOD).replace('"cluster": "t"', '"cluster": "t", "cluster": "u"'), ":1:"),
    ("a duplicate datacenter", json.dumps(GOOD).replace('"eu":', '"us":'), ":1:"),
    ("an unknown key", changed("fsnyc", True), "fsnyc"),
    ("an unknown key of a datacenter", changed("datacenters.us.prio", 1), "prio"),
    ("an unknown key of a node", changed("datacenters.us.nodes.1.port", 7000), "port"),
    ("an unknown key of a table", changed("tables.users.ttl", 7), "ttl"),
    ("no cluster name", changed("cluster", None), "cluster"),
    ("a cluster name with a slash", changed("cluster", "../t"), "cluster"),
    ("a cluster name in capitals", changed("cluster", "Truce"), "cluster"),
    ("an empty cluster name", changed("cluster", ""), "cluster"),
    ("a cluster name of 64 letters", changed("cluster", "a" * 64), "cluster"),
    ("no datacenters", changed("datacenters", None), "datacenters"),
    ("an empty list of datacenters", changed("datacenters", {}), "datacenters"),
    ("datacenters as an array", changed("datacenters", []), "datacenters"),
    ("33 datacenters", changed("datacenters", {f"d{i}": GOOD["datacenters"]["us"] for i in range(33)}), "datacenters"),
    ("a datacenter with a bad name", changed("datacenters.US", GOOD["datacenters"]["us"]), "datacenters"),
    ("a datacenter that is a text", changed("datacenters.us", "node1"), "datacenters.us"),
    ("a datacenter without nodes", changed("datacenters.us", {}), "datacenters.us.nodes"),
    ("a datacenter with no node", changed("datacenters.us.nodes", {}), "datacenters.us.nodes"),
    ("a priority that is a text", changed("datacenters.us.priority", "high"), "datacenters.us.priority"),
    ("a priority out of range", changed("datacenters.us.priority", 2 ** 31), "datacenters.us.priority"),
    ("node number 0", changed("datacenters.us.nodes.0", NODE), "datacenters.us.nodes"),
    ("node number 65536", changed("datacenters.us.nodes.65536", NODE), "datacenters.us.nodes"),
    ("node number 01", changed("datacenters.us.nodes.01", NODE), "datacenters.us.nodes"),
    ("a node with a name", changed("datacenters.us.nodes.one", NODE), "datacenters.us.nodes"),
    ("a node without client", changed("datacenters.us.nodes.1.client", None), "datacenters.us.nodes.1.client"),
    ("a node without peer", changed("datacenters.us.nodes.1.peer", None), "datacenters.us.nodes.1.peer"),
    ("a port alone", changed("datacenters.us.nodes.1.client", 7001), "datacenters.us.nodes.1.client"),
    ("no port", changed("datacenters.us.nodes.1.client", "127.0.0.1"), "datacenters.us.nodes.1.client"),
    ("port 0", changed("datacenters.us.nodes.1.client", "127.0.0.1:0"), "datacenters.us.nodes.1.client"),
    ("port 65536", changed("datacenters.us.nodes.1.client", "127.0.0.1:65536"), "datacenters.us.nodes.1.client"),
    ("a negative port", changed("datacenters.us.nodes.1.peer", "127.0.0.1:-1"), "datacenters.us.nodes.1.peer"),
    ("no host", changed("datacenters.us.nodes.1.peer", ":7001"), "datacenters.us.nodes.1.peer"),
    ("a host with a space", changed("datacenters.us.nodes.1.peer", "a b:7001"), "datacenters.us.nodes.1.peer"),
    ("one endpoint for client and peer", changed("datacenters.us.nodes.1.peer", NODE["client"]), "datacenters.us.nodes.1.peer"),
    ("one endpoint for two nodes", changed("datacenters.eu.nodes.1.client", NODE["client"]), "client"),
    ("129 nodes", changed("datacenters.us.nodes", {str(i): {"client": f"h:{i}", "peer": f"h:{i + 1000}"} for i in range(1, 130)}), "128"),
    ("an unknown policy", changed("tables.users.conflict", "first"), "tables.users.conflict"),
    ("a table without policy", changed("tables.users", {}), "tables.users.conflict"),
    ("a policy handler without a handler", changed("tables.users.conflict", "handler"), "tables.users.conflict"),
    ("a handler with an empty name", changed("tables.users.conflict", "handler:a,,b"), "tables.users.conflict"),
    ("merge among handlers", changed("tables.users.conflict", "handler:a,merge"), "merge"),
    ("lww before a handler", changed("tables.users.conflict", "handler:lww,a"), "at the end"),
    ("nine handlers", changed("tables.users.conflict", "handler:a,b,c,d,e,f,g,h,i"), "at most 8"),
    ("settings without a handler", changed("tables.users.settings", {}), "tables.users.settings"),
    ("settings that are no object", changed("tables.carts.settings", [5]), "tables.carts.settings"),
    ("a table with the reserved name", changed("tables.truce", {"conflict": "lww"}), "truce"),
    ("a handler forced twice", changed("handlers.forced", ["a", "a"]), "handlers.forced"),
    ("an unknown key of the handlers", changed("handlers.directory", "/x"), "directory"),
    ("a journal of a hundred years and a day", changed("journal.days", 36501), "journal.days"),
    ("a negative count of journal entries", changed("journal.entries", -1), "journal.entries"),
    ("a table with a colon", changed("tables", {"a:b": {"conflict": "lww"}}), "tables"),
    ("fsync as a text", changed("fsync", "yes"), "fsync"),
    ("fsync as a number", changed("fsync", 1), "fsync"),
    ("a negative memory", changed("memory_mb", -1), "memory_mb"),
    ("too little memory", changed("memory_mb", 1), "memory_mb"),
    ("memory as a fraction", changed("memory_mb", 256.5), "memory_mb"),
    ("memory of 2^63", changed("memory_mb", 0).replace('"memory_mb": 0', '"memory_mb": 9223372036854775808'), ":1:"),
    ("no log budget", changed("log_budget_mb", 0), "log_budget_mb"),
    ("no clients", changed("clients_max", 0), "clients_max"),
    ("one sibling", changed("siblings_max", 1), "siblings_max"),
    ("a clock bound of a day", changed("clock_bound_ms", 86400000), "clock_bound_ms"),
    ("a password of 256 bytes", changed("password", "x" * 256), "password"),
    ("a secret that is a number", changed("secret", 1234), "secret"),
]


def start_node(path, node="us-1", data=None):
    """(exit code, stderr) of a dc-node that must not come up."""
    folder = data or os.path.join(os.path.dirname(path), "data")
    done = subprocess.run([DC_NODE, "--cluster", path, "--node", node, "--data", folder], capture_output=True, text=True, timeout=20, check=False)
    return done.returncode, done.stderr


def with_file(content):
    folder = tempfile.mkdtemp(prefix="truce-test-")
    path = os.path.join(folder, "cluster.json")
    with open(path, "wb") as f:
        f.write(content if isinstance(content, bytes) else content.encode())
    return folder, path


def refused(title, content, place):
    @test(f"refused: {title}")
    def _():
        folder, path = with_file(content)
        try:
            for who, (code, err) in (("dc-node", start_node(path)), ("truce", run_truce(folder))):
                check(code > 0, f"{who} ended with {code}: {err}")
                check("cluster.json" in err and place in err, f"{who} does not name cluster.json and {place}: {err}")
                check(len(err.strip().splitlines()) == 1, f"{who} says more than a line: {err}")
            check(not os.path.exists(os.path.join(folder, "data", "CURRENT")), "a store was made")
        finally:
            shutil.rmtree(folder)


def run_truce(folder):
    done = subprocess.run([TRUCE, "up", "--dir", folder], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


for bad in BAD:
    refused(*bad)


@test("refused: a node that is not in the file, a file that is not there, a directory that cannot be written")
def _():
    folder, path = with_file(json.dumps(GOOD))
    try:
        for node in ("us-2", "mars-1", "us", "", "../us-1", "us-01", "us--1", "us-99999"):
            code, err = start_node(path, node)
            check(code > 0 and err.strip(), f"node {node!r}: {code} {err}")
        code, err = start_node(os.path.join(folder, "missing.json"))
        check(code > 0 and "missing.json" in err, err)
        code, err = start_node(folder)
        check(code > 0 and folder in err, err)
        code, err = start_node(path, data="/proc/truce")
        check(code > 0 and "/proc/truce" in err, err)
    finally:
        shutil.rmtree(folder)


@test("refused: a second process with the same data directory, or on the same ports")
def _():
    c = Cluster("us,eu", 1)
    path = os.path.join(c.dir, "cluster.json")
    code, err = start_node(path, "us-1", os.path.join(c.dir, "us-1"))
    check(code > 0 and err.strip(), f"the same directory: {code} {err}")
    code, err = start_node(path, "us-1", os.path.join(c.dir, "elsewhere"))
    check(code > 0 and str(c.port("us-1")) in err, f"the same ports: {code} {err}")
    expect(c.client("us-1").set("still", "there"), True)


@test("refused: the data directory of another node")
def _():
    c = Cluster("us,eu", 2)
    c.client("us-1").set("a", "b")
    c.settle()
    c.truce("down")
    code, err = start_node(os.path.join(c.dir, "cluster.json"), "us-2", os.path.join(c.dir, "us-1"))
    check(code > 0 and "us-1" in err, f"{code} {err}")
    c.truce("up")
    expect(c.client("us-2").get("a"), "b")


@test("nodes whose files differ in tables or priorities refuse each other, and both say why")
def _():
    c = Cluster("us,eu", 1)
    path, data = os.path.join(c.dir, "cluster.json"), os.path.join(c.dir, "eu-1")
    c.client("us-1").set("a", "1")
    c.settle()
    c.truce("kill", "eu-1")
    os.rename(data, data + ".kept")
    with open(path, encoding="utf-8") as f:
        good = json.load(f)
    tables, priority = copy.deepcopy(good), copy.deepcopy(good)
    tables.setdefault("tables", {})["users"] = {"conflict": "record"}
    priority["datacenters"]["us"]["priority"] = 77
    for wrong in (tables, priority):
        with open(path, "w", encoding="utf-8") as f:
            json.dump(wrong, f)
        c.truce("start", "eu-1")
        said = "differ in tables or priorities: make them equal, or change tables with TRUCE.TABLE SET"
        eventually(lambda: said in c.log("us-1") and said in c.log("eu-1"), "both say why")
        expect(c.client("eu-1").get("a"), None, "what the other has did not come")
        c.truce("kill", "eu-1")
        shutil.rmtree(data)
    os.rename(data + ".kept", data)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(good, f)
    c.truce("start", "eu-1")
    c.settle()
    expect(c.client("eu-1").get("a"), "1")


def schema(name):
    with open(os.path.join(ROOT, "schemas", name), encoding="utf-8") as f:
        return json.load(f)


def validator(name):
    tables = schema("table.schema.json")
    store = {"table.schema.json": tables, schema(name).get("$id", ""): schema(name)}
    resolver = jsonschema.RefResolver(base_uri="", referrer=schema(name), store=store)
    return jsonschema.Draft202012Validator(schema(name), resolver=resolver)


@test("a cluster file made by truce up, and what every node says of itself, fit their schemas")
def _():
    c = Cluster()
    with open(os.path.join(c.dir, "cluster.json"), encoding="utf-8") as f:
        validator("cluster.schema.json").validate(json.load(f))
    c.truce("cut", "us", "eu")
    c.client("us-1").set("a", "1")
    c.client("eu-1").set("a", "2")
    c.truce("kill", "ap-2")
    check_status = validator("status.schema.json")
    for node in c.nodes:
        if node != "ap-2":
            check_status.validate(c.status(node))
    c.truce("start", "*")
    c.truce("heal")
    c.settle()
    for node in c.nodes:
        check_status.validate(c.status(node))


run_tests()
