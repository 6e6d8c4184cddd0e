"""The figures as tables, in Markdown, so that they can be pasted where they are wanted."""


def number(value, digits=0):
    return "–" if value is None else f"{value:,.{digits}f}"


def table(title, head, rows):
    if not rows:
        return ""
    cells = [head, *rows]
    widths = [max(len(r[i]) for r in cells) for i in range(len(head))]
    lines = [" | ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths))) for r in cells]
    rule = "|".join(("-" * (w + 2)) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths))
    return "\n".join([f"### {title}", "", f"| {lines[0]} |", f"|{rule}|", *[f"| {line} |" for line in lines[1:]], "", ""])


def of(figures, key, name, digits=0):
    return number((figures.get(key) or {}).get(name), digits)


def pair_name(result):
    return f"{result['name']}, fsync {'on' if result['fsync'] else 'off'}"


def speed(results):
    rows = []
    for r in results:
        f = r["figures"]
        if not f.get("one_way") and not f.get("both_ways") and not f.get("pipeline1"):
            continue
        rows.append([pair_name(r), of(f, "one_way", "accepted_per_s"), of(f, "one_way", "end_to_end_per_s"), of(f, "both_ways", "end_to_end_per_s"),
                     of(f, "one_way", "cpu_s_per_m", 1), of(f, "one_way", "cpu_s_per_m_at_rest", 1), of(f, "both_ways", "cpu_s_per_m", 1),
                     of(f, "one_way", "client_cpu_s_per_m", 1), of(f, "pipeline1", "end_to_end_per_s"),
                     "/".join(of(f, key, "others", 1) for key in ("one_way", "both_ways"))])
    return table("Writes", ["pair", "accepted /s", "end to end /s", "both ways /s", "CPU s/M one way", "until at rest", "CPU s/M both ways",
                            "client CPU s/M", "pipeline 1 /s", "others' CPUs"], rows)


def lag(results):
    rows = []
    for r in results:
        f = r["figures"]
        if f.get("lag"):
            rows.append([pair_name(r), *[of(f, "lag", f"{series}_{p}_us") for series in ("sent", "answered", "answer") for p in ("p50", "p99")]])
    return table("Idle lag, µs", ["pair", "from sent p50", "p99", "from answered p50", "p99", "write answered p50", "p99"], rows)


def cuts(results):
    rows = []
    for r in results:
        f = r["figures"].get("catch_up")
        if f:
            rows.append([pair_name(r), number(f["accepted_per_s"]), number(f["visible_s"], 2), number(f.get("equal_s"), 2), number(f["per_s"]),
                         number(f["cpu_s_per_m"], 1), number(f["disk_mib_each"]), number(f["peak_mib"]), "yes" if f["agree"] else "no",
                         number(f["others"], 1)])
    return table("After a cut", ["pair", "accepted /s while cut", "all seen s", "equal s", "caught up /s", "CPU s/M", "disk MiB each", "peak MiB",
                                 "equal in the end", "others' CPUs"], rows)


def memory(results):
    rows = []
    for r in results:
        f = r["figures"]
        if f.get("idle") or f.get("at_rest"):
            rest = [of(f, "at_rest", name) for name in ("rss_mib", "payload_mib", "disk_rows_mib", "disk_log_mib")]
            rows.append([pair_name(r), of(f, "idle", "idle_rss_mib"), of(f, "one_way", "peak_mib"), of(f, "both_ways", "peak_mib"), *rest,
                         of(f, "at_rest", "disk_share", 2)])
    return table("Memory and disk of a node, MiB", ["pair", "idle", "peak one way", "peak both ways", "full, at rest", "payload", "rows on disk",
                                                    "log on disk", "disk / payload"], rows)


def floors(floor):
    rows = [[f["case"], number(f["per_s"]), number(f["cpu_us"], 2)] for f in floor or []]
    return table("RocksDB's own floor", ["what", "writes /s", "CPU µs per write"], rows)


def ratios(results):
    """Truce beside each rival of the same run and the same fsync."""
    rows = []
    for r in results:
        mine = next((t["figures"] for t in results if t["name"] == "Truce" and t["fsync"] == r["fsync"]), None)
        if mine is None or r["name"] == "Truce":
            continue
        cells = []
        for key, name in (("one_way", "end_to_end_per_s"), ("both_ways", "end_to_end_per_s"), ("one_way", "cpu_s_per_m"),
                          ("both_ways", "cpu_s_per_m"), ("lag", "sent_p50_us"), ("catch_up", "visible_s")):
            ours, theirs = (mine.get(key) or {}).get(name), (r["figures"].get(key) or {}).get(name)
            cells.append(f"{ours / theirs:.2f} ×" if ours and theirs else "–")
        rows.append([pair_name(r), *cells])
    return table("Truce as a multiple of", ["pair", "end to end /s", "both ways /s", "CPU one way", "CPU both ways", "lag p50", "caught up s"], rows)


def everything(results, floor):
    return "".join([speed(results), ratios(results), lag(results), cuts(results), memory(results), floors(floor)])
