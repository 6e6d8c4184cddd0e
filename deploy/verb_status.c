/* status: what every node says of itself and its links, as a table and in words. */
#include "../schemas/units.h"
#include "faults.h"
#include "print.h"
#include "process.h"
#include "run.h"
#include "settled.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;
static void on_interrupt(int signal_number) { interrupted = signal_number; }

struct view {
    const struct local *local;
    const struct faults *faults;
};

static const char *text_of(const json_t *o, const char *key) {
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

/* us-1.<hex>:40,us-1.<hex>:2 becomes "us-1 42": the incarnations of a node together. */
static void shorten_vv(const char *vv, struct buf *out) {
    char last[NAME_LEN_MAX + 8] = "";
    unsigned long long sum = 0;
    for (const char *at = vv; *at;) {
        size_t n = strcspn(at, ","), name = strcspn(at, ".");
        const char *colon = memchr(at, ':', n);
        if (colon == NULL || name >= sizeof last) break;
        bool same = strlen(last) == name && strncmp(last, at, name) == 0;
        if (!same && last[0]) buf_printf(out, "%s:%llu ", last, sum);
        if (!same) snprintf(last, sizeof last, "%.*s", (int)name, at), sum = 0;
        sum += strtoull(colon + 1, NULL, 10);
        at += n;
        if (*at == ',') at++;
    }
    if (last[0])
        buf_printf(out, "%s:%llu", last, sum);
    else
        buf_printf(out, "-");
    buf_u8(out, 0);
}

/* What is ordered to a link, seen from one of its nodes. */
struct ordered {
    bool cut;
    struct buf words;
};

static struct ordered ordered_of(const struct view *v, const char *node, const char *peer) {
    int a = cluster_find(v->local->cluster, slice_text(node)), b = cluster_find(v->local->cluster, slice_text(peer));
    struct ordered ret = {0};
    if (a < 0 || b < 0) return ret;
    const struct link_fault *out = faults_of(v->faults, (uint32_t)a, (uint32_t)b), *in = faults_of(v->faults, (uint32_t)b, (uint32_t)a);
    struct link_fault slow = *out;
    slow.cut = false;
    ret.cut = out->cut || in->cut;
    if (ret.cut)
        buf_printf(&ret.words, out->cut && in->cut ? "cut by order"
                               : out->cut          ? "what it sends there is cut by order"
                                                   : "what comes from there is cut by order");
    if (link_fault_none(&slow)) return ret;
    struct buf how = {0};
    link_fault_describe(&slow, &how);
    buf_printf(&ret.words, "%sslowed by order: %.*s", ret.words.n ? ", " : "", (int)how.n, (const char *)how.p);
    buf_finish(&how);
    return ret;
}

/* "eu-1 up, ap-1 cut" */
static void list_links(const struct view *v, const char *node, const json_t *peers, struct buf *out, uint64_t *ret_lag_ms) {
    size_t i;
    json_t *peer;
    *ret_lag_ms = 0;
    json_array_foreach(peers, i, peer) {
        uint64_t lag_ms = strtoull(text_of(peer, "lag_ms"), NULL, 10);
        const char *state = text_of(peer, "state");
        struct ordered o = ordered_of(v, node, text_of(peer, "node"));
        bool cut = o.cut && strcmp(state, "up") != 0; /* whatever it is called from inside */
        buf_printf(out, "%s%s %s", i ? ", " : "", text_of(peer, "node"), cut ? "cut" : state);
        if (lag_ms > *ret_lag_ms) *ret_lag_ms = lag_ms;
        buf_finish(&o.words);
    }
    buf_u8(out, 0);
}

static void print_lag(uint64_t ms, char ret[static 32]) {
    if (ms < 10000)
        snprintf(ret, 32, "%llu ms", (unsigned long long)ms);
    else if (ms < 120000)
        snprintf(ret, 32, "%llu s", (unsigned long long)ms / 1000);
    else
        snprintf(ret, 32, "%llu min", (unsigned long long)ms / 60000);
}

static void node_row(const struct view *v, struct table *t, const json_t *node) {
    const json_t *status = json_object_get(node, "status");
    if (!json_is_object(status)) {
        table_cell(t, "%s", text_of(node, "node"));
        table_cell(t, "%s", text_of(node, "process"));
        for (int i = 0; i < 5; i++) table_cell(t, "%s", "");
        return;
    }
    struct buf links = {0}, vv = {0};
    uint64_t lag_ms;
    char lag[32];
    list_links(v, text_of(node, "node"), json_object_get(status, "peers"), &links, &lag_ms);
    shorten_vv(text_of(status, "vv"), &vv);
    print_lag(lag_ms, lag);
    table_cell(t, "%s", text_of(status, "node"));
    table_cell(t, "%s", text_of(status, "role"));
    table_cell(t, "%s", text_of(status, "rows"));
    table_cell(t, "%s", lag);
    table_cell(t, "%s", (const char *)vv.p);
    table_cell(t, "%s", text_of(status, "digest"));
    table_cell(t, "%s", (const char *)links.p);
    buf_finish(&links);
    buf_finish(&vv);
}

/* One line in words for a link that is not well, or not to be. */
static void print_link(const struct view *v, const char *node, const json_t *peer, struct buf *out) {
    const char *state = text_of(peer, "state"), *why = text_of(peer, "why"), *name = text_of(peer, "node");
    struct ordered o = ordered_of(v, node, name);
    size_t n = strlen(state);
    bool up = strcmp(state, "up") == 0 && *why == '\0';
    if (strncmp(why, state, n) == 0 && why[n] == ':') why += n + 1 + strspn(why + n + 1, " ");
    if (json_is_true(json_object_get(peer, "diverged")))
        buf_printf(out, "%s and %s DISAGREE: equal version vectors, different digests\n", node, name);
    if (!up || o.words.n > 0) {
        buf_printf(out, "%s -> %s: ", node, name);
        buf_put(out, o.words.p, o.words.n);
        if (!up && !o.cut) buf_printf(out, "%s%s", o.words.n ? "; " : "", state);
        if (!up && *why) buf_printf(out, "%s%s", o.cut ? "; " : ": ", why);
        buf_printf(out, "\n");
    }
    buf_finish(&o.words);
}

static void print_troubles(const struct view *v, const json_t *nodes, struct buf *out) {
    size_t i, k;
    json_t *node, *peer, *alarm;
    json_array_foreach(nodes, i, node) {
        const json_t *status = json_object_get(node, "status");
        if (!json_is_object(status)) buf_printf(out, "%s: %s\n", text_of(node, "node"), text_of(node, "why"));
        json_array_foreach(json_object_get(status, "peers"), k, peer) print_link(v, text_of(node, "node"), peer, out);
        json_array_foreach(json_object_get(status, "alarms"), k, alarm)
            buf_printf(out, "%s: ALARM: %s\n", text_of(node, "node"), json_string_value(alarm));
    }
}

static void print_status(const struct view *v, const json_t *nodes, bool settled, struct buf *out) {
    struct table t = {.columns = 7};
    static const char *const heads[] = {"NODE", "ROLE", "ROWS", "LAG", "VERSION VECTOR", "DIGEST", "LINKS"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) table_cell(&t, "%s", heads[i]);
    size_t i;
    json_t *node;
    json_array_foreach(nodes, i, node) node_row(v, &t, node);
    table_print(&t, out);
    table_finish(&t);
    print_troubles(v, nodes, out);
    if (settled) buf_printf(out, "All nodes agree.\n");
}

static int show(struct run *r, bool clear) {
    struct faults faults = {0};
    struct buf text = {0};
    if (!faults_load(&r->local, &faults, &text)) {
        fail(r, EXIT_USAGE, "%.*s", (int)text.n, (const char *)text.p);
        buf_finish(&text);
        return EXIT_USAGE;
    }
    json_t *nodes = ask_nodes(&r->local);
    bool settled = nodes_settled(nodes);
    json_object_set_new(r->json, "cluster", json_string(r->local.cluster->name));
    json_object_set_new(r->json, "dir", json_string(r->local.dir));
    json_object_set_new(r->json, "settled", json_boolean(settled));
    json_object_set_new(r->json, "ordered", faults_json(&r->local, &faults));
    json_object_set_new(r->json, "nodes", nodes);
    print_status(&(struct view){&r->local, &faults}, nodes, settled, &text);
    if (!r->args.json && clear) printf("\033[H\033[2J");
    if (!r->args.json) fwrite(text.p, 1, text.n, stdout);
    fflush(stdout);
    buf_finish(&text);
    faults_finish(&faults);
    return 0;
}

static int watch(struct run *r) {
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    while (!interrupted) {
        int code = show(r, isatty(STDOUT_FILENO));
        if (code != 0) return code;
        if (r->args.json) json_dumpf(r->json, stdout, JSON_COMPACT), putchar('\n'), fflush(stdout);
        if (!interrupted) sleep(1);
    }
    return 0;
}

static int settle(struct run *r, uint32_t timeout_ms) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    time_t deadline_s = now.tv_sec + timeout_ms / 1000 + 1;
    bool settled = false;
    while (!settled && now.tv_sec < deadline_s && !interrupted) {
        json_t *nodes = ask_nodes(&r->local);
        settled = nodes_settled(nodes);
        json_decref(nodes);
        if (!settled) nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    int code = show(r, false);
    if (code != 0) return code;
    return settled ? 0 : fail(r, EXIT_NOT_SETTLED, "the nodes do not agree after %s", r->args.settle);
}

int verb_status(struct run *r) {
    uint32_t timeout_ms;
    if (r->args.words_count > 0) return fail(r, EXIT_USAGE, "status takes no %s", r->args.words[0]);
    if (r->args.settle && !parse_duration(r->args.settle, &timeout_ms))
        return fail(r, EXIT_USAGE, "--settle: expected a time such as 30s, got %s", r->args.settle);
    int code = run_open(r, false);
    if (code != 0) return code;
    if (r->args.settle) return settle(r, timeout_ms);
    return r->args.watch ? watch(r) : show(r, false);
}
