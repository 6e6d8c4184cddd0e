"""The pairs that are measured: two servers that replicate to each other, with the few things that the measurements ask of each kind."""
import json
import os
import shutil
import socket

import system
from system import Process, Redis, Settings, Wrong, wait_until


class Pair:
    """Two servers, A and B. What is common to those that speak the Redis protocol; others say what is different."""
    name = "?"
    both_ways = True
    cuts = True
    syncs = True    # there is something to be said of it with fsync on
    strict = False  # it promises that both sides hold the same in the end

    def __init__(self, fsync):
        self.fsync = fsync
        self.directories = [system.new_directory(side) for side in "ab"]
        self.ports = [Settings.port_base, Settings.port_base + 1]
        self.processes = []
        self.clients = []
        self.sentinels = 0
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    # ---- to be said by each kind ----
    def start(self):
        raise NotImplementedError

    def state(self, side):
        """Anything that is equal on both sides when both hold the same."""
        raise NotImplementedError

    def cut(self):
        raise NotImplementedError

    def heal(self):
        raise NotImplementedError

    # ---- what most share ----
    def connect(self):
        self.clients = [system.connect(port, f"{self.name} {side}") for port, side in zip(self.ports, "AB")]

    def load(self, side, writes, pipeline):
        return system.redis_benchmark(self.ports[side], writes, pipeline)

    def lag(self, samples):
        return system.json_of([system.program("bench-lag"), str(self.ports[0]), str(self.ports[1]), str(samples), "2000"])[0]

    def write_sentinel(self, side):
        self.sentinels += 1
        value = str(self.sentinels)
        self.clients[side]("SET", f"bench:sentinel:{side}", value)
        return value

    def sees_sentinel(self, side, of, value):
        return self.clients[side]("GET", f"bench:sentinel:{of}") == value

    def wait_visible(self, sides):
        """Until the latest write of each of these sides is seen on the other."""
        wanted = [(side, self.write_sentinel(side)) for side in sides]
        for side, value in wanted:
            wait_until(lambda: self.alive() and self.sees_sentinel(1 - side, side, value),
                       f"{self.name}: the last write of {'AB'[side]} is seen in {'AB'[1 - side]}")

    def equal(self):
        return self.alive() and self.state(0) == self.state(1)

    def wait_equal(self):
        wait_until(self.equal, f"{self.name}: both sides hold the same ({self.state(0)} and {self.state(1)} at first)", pause_s=0.01)

    def wait_rest(self):
        """Until the servers have nothing more to do for what was written."""
        self.wait_equal()

    def check_counts(self, writes):
        """Fails when fewer writes were taken than were sent."""

    def alive(self):
        for p in self.processes:
            p.check()
        return True

    def stop(self):
        for c in self.clients:
            c.close()
        for p in self.processes:
            p.stop()
        for d in self.directories:
            system.remove(d)


# ---- Truce ----
class Truce(Pair):
    """Two datacenters of one node each."""
    name = "Truce"
    strict = True
    nodes = ["us-1", "eu-1"]

    @staticmethod
    def missing():
        return None

    def start(self):
        datacenters = {}
        for i, node in enumerate(self.nodes):
            datacenters[node[:2]] = {"priority": 20 - 10 * i,
                                     "nodes": {"1": {"client": f"127.0.0.1:{self.ports[i]}", "peer": f"127.0.0.1:{self.ports[i] + 2}"}}}
        cluster = os.path.join(self.directories[0], "cluster.json")
        settings = {"cluster": "bench", "fsync": self.fsync, "datacenters": datacenters, "tables": {"*": {"conflict": "lww"}}}
        if Settings.memory_mb:
            settings["memory_mb"] = Settings.memory_mb
        settings.update(Settings.cluster)
        with open(cluster, "w", encoding="utf-8") as f:
            json.dump(settings, f)
        binary = os.path.join(Settings.build, "dc-node/io/dc-node")
        for i, node in enumerate(self.nodes):
            data = os.path.join(self.directories[i], "data")
            wrapper = Settings.wrapper(node, self.directories[i]) if Settings.wrapper else []
            self.processes.append(Process([*wrapper, binary, "--cluster", cluster, "--node", node, "--data", data], node, self.directories[i]))
        self.connect()
        wait_until(self.linked, "the two nodes are linked", 120, 0.02)

    def status(self, side):
        return json.loads(self.clients[side]("TRUCE.STATUS"))

    def linked(self):
        return self.alive() and all(p["state"] == "up" for side in (0, 1) for p in self.status(side)["peers"])

    def state(self, side):
        s = self.status(side)
        return s["vv"], s["digest"], s["rows"]

    def events(self, side):
        vv = self.status(side)["vv"]
        return 0 if vv == "-" else sum(int(entry.rpartition(":")[2]) for entry in vv.split(","))

    def check_counts(self, writes):
        if self.events(0) < writes:
            raise Wrong(f"Truce: {writes} writes were acknowledged, {self.events(0)} events are applied")

    def wait_rest(self):
        self.wait_equal()
        wait_until(lambda: self.alive() and not any(int(self.status(side)["dirty_rows"]) for side in (0, 1)), "no row is dirty", pause_s=0.05)

    def data(self, side, part=""):
        return system.disk_bytes(os.path.join(self.directories[side], "data", part))

    def cut(self):
        for side in (0, 1):
            self.clients[side]("TRUCE.FAULT", "CUT", self.nodes[1 - side], "BOTH")

    def heal(self):
        for side in (0, 1):
            self.clients[side]("TRUCE.FAULT", "HEAL", "*")


