"""What the benchmark asks of the machine: processes with their CPU time, memory and disk; how busy others kept it; a small Redis client."""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(ROOT, "tests/bench")
TICKS = os.sysconf("SC_CLK_TCK")
WAIT_S = 300


class Wrong(Exception):
    """Something is wrong, not slow: the benchmark fails."""


class Settings:
    """What the command line says; filled in by run."""
    build = None
    dir = None
    port_base = 24000
    writes = 1000000
    memory_mb = None  # of a Truce node; its default
    cluster = {}  # more keys of its cluster file
    wrapper = None  # a program to start a node under, for profiles


def program(name):
    return os.path.join(Settings.build, "tests/bench", name)


def wait_until(condition, what, timeout_s=WAIT_S, pause_s=0.001):
    """Asks again and again; that it does not become true at all is wrong."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Wrong(f"after {timeout_s} s still not: {what}")
        time.sleep(pause_s)


# ---- processes ----
class Process:
    """A server of the benchmark's own, in a directory of its own."""

    def __init__(self, argv, name, directory):
        self.name, self.directory = name, directory
        self.log_path = os.path.join(directory, "output")
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=directory)

    @property
    def pid(self):
        return self.child.pid

    def log_tail(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return "\n".join(f.read().splitlines()[-10:])

    def check(self):
        code = self.child.poll()
        if code is not None:
            raise Wrong(f"{self.name} ended with {code}: {self.log_tail()}")

    def cpu_s(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def threads_cpu_s(self):
        """By the name of the thread; threads of one name together."""
        found = {}
        for task in os.listdir(f"/proc/{self.pid}/task"):
            try:
                with open(f"/proc/{self.pid}/task/{task}/stat", encoding="ascii", errors="replace") as f:
                    name, _, rest = f.read().partition("(")[2].rpartition(")")
            except OSError:
                continue
            fields = rest.split()
            name = "the node's own" if task == str(self.pid) else name
            found[name] = found.get(name, 0) + (int(fields[11]) + int(fields[12])) / TICKS
        return found

    def memory_mib(self, figure):
        """VmRSS or VmHWM."""
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as f:
            for line in f:
                if line.startswith(figure + ":"):
                    return int(line.split()[1]) / 1024
        raise Wrong(f"{self.name}: no {figure}")

    def stop(self):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(60)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()


class Load:
    """A client program that writes and ends; its CPU time is its own, not the servers'."""

    def __init__(self, argv):
        self.argv = argv
        self.output = tempfile.TemporaryFile("w+", dir=Settings.dir)
        self.child = subprocess.Popen(argv, stdout=self.output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.cpu_s = 0

    def wait(self):
        """Its output, when it has ended well."""
        _, status, usage = os.wait4(self.child.pid, 0)
        self.child.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_s = usage.ru_utime + usage.ru_stime
        self.output.seek(0)
        text = self.output.read()
        self.output.close()
        if self.child.returncode != 0 or "rror" in text:
            raise Wrong(f"{' '.join(self.argv)} ended with {self.child.returncode}: {text[-1000:]}")
        return text


def json_of(argv):
    """What a program of the benchmark prints."""
    return [json.loads(line) for line in Load(argv).wait().splitlines() if line.startswith("{")]


def redis_benchmark(port, writes, pipeline):
    clients = 8
    return Load(["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "-t", "set", "-n", str(writes), "-r", "1000000", "-d", "128",
                 "-P", str(pipeline), "-c", str(clients), "--csv"])


def accepted_per_s(output):
    """Of redis-benchmark's table, or of a line of JSON."""
    for line in output.splitlines():
        if line.startswith('"SET'):
            return float(line.split(",")[1].strip('"'))
        if line.startswith("{"):
            return json.loads(line)["per_s"]
    raise Wrong(f"no figure in the load's output: {output[-500:]}")


# ---- disk and machine ----
def disk_bytes(path):
    total = 0
    for folder, _, files in os.walk(path):
        for name in files:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


def machine_busy_s():
    """CPU seconds that anybody on this machine took, and those that its host took away."""
    with open("/proc/stat", encoding="ascii") as f:
        fields = [int(v) / TICKS for v in f.readline().split()[1:]]
    return fields[0] + fields[1] + fields[2] + fields[5] + fields[6], fields[7]


class Span:
    """A stretch of time: what servers, client and others took of the CPU in it."""

    def __init__(self, processes):
        self.processes = processes
        self.started = time.monotonic()
        self.cpu_before = self.servers_cpu()
        self.busy_before = machine_busy_s()

    def servers_cpu(self):
        return sum(p.cpu_s() for p in self.processes)

    def elapsed(self):
        return time.monotonic() - self.started

    def cpu_s(self):
        return self.servers_cpu() - self.cpu_before

    def others(self, client_cpu_s):
        """How many processors others kept busy, the host's share included."""
        busy, steal = machine_busy_s()
        taken = busy - self.busy_before[0] - self.cpu_s() - client_cpu_s
        return max(0.0, taken + steal - self.busy_before[1]) / self.elapsed()


def new_directory(name):
    return tempfile.mkdtemp(prefix=f"{name}-", dir=Settings.dir)


def remove(path):
    shutil.rmtree(path, ignore_errors=True)


# ---- a small Redis client ----
class Redis:
    """Enough of the protocol for what the benchmark asks: bulk strings, integers, status, flat arrays."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def __call__(self, *words):
        parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        return self.answer()

    def answer(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise Wrong("a server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if rest == b"-1":
                return None
            return self.file.read(int(rest) + 2)[:-2].decode("utf-8", "replace")
        if kind == b"*":
            return [self.answer() for _ in range(int(rest))]
        raise Wrong(f"a server answered {rest.decode('utf-8', 'replace')}")

    def close(self):
        self.file.close()
        self.socket.close()


def connect(port, what):
    def attempt():
        try:
            return Redis(port)
        except OSError:
            return None
    return wait_until(attempt, f"{what} takes connections", 60, 0.02)
