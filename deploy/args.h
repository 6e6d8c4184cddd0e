/* The verbs of the command `truce` and what each takes. */
#pragma once
#include <stdbool.h>

struct run;

/* name, arguments, options it takes beside --dir and --json, what it does */
#define VERBS(X)                                                                                                                                     \
    X(up, "", "dcs nodes port-base fsync memory-mb", "start a cluster here, or what is missing of it, and wait until every DC takes writes")         \
    X(down, "", "", "stop all nodes; the data stays")                                                                                                \
    X(status, "", "watch settle", "nodes, links, lag, version vectors, digests, and what is wrong in words")                                         \
    X(cut, "A B | 'A B | C' | 'A > B'", "", "drop everything between DCs or nodes; with > in one direction alone")                                   \
    X(clog, "A B | 'A B | C' | 'A > B'", "", "hold everything that is sent between DCs or nodes, until it is healed")                                \
    X(heal, "[A B | '*']", "", "lift cuts, clogs and slowness between A and B, or everywhere")                                                       \
    X(slow, "A B", "latency jitter loss rate", "delay, lose or throttle what is sent between DCs or nodes, each way")                                \
    X(kill, "NODE...", "", "kill -9")                                                                                                                \
    X(start, "NODE... | '*'", "", "start nodes that are not running, under the cuts that are still ordered")                                         \
    X(pause, "NODE...", "", "stop the process where it is (SIGSTOP)")                                                                                \
    X(resume, "NODE...", "", "let it go on (SIGCONT)")                                                                                               \
    X(add_node, "DC", "", "one more node for a DC; it takes what the others have, and is a member then, without a pause for anybody")                \
    X(add_dc, "NAME", "nodes", "one more DC, with --nodes nodes (default 1)")                                                                        \
    X(remove_node, "NODE", "force", "take a node out, with all that it has; one that is dead only with --force")                                     \
    X(remove_dc, "DC", "force", "take a whole DC out")                                                                                               \
    X(move_leader, "NODE", "", "let this node lead its datacenter; writes wait for the moment that it takes")                                        \
    X(wipe, "NODE", "", "empty the data directory of a node that does not run; it takes everything from the others when it starts")                  \
    X(backup, "NODE NAME", "", "copy its data directory under this name; a node that runs stands still meanwhile")                                   \
    X(restore, "NODE NAME", "", "put this copy back, while the node does not run; it takes the rest from the others when it starts")                 \
    X(skew, "NODE... | '*'", "by drift frozen", "set clocks wrong; --by 0 sets them right")                                                          \
    X(do, "DC|NODE \"COMMAND\"", "raw", "run a Redis command there; quoting as in redis-cli")                                                        \
    X(conflicts, "[DC|NODE] [KEY] | list [TABLE|KEY] | show ID | resolve ID | resolve --table T | export [ID] | restore ID [DOT]",                   \
      "limit all at take rule value edit table out",                                                                                                 \
      "what lost, with its value, and against what; the inbox of conflicts: to list, show by column, resolve, write out, bring a loser back")        \
    X(table, "list | set NAME POLICY | reset NAME", "at settings force",                                                                             \
      "which policy settles the conflicts of a table: lww, priority, merge, record, handler:NAME")                                                   \
    X(verify, "", "repair from at",                                                                                                                  \
      "compare all replicas while writes go on, name the rows that differ, where and how; on demand make them what they are on most nodes")          \
    X(handler, "new NAME | check NAME.so | list | install NAME.so", "settings recorded into force",                                                  \
      "conflict handlers in C (conflict/HANDLERS.md): a new project in --dir, the admission check, what nodes have; --dir names the cluster")        \
    X(capture, "[TITLE]", "since out",                                                                                                               \
      "what happened to the cluster, as a scenario: its writes, each knowing what it knew, its cuts and kills, and what came of it")                 \
    X(replay, "FILE", "seed seeds jobs keep no-shrink trace step hash policy handler force report live namespaces port-base",                        \
      "play a scenario (dc-node/scenario/SCENARIOS.md) in the simulator: does everything hold that it expects?")                                     \
    X(help, "[VERB]", "", "this text")                                                                                                               \
    X(version, "", "", "the version")

