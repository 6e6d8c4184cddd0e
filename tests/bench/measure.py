"""The measurements. Each takes a fresh pair, or one at rest, and returns figures by name."""
import time

import system
from system import Load, Settings, Span, Wrong, accepted_per_s, program, wait_until

KEY_BYTES, VALUE_BYTES = 16, 128
MIB = 1 << 20
SETTLE_S = 20


def agree(pair, strict):
    """Whether both sides hold the same in the end. Where that is a promise (strict) it is wrong when they do not."""
    if strict:
        pair.wait_rest()
        return True
    deadline = time.monotonic() + SETTLE_S
    while not pair.equal():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def peak_mib(pair):
    return max(p.memory_mib("VmHWM") for p in pair.processes)


def written(pair, span, sides, loads, writes):
    """Waits for the loads and until all is visible; the figures that follow from it."""
    accepted = sum(accepted_per_s(load.wait()) for load in loads)
    done_s = span.elapsed()
    pair.wait_visible(sides)
    visible_s = span.elapsed()
    client_s = sum(load.cpu_s for load in loads)
    return {"accepted_per_s": accepted, "end_to_end_per_s": writes / visible_s, "behind_s": visible_s - done_s, "others": span.others(client_s),
            "cpu_s_per_m": span.cpu_s() * 1e6 / writes, "client_cpu_s_per_m": client_s * 1e6 / writes}


def one_way(pair, writes, pipeline, strict):
    """All writes go to A and come to B."""
    span = Span(pair.processes)
    figures = written(pair, span, [0], [pair.load(0, writes, pipeline)], writes)
    pair.check_counts(writes)
    figures["agree"] = agree(pair, strict)
    figures["cpu_s_per_m_at_rest"] = span.cpu_s() * 1e6 / writes
    figures["peak_mib"] = peak_mib(pair)
    return figures


def both_ways(pair, writes, pipeline, strict):
    """Half of the writes go to each at the same time."""
    span = Span(pair.processes)
    loads = [pair.load(side, writes // 2, pipeline) for side in (0, 1)]
    figures = written(pair, span, [0, 1], loads, writes // 2 * 2)
    pair.check_counts(writes // 2 * 2)
    figures["agree"] = agree(pair, strict)
    figures["cpu_s_per_m_at_rest"] = span.cpu_s() * 1e6 / writes
    figures["peak_mib"] = peak_mib(pair)
    return figures


def steady_disk(pair):
    """Bytes of A's data when they have stopped to change."""
    sizes = [None]

    def steady():
        sizes.append(pair.data(0))
        return sizes[-1] == sizes[-2]
    wait_until(steady, "the size of the data on disk stays the same", 120, 2)
    return sizes[-1]


def at_rest(pair, writes):
    """Rows of distinct keys and values that do not compress; then what they take on disk and in memory when nothing is left to do."""
    Load([program("bench-fill"), str(pair.ports[0]), "0", str(writes), str(VALUE_BYTES)]).wait()
    pair.wait_rest()
    payload = writes * (KEY_BYTES + VALUE_BYTES)
    total = steady_disk(pair)
    return {"payload_mib": payload / MIB, "disk_mib": total / MIB, "disk_log_mib": pair.data(0, "log.rocksdb") / MIB,
            "disk_rows_mib": pair.data(0, "rows.rocksdb") / MIB, "disk_share": total / payload, "rss_mib": pair.processes[0].memory_mib("VmRSS")}


def catch_up(pair, writes, strict):
    """Cut, half of the writes on each side, heal: how long until each side has all of the other's. Beside as many rows as writes."""
    if not strict:
        pair.load(0, writes, 64).wait()
        pair.wait_visible([0])
    pair.cut()
    cut_write = pair.write_sentinel(0)
    span = Span(pair.processes)
    loads = [pair.load(side, writes // 2, 64) for side in (0, 1)]
    accepted = sum(accepted_per_s(load.wait()) for load in loads)
    if pair.sees_sentinel(1, 0, cut_write):
        raise Wrong(f"{pair.name}: a write came through while the two were cut apart")
    disk = [system.disk_bytes(d) for d in pair.directories]
    span = Span(pair.processes)
    latest = [(side, pair.write_sentinel(side)) for side in (0, 1)]
    pair.heal()
    for side, value in latest:
        wait_until(lambda: pair.alive() and pair.sees_sentinel(1 - side, side, value), f"{pair.name}: caught up", pause_s=0.005)
    visible_s = span.elapsed()
    figures = {"accepted_per_s": accepted, "visible_s": visible_s, "cpu_s_per_m": span.cpu_s() * 1e6 / writes, "others": span.others(0),
               "per_s": writes // 2 * 2 / visible_s, "disk_mib_each": max(disk) / MIB}
    if strict:
        pair.wait_equal()
        figures["equal_s"] = span.elapsed()
    figures["agree"] = agree(pair, strict)
    figures["peak_mib"] = peak_mib(pair)
    return figures


def idle_memory(pair):
    time.sleep(2)
    return {"idle_rss_mib": max(p.memory_mib("VmRSS") for p in pair.processes)}


def floor(writes):
    """RocksDB's own floor."""
    directory = system.new_directory("floor")
    try:
        return system.json_of([program("bench-floor"), directory, str(writes)])
    finally:
        system.remove(directory)


def measure_pair(kind, fsync, wanted, say, failed):
    """All measurements that are wanted of one kind of pair, each with a fresh one. What a rival does not manage goes to `failed`."""
    writes, strict, found = Settings.writes, kind.strict, {}

    def fresh(name, titles, *steps):
        if not wanted(name):
            return
        say(f"{kind.name}, fsync {'on' if fsync else 'off'}: {titles}")
        pair = None
        try:
            pair = kind(fsync)
            for key, step in steps:
                found[key] = step(pair)
        except Wrong as wrong:
            if strict:
                raise
            failed.append(f"{kind.name}, fsync {'on' if fsync else 'off'}, {titles}: {wrong}")
        finally:
            if pair:
                pair.stop()

    fresh("oneway", "one way", ("idle", idle_memory), ("one_way", lambda p: one_way(p, writes, 64, strict)))
    fresh("pipeline1", "one way, pipeline 1", ("pipeline1", lambda p: one_way(p, max(writes // 10, 1000), 1, strict)))
    fresh("lag", "lag", ("lag", lambda p: p.lag(2000)))
    if kind.both_ways:
        fresh("both", "both ways", ("both_ways", lambda p: both_ways(p, writes, 64, strict)))
    if kind.cuts:
        steps = [("at_rest", lambda p: at_rest(p, writes))] if strict else []
        fresh("cut", "a cut" + (" beside rows at rest" if strict else ""), *steps, ("catch_up", lambda p: catch_up(p, writes, strict)))
    return found
