/* A scenario: which datacenters there are, and what happens to them (DESIGN, section 10; schemas/scenario.schema.json).
 *
 * From file to run there are two steps. A file may leave numbers open (`"200ms..2s"`, `"1..5"`), name nodes by chance (`any us`), and ask for faults
 * by chance (`faults`); scenario_draw() draws all that from a seed and gives an *expanded* file, which is a scenario file like any other. Then
 * scenario_parse() reads an expanded file. What is shrunk, kept as a regression, or captured is an expanded file.
 *
 * Pure: no clock, no network; scenario_load() alone reads a file. */
#pragma once
#include "../../schemas/cluster.h"
#include "../../topology/sides.h"
#include "../sim/world.h"

#include <jansson.h>

#define SCENARIO_STEPS_MAX 100000u
#define SCENARIO_WORDS_MAX 256u /* of one command */

/* ---- what steps do ---- */

/* name, what it takes, what it does */
#define STEP_VERBS(X)                                                                                                                                \
    X(DO, "do", "runs a command: at a `dc` (its leader, else a node of it that runs) or `node`")                                                     \
    X(CUT, "cut", "`us | eu ap`, one-way `us > eu`: what is sent is lost")                                                                           \
    X(CLOG, "clog", "likewise: what is sent is held, and comes when it is healed")                                                                   \
    X(HEAL, "heal", "`*`, or sides as for cut: lifts cuts, clogs and slowness")                                                                      \
    X(SLOW, "slow", "sides, with latency, jitter, loss, rate, repeat, corrupt, replay, reorder")                                                     \
    X(DISCONNECT, "disconnect", "sides: connections end, and come again")                                                                            \
    X(KILL, "kill", "nodes or DCs: kill -9; with `power`: what was not synced is lost in part")                                                      \
    X(START, "start", "nodes or DCs; `*`: all that do not run")                                                                                      \
    X(PAUSE, "pause", "nodes or DCs: SIGSTOP")                                                                                                       \
    X(RESUME, "resume", "nodes or DCs, `*`")                                                                                                         \
    X(WIPE, "wipe", "nodes or DCs that do not run: their data is gone")                                                                              \
    X(BACKUP, "backup", "a node: its data directory is copied `as` a name")                                                                          \
    X(RESTORE, "restore", "a node that does not run: its data becomes the backup `from` that name")                                                  \
    X(SKEW, "skew", "nodes or DCs: their clocks go `by` so much off, `drift`, or stand (`frozen`)")                                                  \
    X(DISK, "disk", "nodes or DCs: `state` is full, slow, failing, or ok")                                                                           \
    X(WORKLOAD, "workload", "clients of a named kind (load.h), `for` some time")                                                                     \
    X(SETTLE, "settle", "waits until nothing is under way and all running nodes agree, at most so long")                                             \
    X(EXPECT, "expect", "a predicate that must hold, now or `within` some time")                                                                     \
    X(NEVER, "never", "a predicate that must not hold from here on, `until` a time or to the end; looked at `every` so often")
enum step_verb {
#define X(NAME, text, doc) STEP_##NAME,
    STEP_VERBS(X)
#undef X
};
const char *step_verb_name(enum step_verb v);

/* `faults`: what is drawn over some time; each begins, and is undone, as plain steps. name, what it needs, what it gives */
#define FAULT_KINDS(X)                                                                                                                               \
    X(CUT, "cut", 2, "datacenters, or nodes, are cut from the others")                                                                               \
    X(ONE_WAY, "one-way", 2, "likewise, in one direction")                                                                                           \
    X(CLOG, "clog", 2, "what is sent between them is held, and comes all at once")                                                                   \
    X(FLAP, "flap", 2, "cut and healed again and again, every 100ms to 5s")                                                                          \
    X(DISCONNECT, "disconnect", 2, "connections end")                                                                                                \
    X(SLOW, "slow", 2, "latency of 50 to 800 ms, jitter, at times a low rate")                                                                       \
    X(LOSSY, "lossy", 2, "frames are lost, come twice, changed, late, or in another order")                                                          \
    X(KILL, "kill", 1, "a node, or a whole datacenter, by kill -9")                                                                                  \
    X(POWER, "power", 1, "likewise, and what was not synced is lost in part")                                                                        \
    X(PAUSE, "pause", 1, "a node, or a whole datacenter, stands still")                                                                              \
    X(SKEW, "skew", 1, "a node's clock jumps up to an hour, drifts, or stands")                                                                      \
    X(DISK, "disk", 1, "a node's disk is slow, full, or fails")                                                                                      \
    X(WIPE, "wipe", 3, "a node of a datacenter of three or more loses its data; one at a time in each")                                              \
    X(RESTORE, "restore", 3, "likewise: it gets an old backup of its data")