# ---- KeyDB and Redis ----
class KeyDB(Pair):
    """Active replicas of each other."""
    name = "KeyDB"
    binary = "keydb-server"

    @classmethod
    def missing(cls):
        return None if shutil.which(cls.binary) else f"{cls.binary} is not installed"

    def log_options(self):
        return ["--appendonly", "yes", "--appendfsync", "always"] if self.fsync else ["--appendonly", "no"]

    def active(self, side):
        return ["--active-replica", "yes", "--replicaof", "127.0.0.1", str(self.ports[1 - side])]

    def start(self):
        for side in (0, 1):
            argv = [self.binary, "--port", str(self.ports[side]), "--bind", "127.0.0.1", "--save", "", "--dir", self.directories[side]]
            argv += [*self.log_options(), *self.active(side)]
            self.processes.append(Process(argv, f"{self.name} {'AB'[side]}", self.directories[side]))
        self.connect()
        wait_until(self.linked, f"{self.name}: the two are linked", 120, 0.05)

    def info(self, side):
        return dict(line.split(":", 1) for line in self.clients[side]("INFO").splitlines() if ":" in line)

    def linked(self):
        return self.alive() and all(self.info(side).get("master_link_status") == "up" for side in (0, 1))

    def state(self, side):
        return self.clients[side]("DBSIZE")

    def cut(self):
        for side in (0, 1):
            self.clients[side]("REPLICAOF", "NO", "ONE")

    def heal(self):
        for side in (0, 1):
            self.clients[side]("REPLICAOF", "127.0.0.1", self.ports[1 - side])


class KeyDBLogged(KeyDB):
    """With a log that is synced every second: what comes nearest to a log without fsync."""
    name = "KeyDB, AOF everysec"
    syncs = False

    @classmethod
    def missing(cls):
        return KeyDB.missing()

    def log_options(self):
        return ["--appendonly", "yes", "--appendfsync", "everysec"]


class RedisOneWay(KeyDB):
    """A primary and its replica: no rival, for it takes writes in one place alone, but a mark of what the protocol can do."""
    name = "Redis, one way only"
    binary = "redis-server"
    both_ways = False
    cuts = False

    def log_options(self):
        return ["--appendonly", "yes", "--appendfsync", "always" if self.fsync else "everysec"]

    def active(self, side):
        return ["--replicaof", "127.0.0.1", str(self.ports[0])] if side == 1 else []

    def linked(self):
        return self.alive() and self.info(1).get("master_link_status") == "up"


# ---- Tarantool ----
class Tarantool(Pair):
    """Master-master over asynchronous replication, the write-ahead log written, synced or not."""
    name = "Tarantool"
    space = "512"

    @staticmethod
    def missing():
        return None if shutil.which("tarantool") else "tarantool is not installed"

    def start(self):
        for side in (0, 1):
            argv = ["tarantool", os.path.join(system.HERE, "tarantool_node.lua"), str(self.ports[side]), str(self.ports[1 - side])]
            argv += [self.directories[side], "fsync" if self.fsync else "write"]
            self.processes.append(Process(argv, f"tarantool {'AB'[side]}", self.directories[side]))
        wait_until(lambda: self.alive() and all(self.ready(side) for side in (0, 1)), "both Tarantools are there", 120, 0.1)

    def ask(self, side, code):
        """The answer of an instance's console, which speaks YAML; here always one line of it."""
        s = socket.socket(socket.AF_UNIX)
        try:
            s.settimeout(120)
            s.connect(os.path.join(self.directories[side], "console"))
            s.sendall(code.encode() + b"\n")
            text = b""
            while not text.endswith(b"...\n"):
                piece = s.recv(65536)
                if not piece:
                    raise Wrong(f"tarantool's console closed: {text!r}")
                text += piece
        finally:
            s.close()
        answer = text.decode().partition("---\n")[2].rpartition("...\n")[0].strip()
        if "error:" in answer:
            raise Wrong(f"tarantool: {answer}")
        return answer

    def ready(self, side):
        try:
            return self.ask(side, "return box.info.status == 'running' and box.space.kv ~= nil and #box.info.replication == 2 and "
                                  "(box.info.replication[box.info.id % 2 + 1].upstream or {}).status == 'follow'") == "- true"
        except OSError:
            return False

    def load(self, side, writes, pipeline):
        return system.Load([system.program("bench-iproto"), str(self.ports[side]), self.space, str(writes), str(pipeline)])

    def lag(self, samples):
        script = os.path.join(system.HERE, "tarantool_lag.lua")
        return system.json_of(["tarantool", script, str(self.ports[0]), str(self.ports[1]), str(samples), "2000"])[0]

    def write_sentinel(self, side):
        self.sentinels += 1
        self.ask(side, f"box.space.kv:replace{{'bench:sentinel:{side}', '{self.sentinels}'}}")
        return str(self.sentinels)

    def sees_sentinel(self, side, of, value):
        return self.ask(side, f"return (box.space.kv:get('bench:sentinel:{of}') or {{}})[2] == '{value}'") == "- true"

    def state(self, side):
        return self.ask(side, "return state()")

    def cut(self):
        for side in (0, 1):
            self.ask(side, "replication_cut()")

    def heal(self):
        for side in (0, 1):
            self.ask(side, "replication_heal()")


class TarantoolFibers(Tarantool):
    """The same under 512 fibers of its own client library, which takes more of the machine than the servers do."""
    name = "Tarantool, net.box"

    def load(self, side, writes, pipeline):
        return system.Load(["tarantool", os.path.join(system.HERE, "tarantool_load.lua"), str(self.ports[side]), str(writes), str(8 * pipeline)])


SYSTEMS = {"truce": [Truce], "keydb": [KeyDB, KeyDBLogged], "tarantool": [Tarantool, TarantoolFibers], "redis": [RedisOneWay]}