#define OPTIONS(X)                                                                                                                                   \
    X(dir, true, "D", "the cluster's directory (default ./truce-cluster)")                                                                           \
    X(json, false, "", "answer with one JSON object")                                                                                                \
    X(dcs, true, "us,eu,ap", "names of the DCs (default us,eu,ap)")                                                                                  \
    X(nodes, true, "N", "nodes of each DC (default 3)")                                                                                              \
    X(port_base, true, "P", "clients connect at P+1, P+2 ..., nodes at P+101 ... (default 7400; replay --live: 7600)")                               \
    X(fsync, true, "yes|no", "answer a write when it is on disk (default yes)")                                                                      \
    X(memory_mb, true, "N", "memory of each node for rows, queues and buffers (default 256)")                                                        \
    X(watch, false, "", "again every second, until Ctrl-C")                                                                                          \
    X(settle, true, "30s", "wait until all nodes run and agree; exit code 3 when they do not in that time")                                          \
    X(latency, true, "80ms", "added to every frame, one way")                                                                                        \
    X(jitter, true, "5ms", "up to so much more or less")                                                                                             \
    X(loss, true, "1%", "of the frames")                                                                                                             \
    X(rate, true, "1mbit", "bits per second; bytes per second as 100kb, 1mb")                                                                        \
    X(by, true, "1h", "so much ahead, or behind: -200ms")                                                                                            \
    X(drift, true, "200ppm", "it goes so much too fast, or too slow: -200ppm")                                                                       \
    X(frozen, false, "", "it stands")                                                                                                                \
    X(limit, true, "N", "show so many entries (default 1000)")                                                                                       \
    X(settings, true, "JSON", "the table's settings, as the handler gets them (default {})")                                                         \
    X(recorded, true, "FILE", "check it on these conflicts too: what `truce conflicts export` writes, and what they expect")                         \
    X(into, true, "D", "the directory of handlers (default: that of the cluster in --dir)")                                                          \
    X(force, false, "", "also what the admission check did not admit; remove also what is dead")                                                     \
    X(all, false, "", "closed conflicts too")                                                                                                        \
    X(repair, false, "", "repair what differs")                                                                                                      \
    X(from, true, "NODE", "the node that has the right row, where most nodes do not agree")                                                          \
    X(at, true, "DC|NODE", "ask there (default: the first that answers)")                                                                            \
    X(take, true, "DC|DOT", "resolve with the version of this datacenter, or of this dot")                                                           \
    X(rule, true, "RULE", "resolve by rule: latest, earliest, priority, longest")                                                                    \
    X(value, true, "V", "resolve with this value; of a hash a JSON object of its columns")                                                           \
    X(edit, false, "", "resolve with what you make of the versions in $EDITOR")                                                                      \
    X(table, true, "T", "all conflicts of this table")                                                                                               \
    X(out, true, "FILE", "write to this file")                                                                                                       \
    X(since, true, "T", "from this time on: 2026-11-21T08:40:42Z, or 10m (ago); default from the beginning")                                         \
    X(seed, true, "N", "draw everything that is left open from this seed (default: the file's)")                                                     \
    X(seeds, true, "A..B", "all these seeds, on all cores; of failures the first is made small and written out")                                     \
    X(jobs, true, "N", "so many processes (default: one for each core)")                                                                             \
    X(keep, true, "DIR", "write what fails, made small, to FILE.seed-N.json there, one seed too (default: beside FILE)")                             \
    X(no_shrink, false, "", "write nothing out")                                                                                                     \
    X(trace, false, "", "show what happens, a column for each datacenter")                                                                           \
    X(step, false, "", "stop before each step, to look around (help)")                                                                               \
    X(hash, false, "", "the hash of the trace alone: the same on every machine")                                                                     \
    X(policy, true, "TABLE=POLICY", "what if: play it under this policy too, and show row by row what differs; may be given again")                  \
    X(handler, true, "NAME.so", "a handler that policies may name, beside those of the file; may be given again")                                    \
    X(report, true, "out.html", "write a page that shows it all")                                                                                    \
    X(live, false, "", "on real processes, and where the simulated outcome differs; they live in --keep DIR or --dir D")                             \
    X(namespaces, false, "", "each of them in a network namespace of its own, where this machine allows it")                                         \
    X(raw, false, "", "replies without types and quotes, as redis-cli prints them into a pipe")

#define ARGS_GIVEN_MAX 64
struct args {
    const char *verb;
#define X(name, wants_value, value, doc) const char *name; /* NULL: not given; without a value: the option itself */
    OPTIONS(X)
#undef X
    char **words; /* what stands behind the verb and is no option */
    int words_count;
    struct {
        const char *option, *value; /* as "port_base" */
    } given[ARGS_GIVEN_MAX];        /* every option that has a value, as often as it was given, in order */
    int given_count;
};

struct verb {
    const char *name /* add_node is add-node on the command line: option_name() */, *arguments, *options, *doc;
    int (*run)(struct run *r);
};
extern const struct verb verbs[];
extern const int verbs_count;

/* Fill *ret from the command line. False: *ret_why says in one line what is wrong (static or of argv). The words are moved to the end of argv; what
 * follows `--` is never an option. */
bool args_parse(int argc, char **argv, struct args *ret, char ret_why[static 256]);
const struct verb *verb_find(const char *name); /* NULL: none */
/* The name of an option or a verb on the command line: port_base is --port-base. */
void option_name(const char *field, char ret[static 32]);
bool verb_takes(const struct verb *v, const char *option);