/* ---- predicates, of `expect` and `never` ---- */

#define PREDICATES(X)                                                                                                                                \
    X(CONVERGED, "converged", "all nodes run, and have one VV and one digest")                                                                       \
    X(DIGESTS, "digests", "all running nodes have one digest")                                                                                       \
    X(CONFLICTS, "conflicts TABLE|KEY|*", "a number: open conflicts there, as TRUCE.CONFLICTS LIST tells")                                           \
    X(LOSERS, "losers KEY", "a list: values of that row in the journal, in order of stamp")                                                          \
    X(SIBLINGS, "siblings KEY", "a list: the row's live values, in order of dot")                                                                    \
    X(LAG, "lag DC > DC|NODE", "a time: how long the oldest write of that DC waits which is not there")                                              \
    X(BACKLOG, "backlog DC > DC|NODE", "a number: writes of that DC which are not there")                                                            \
    X(LEADER, "leader DC", "the name of its leader, or nothing while it has none that runs")                                                         \
    X(ROLE, "role NODE", "leader, follower, returning, down, or paused")                                                                             \
    X(WORKLOAD, "workload NAME|*", "its clients' own checks hold, at rest (load.h)")                                                                 \
    X(SESSIONS, "sessions", "no client with a token has read what breaks its session (FAULTS I9)")                                                   \
    X(COMMAND, "any command", "its reply, at each of the nodes in `in`")
enum predicate_kind {
#define X(NAME, form, doc) PREDICATE_##NAME,
    PREDICATES(X)
#undef X
};

/* What a reply is held against. Replies become JSON: status and bulk strings and integers are strings, nil is null, arrays are lists, a
 * hash's or a map's pairs are an object, sets are sorted lists, an error is {"error": "ERR ..."}. Numbers are compared as numbers where both sides
 * are. */
enum comparison {
    COMPARE_HOLDS,    /* none was given: it is true, not nil, not an error, not empty, not 0 */
    COMPARE_IS,       /* `is` */
    COMPARE_NOT,      /* `is_not` */
    COMPARE_ONE_OF,   /* `one_of`: a list */
    COMPARE_CONTAINS, /* `contains`: a text within a text, or a list's members (each of a given list) */
    COMPARE_LACKS,    /* `lacks` */
    COMPARE_MATCHES,  /* `matches`: a glob */
    COMPARE_AT_LEAST, /* `at_least`, `at_most`: numbers or times */
    COMPARE_AT_MOST,
    COMPARE_COUNT, /* `count`: of a list, or the number itself */
    COMPARE_FAILS, /* `fails`: an error that contains this text; true: any error; false: none; no answer counts as the error "no answer" */
};
#define COMPARISONS_MAX 4
struct compare {
    enum comparison how;
    const json_t *with; /* borrowed of the file */
};
struct predicate {
    enum predicate_kind kind;
    const char *text;    /* as it stands in the file */
    const char *subject; /* TABLE, KEY, NODE, NAME; of COMMAND the text of the command */
    uint32_t dc;         /* LAG, BACKLOG: of whose writes; LEADER: of which */
    bool in[NODES_MAX];  /* where it is asked: `in`, default all nodes (a node that does not run is left out unless it was named) */
    bool in_named;
    struct compare compare[COMPARISONS_MAX]; /* all must hold */
    uint32_t compare_count;
};

/* ---- steps ---- */

struct step {
    enum step_verb verb;
    uint32_t number;    /* from 1, of the steps as they were drawn */
    uint32_t line;      /* where it stands in the file that was drawn from; 0: not known */
    const json_t *json; /* the step itself, borrowed of the file; its `note`, if it has one, is for readers */
    /* When: `at` counts from the beginning, `after` from the end of the step before. A step without either begins when the one before has ended: a
     * `do` with its reply, a `settle` when it has settled, an `expect` when it holds. A `do` or `workload` does not hold up a later step that has a
     * time of its own: `after` one of them counts from its beginning; but after a `do` under `knows`, which may have to wait for what it is to know,
     * from its end. */
    enum { WHEN_NEXT, WHEN_AT, WHEN_AFTER } when;
    uint64_t when_us;
    bool nodes[NODES_MAX];    /* DO, KILL ... DISK, WORKLOAD: which */
    struct sides sides;       /* CUT, CLOG, HEAL, SLOW, DISCONNECT */
    bool everywhere;          /* HEAL `*`: all links; the sides are empty */
    struct link_options link; /* SLOW */
    bool power;               /* KILL */
    const char *name;         /* BACKUP, RESTORE: of the backup; WORKLOAD: its own, else its kind */
    int64_t skew_ms;          /* SKEW */
    int32_t drift_ppm;
    bool frozen;
    enum disk_state disk; /* DISK */
    uint64_t disk_us;     /* DISK_SLOW: a commit takes up to this */
    /* SETTLE: at most; EXPECT: `within`, else 0; NEVER: `every`, else 50 ms; DO: patience, `within`, else 30 s; WORKLOAD: `for` */
    uint64_t length_us;
    uint64_t until_us;          /* NEVER; UINT64_MAX: to the end */
    struct predicate predicate; /* EXPECT, NEVER */

