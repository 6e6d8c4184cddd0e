"""What the process tests share: clusters of real processes through the command truce, clients, and a plain way to run and count tests."""
import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

import redis

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("TRUCE_BUILD", os.path.join(ROOT, "build/release"))
TRUCE = os.path.join(BUILD, "deploy/truce")
DC_NODE = os.path.join(BUILD, "dc-node/io/dc-node")
PORT_BASE = int(os.environ.get("TRUCE_TEST_PORTS", "23000"))

tests = []


class Failure(Exception):
    """A statement that was found to be false."""


def test(title):
    """Registers a test under a sentence."""
    def add(function):
        tests.append((title, function))
        return function
    return add


def check(condition, message="the statement is false"):
    if not condition:
        raise Failure(message)


def expect(got, wanted, what=""):
    if got != wanted:
        raise Failure(f"{what + ': ' if what else ''}expected {wanted!r}, got {got!r}")


def eventually(condition, what, timeout_s=30):
    """Asks again and again; the deadline is there for a test that fails, none depends on how fast things are."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Failure(f"after {timeout_s} s still not: {what}")
        time.sleep(0.05)


def run_tests():
    """Runs all tests, or those whose title holds an argument; prints `N passed, N failed` last."""
    if not (os.access(TRUCE, os.X_OK) and os.access(DC_NODE, os.X_OK)):
        print(f"there is no build in {BUILD} (TRUCE_BUILD)\n0 passed, 1 failed")
        sys.exit(1)
    passed, failed = 0, 0
    wanted = [a for a in sys.argv[1:] if not a.startswith("--")]
    for title, function in tests:
        if wanted and not any(w in title for w in wanted):
            continue
        start = time.monotonic()
        try:
            function()
            passed += 1
            print(f"ok   {title} ({time.monotonic() - start:.1f} s)", flush=True)
        except Exception as error:  # pylint: disable=broad-except
            failed += 1
            print(f"FAIL {title} ({time.monotonic() - start:.1f} s)", flush=True)
            if isinstance(error, Failure):
                print(f"     {error}")
                print("".join("     " + line for line in traceback.format_tb(error.__traceback__)[-2:]), end="", flush=True)
            else:
                traceback.print_exc(file=sys.stdout)
            show_logs()
        finally:
            stop_clusters()
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed else 0)


# ---- clusters ----
clusters = []


class Cluster:
    """A cluster in a directory of its own, gone with the test."""

    def __init__(self, dcs="us,eu,ap", nodes=2, fsync="no", memory_mb=None, port_offset=0, up=True):
        self.dir = tempfile.mkdtemp(prefix="truce-test-")
        self.port_base = PORT_BASE + port_offset
        self.dcs = dcs.split(",")
        self.nodes_each = nodes
        self.options = ["--dcs", dcs, "--nodes", str(nodes), "--port-base", str(self.port_base), "--fsync", fsync]
        if memory_mb:
            self.options += ["--memory-mb", str(memory_mb)]
        clusters.append(self)
        if up:
            self.truce("up", *self.options)

    @property
    def nodes(self):
        return [f"{dc}-{i}" for dc in self.dcs for i in range(1, self.nodes_each + 1)]

    def port(self, node):
        if node in self.nodes:
            return self.port_base + 1 + self.nodes.index(node)
        dc, number = node.rsplit("-", 1)  # one that came later
        with open(os.path.join(self.dir, "cluster.json"), encoding="utf-8") as f:
            return int(json.load(f)["datacenters"][dc]["nodes"][number]["client"].rsplit(":", 1)[1])

    def peer_port(self, node):
        return self.port(node) + 100

    def client(self, node, **options):
        return redis.Redis(port=self.port(node), decode_responses=True, socket_timeout=options.pop("socket_timeout", 30), **options)

    def run(self, *args):
        """(exit code, stdout, stderr) of a verb."""
        done = subprocess.run([TRUCE, *args, "--dir", self.dir], capture_output=True, text=True, timeout=1000, check=False)
        return done.returncode, done.stdout, done.stderr

    def truce(self, *args):
        """The output of a verb that must succeed."""
        code, out, err = self.run(*args)
        check(code == 0, f"truce {' '.join(args)} ended with {code}: {err}{out}")
        return out

    def json(self, *args):
        return json.loads(self.truce(*args, "--json"))

    def status(self, node):
        return json.loads(self.client(node).execute_command("TRUCE.STATUS"))

    def settle(self, timeout="60s"):
        self.truce("status", "--settle", timeout)

    def conflicts(self, where, key=None):
        return self.json("conflicts", where, *([key] if key else []))["conflicts"]

    def pid(self, node):
        with open(os.path.join(self.dir, node, "pid"), encoding="ascii") as f:
            return int(f.read())

    def log(self, node):
        try:
            with open(os.path.join(self.dir, node, "log"), encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def stop(self):
        if os.path.exists(os.path.join(self.dir, "cluster.json")):
            self.run("down")
        shutil.rmtree(self.dir, ignore_errors=True)


def show_logs():
    for cluster in clusters:
        print(cluster.run("status")[1])
        for node in cluster.nodes:
            for line in cluster.log(node).splitlines()[-8:]:
                print(f"     log of {node}: {line}")


def stop_clusters():
    while clusters:
        clusters.pop().stop()


atexit.register(stop_clusters)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing is left running


def process_figure(pid, name):
    """A figure of /proc/PID/status in KiB, such as VmRSS."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        for line in f:
            if line.startswith(name + ":"):
                return int(line.split()[1])
    raise Failure(f"no {name} of process {pid}")


def send_raw(port, payload, timeout_s=5, wait=True):
    """Sends bytes to a port and returns what came back until it was closed, quiet, or `timeout_s` were over."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as s:
        try:
            s.sendall(payload)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        answer = b""
        try:
            while wait:
                piece = s.recv(65536)
                if not piece:
                    break
                answer += piece
        except (socket.timeout, ConnectionResetError):
            pass
        return answer
