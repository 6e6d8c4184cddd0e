"""Clients that write while nodes fall, and remember what was acknowledged; and the reckoning with what the nodes hold afterwards."""
import socket
import threading
import time

BATCH = 16
DELETE_BEHIND = 64  # every eighth command deletes what was written so many commands ago


def command_of(prefix, i):
    """The i-th command of a writer: rows of its own, some of them deleted later, one row written again and again, and a counter."""
    if i % 8 == 7 and i >= DELETE_BEHIND:
        return ("DEL", f"{prefix}:{i - DELETE_BEHIND - 1}")
    if i % 8 == 3:
        return ("INCR", f"{prefix}:n")
    if i % 8 == 5:
        return ("SET", f"{prefix}:last", str(i))
    return ("SET", f"{prefix}:{i}", str(i))


class Writer(threading.Thread):
    """Writes at one node, in small pipelines, until it is stopped; connects again when a connection breaks. `ack`: the level that it asks for."""

    def __init__(self, port, prefix, rest_s=0.0, ack=None):
        super().__init__(daemon=True)
        self.port, self.prefix, self.rest_s, self.ack, self.stop = port, prefix, rest_s, ack, False
        self.acked, self.missed, self.refused, self.unknown = set(), set(), set(), set()

    def exchange(self, stream, sock, batch):
        sock.sendall("".join(" ".join(command_of(self.prefix, i)) + "\r\n" for i in batch).encode())
        for i in batch:
            line = stream.readline()
            if not line.endswith(b"\r\n"):
                raise ConnectionError
            if line == b":0\r\n":
                self.missed.add(i)  # a delete at a leader that did not know of the row
            elif line[:1] in (b"+", b":"):
                self.acked.add(i)
            elif line.startswith((b"-NOLEADER", b"-LOADING", b"-OOM", b"-MISCONF")):
                self.refused.add(i)
            else:
                self.unknown.add(i)

    def run(self):
        n = 0
        while not self.stop:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=60) as sock:
                    stream = sock.makefile("rb")
                    if self.ack:
                        sock.sendall(f"TRUCE.ACK {self.ack}\r\n".encode())
                        if stream.readline()[:1] != b"+":
                            continue
                    while not self.stop:
                        batch = range(n, n + BATCH)
                        n += BATCH
                        try:
                            self.exchange(stream, sock, batch)
                        except OSError:
                            self.unknown.update(set(batch) - self.acked - self.missed - self.refused)
                            raise
                        if batch[-1] in self.refused:
                            time.sleep(0.01)
                        time.sleep(self.rest_s)
            except OSError:
                time.sleep(0.02)


def start_writers(cluster, nodes=None, rest_s=0.004):
    writers = [Writer(cluster.port(node), f"w-{node}", rest_s) for node in nodes or cluster.nodes]
    for w in writers:
        w.start()
    return writers


def stop_writers(writers):
    for w in writers:
        w.stop = True
    for w in writers:
        w.join(90)


def wrong_rows(client, w):
    """What the rows of a writer should be and are not, as words."""
    live, gone = set(), set()
    for i in w.acked:
        command = command_of(w.prefix, i)
        if command[0] == "DEL":
            gone.add(command[1])
    doubtful = {command_of(w.prefix, i)[1] for i in w.unknown | w.missed if command_of(w.prefix, i)[0] == "DEL"}
    doubtful |= gone
    for i in w.acked:
        command = command_of(w.prefix, i)
        if command[0] == "SET" and command[1] == f"{w.prefix}:{i}" and command[1] not in doubtful:
            live.add(i)
    wrong, numbers, names = [], sorted(live), sorted(gone)
    for start in range(0, len(numbers), 1000):
        part = numbers[start:start + 1000]
        wrong += [f"{w.prefix}:{i} is lost" for i, got in zip(part, client.mget([f"{w.prefix}:{i}" for i in part])) if got != str(i)]
    for start in range(0, len(names), 1000):
        part = names[start:start + 1000]
        wrong += [f"{name} was deleted and is there" for name, got in zip(part, client.mget(part)) if got is not None]
    return wrong


def wrong_misses(w):
    """Deletes of what was acknowledged before, on the same connection or an earlier one, and was not there: what a majority has is not forgotten."""
    names = {f"{w.prefix}:{i}" for i in w.acked}
    return [f"{command_of(w.prefix, i)[1]} was acknowledged, and not there to be deleted" for i in w.missed if command_of(w.prefix, i)[1] in names]


def wrong_counts(client, w):
    counted = [sum(command_of(w.prefix, i)[0] == "INCR" for i in part) for part in (w.acked, w.unknown)]
    last = [[i for i in part if command_of(w.prefix, i)[1] == f"{w.prefix}:last"] for part in (w.acked, w.unknown)]
    n, value = int(client.get(f"{w.prefix}:n") or 0), client.get(f"{w.prefix}:last")
    wrong = []
    if not counted[0] <= n <= counted[0] + counted[1]:
        wrong.append(f"{w.prefix}:n is {n}, where {counted[0]} were acknowledged and {counted[1]} are unknown")
    if last[0] and (value is None or (int(value) < max(last[0]) and int(value) not in last[1])):
        wrong.append(f"{w.prefix}:last is {value}, where {max(last[0])} was acknowledged")
    return wrong


def wrong_at(cluster, writers):
    """Node by node, what is not as it was acknowledged."""
    wrong = [what for w in writers for what in wrong_misses(w)]
    for node in cluster.nodes:
        client = cluster.client(node)
        for w in writers:
            wrong += [f"{node}: {what}" for what in wrong_rows(client, w) + wrong_counts(client, w)]
    return wrong


def figures(writers):
    return (f"{sum(len(w.acked) for w in writers)} acknowledged, {sum(len(w.refused) for w in writers)} refused, "
            f"{sum(len(w.unknown) for w in writers)} unknown, {sum(len(w.missed) for w in writers)} deletes that met nothing")