    /* DO */
    bool at_leader;      /* a `dc` was named: the leader if it runs */
    const char *command; /* quoting as in redis-cli; `$name` is a saved reply */
    /* `"do": ["HSET a x 1", "INCR b"]`: one transaction, sent as MULTI ... EXEC; the reply is that of EXEC. NULL: a single command; else `command` is
     * the first of them. Owned. */
    const char **transaction;
    uint32_t transaction_count;
    const char *client; /* `client`: its own connection, kept; NULL: the node's own */
    const char *save;   /* `as`: the reply is kept under this name */
    const char *label;  /* `label`: the event that it makes is known by it to `knows` */
    const char **knows; /* `knows`: labels; the write's context is just what these knew and they themselves */
    uint32_t knows_count;
    bool knows_given; /* an empty list: it knows nothing */
    struct compare compare[COMPARISONS_MAX];
    uint32_t compare_count;
};

struct scenario {
    json_t *file;      /* owned; expanded */
    char *path;        /* owned; stands in messages */
    const char *name;  /* "scenario" */
    const char *about; /* what it teaches; NULL: nothing was said */
    uint64_t seed;
    struct cluster *cluster;    /* owned; nodes have names and no addresses */
    bool down[NODES_MAX];       /* not there before a `start` */
    struct link_options *links; /* owned: [from * nodes_count + to], before any step */
    uint64_t client_us_max;     /* "clients": {"latency": ...}: a request, and its reply, take 0..this; default 0 */
    struct step *steps;         /* owned */
    uint32_t steps_count;
    bool no_end;     /* "end": "as it is": the run ends after the last step; else everything is healed, and must settle and agree */
    uint64_t end_us; /* how long it may take to settle then */
    /* "handlers": {"stock": "bounded_stock.so"}: paths relative to the file; simulated ones (dc-node/sim/handlers.h) need no entry */
    struct scenario_handler {
        char name[NAME_LEN_MAX + 1];
        char *path; /* owned, absolute or relative to the working directory */
    } * handlers;
    uint32_t handlers_count;
};

/* Reads a file into JSON, with the lines of its values for messages (places.h). NULL: *why holds one line, such as
 *   cut.json:12:3: '}' expected near end of file
 * Duplicate keys are errors. */
struct scenario_file {
    json_t *json;          /* owned */
    char *path;            /* owned */
    struct places *places; /* owned; NULL for a file that was made, not read */
};
bool scenario_load(const char *path, struct scenario_file *ret, struct buf *why);
bool scenario_read(const char *path, struct slice text, struct scenario_file *ret, struct buf *why);
void scenario_file_finish(struct scenario_file *f);

/* Draws everything that is left open; the same file and seed give the same JSON on every machine. `seed` NULL: the file's own, else 1. The caller
 * owns *ret, which has "seed" set. False: *why, as below. */
bool scenario_draw(const struct scenario_file *f, const uint64_t *seed, json_t **ret, struct buf *why);
/* Is anything left to chance but what the world draws (jitter, times of disks)? */
bool scenario_is_open(const json_t *file);

/* Reads an expanded file. `f` gives the path, and the lines where steps stand; `expanded` is consumed. False: *why holds one line that names the
 * place: cut.json:14: step 3 (cut): expected sides such as "us | eu ap", got "us eu |" cut.json:7: links.us ap.loss: expected 0% to 100%, got "1"
 * Unknown keys, verbs and names are errors. */
bool scenario_parse(const struct scenario_file *f, json_t *expanded, struct scenario *ret, struct buf *why);
void scenario_finish(struct scenario *s);

/* Puts other policies in place of the tables' own, before it is drawn: "users=record", "*=lww". False: *why. */
bool scenario_set_policy(json_t *file, const char *table_and_policy, struct buf *why);

/* As a file: two blanks, steps on one line each where they fit. Appends. */
void scenario_print(const json_t *file, struct buf *out);
