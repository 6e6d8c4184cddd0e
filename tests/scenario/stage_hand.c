#include "stage_hand.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct hand_call {
    struct hand_call *next;
    uint64_t at_us, order, number;
    void (*call)(void *arg, uint64_t number);
    void *arg;
};

struct hand_request {
    struct hand_request *next;
    uint64_t due_us, invoked_us;
    uint32_t client;
    const char *reply;
    stage_done *done;
    void *arg;
};

void scenario_of_text(const char *text, struct scenario *ret) {
    struct scenario_file f = {0};
    struct buf why = {0};
    json_t *drawn;
    char *json = xstrdup(text);
    for (char *p = json; *p; p++)
        if (*p == '\'') *p = '"';
    bool read = scenario_read("test.json", slice_text(json), &f, &why) && scenario_draw(&f, NULL, &drawn, &why) &&
                scenario_parse(&f, drawn, ret, &why);
    cr_assert(read, "%.*s", (int)why.n, (const char *)why.p);
    scenario_file_finish(&f);
    buf_finish(&why);
    free(json);
}

static struct hand_stage *hand(struct stage *s) { return (struct hand_stage *)s; }

static uint64_t now_us(struct stage *st) { return hand(st)->now_us; }

static const char *name_of(struct hand_stage *s, uint32_t node) { return s->scenario.cluster->nodes[node].name; }

/* ---- time ---- */

static void at(struct stage *st, uint64_t at_us, void (*call)(void *arg, uint64_t number), void *arg, uint64_t number) {
    struct hand_stage *s = hand(st);
    struct hand_call *c = xcalloc(1, sizeof *c), **place = &s->calls;
    *c = (struct hand_call){.at_us = at_us > s->now_us ? at_us : s->now_us, .call = call, .arg = arg, .number = number};
    while (*place && (*place)->at_us <= c->at_us) place = &(*place)->next;
    c->next = *place;
    *place = c;
}

static struct hand_request **next_request(struct hand_stage *s) {
    struct hand_request **first = NULL;
    for (struct hand_request **r = &s->requests; *r; r = &(*r)->next)
        if (!first || (*r)->due_us < (*first)->due_us) first = r;
    return first;
}

static bool step(struct hand_stage *s, uint64_t until_us) {
    struct hand_request **due = next_request(s);
    uint64_t request_us = due ? (*due)->due_us : UINT64_MAX, call_us = s->calls ? s->calls->at_us : UINT64_MAX;
    if (request_us > until_us && call_us > until_us) return false;
    if (call_us <= request_us) {
        struct hand_call *c = s->calls;
        s->calls = c->next;
        s->now_us = c->at_us;
        c->call(c->arg, c->number);
        free(c);
        return true;
    }
    struct hand_request *r = *due;
    *due = r->next;
    if (r->due_us > s->now_us) s->now_us = r->due_us;
    struct stage_reply reply = {s->client_nodes[r->client], r->client, r->invoked_us, s->now_us, slice_text(r->reply ? r->reply : "")};
    r->done(r->arg, &reply);
    free(r);
    return true;
}

static bool run(struct stage *st, uint64_t until_us) {
    struct hand_stage *s = hand(st);
    s->running = true;
    while (!s->stop && step(s, until_us)) continue;
    if (!s->stop && s->now_us < until_us) s->now_us = until_us;
    s->stop = s->running = false;
    return !s->base.failure[0];
}

static void stop(struct stage *st) { hand(st)->stop = true; }

/* ---- requests ---- */

static void write_down(struct hand_stage *s, const char *text, const char *text2) {
    uint64_t zero = s->record.zero_us == RECORD_NOT_BEGUN ? s->now_us : s->record.zero_us;
    buf_printf(&s->log, "%llu %s%s\n", (unsigned long long)(s->now_us > zero ? s->now_us - zero : 0), text, text2);
}

static uint32_t client(struct stage *st, uint32_t node) {
    struct hand_stage *s = hand(st);
    cr_assert_lt(s->clients_count, 64);
    s->client_nodes[s->clients_count] = node;
    return s->clients_count++;
}

static bool fits(const struct canned *c, const char *node, const char *command) {
    size_t n = strlen(c->command);
    if ((c->node && strcmp(c->node, node) != 0) || (c->times && c->used == c->times)) return false;
    return n && c->command[n - 1] == '*' ? strncmp(command, c->command, n - 1) == 0 : strcmp(command, c->command) == 0;
}

static const char *reply_to(struct hand_stage *s, const char *node, const char *command) {
    for (struct canned *c = s->canned; c && c->command; c++) {
        if (!fits(c, node, command)) continue;
        c->used++;
        return c->reply;
    }
    return "+OK\r\n";
}

static void request(struct stage *st, uint32_t client_id, const struct slice *argv, uint32_t argc, stage_done *done, void *arg) {
    struct hand_stage *s = hand(st);
    struct buf line = {0};
    char who[80];
    const char *node = name_of(s, s->client_nodes[client_id]);
    for (uint32_t i = 0; i < argc; i++) buf_printf(&line, "%s%.*s", i ? " " : "", (int)argv[i].n, (const char *)argv[i].p);
    buf_u8(&line, 0);
    snprintf(who, sizeof who, "%s#%u ", node, client_id);
    write_down(s, who, (const char *)line.p);
    struct hand_request *r = xcalloc(1, sizeof *r), **end = &s->requests;
    *r = (struct hand_request){.invoked_us = s->now_us, .client = client_id, .done = done, .arg = arg};
    r->reply = reply_to(s, node, (const char *)line.p);
    r->due_us = !r->reply ? UINT64_MAX : s->now_us + HAND_RTT_US;
    if (s->views[s->client_nodes[client_id]].role == ROLE_DOWN) { /* nobody is there */
        r->reply = NULL;
        r->due_us = s->now_us;
    }
    while (*end) end = &(*end)->next;
    *end = r;
    buf_finish(&line);
}

static void hang_up(struct stage *st, uint32_t client_id) {
    struct hand_stage *s = hand(st);
    char who[80];
    snprintf(who, sizeof who, "%s#%u ", name_of(s, s->client_nodes[client_id]), client_id);
    write_down(s, who, "hangs up");
    for (struct hand_request *r = s->requests; r; r = r->next) {
        if (r->client != client_id) continue;
        r->due_us = s->now_us;
        r->reply = NULL;
    }
}

/* ---- what is done to it ---- */

static void log_act(struct hand_stage *s, const struct act *a) {
    char text[256];
    switch (a->kind) {
    case STEP_CUT:
    case STEP_CLOG:
    case STEP_HEAL:
    case STEP_DISCONNECT:
    case STEP_SLOW:
        snprintf(text, sizeof text, "%s %s > %s", step_verb_name(a->kind), name_of(s, a->from), name_of(s, a->to));
        if (a->link.latency_us) snprintf(text + strlen(text), sizeof text - strlen(text), " %llu us", (unsigned long long)a->link.latency_us);
        break;
    case STEP_SKEW: snprintf(text, sizeof text, "skew %s %lld %d %d", name_of(s, a->node), (long long)a->skew_ms, a->drift_ppm, a->frozen); break;
    case STEP_DISK: snprintf(text, sizeof text, "disk %s %d %llu", name_of(s, a->node), a->disk, (unsigned long long)a->disk_us); break;
    default:
        snprintf(text, sizeof text, "%s %s%s%s%s", step_verb_name(a->kind), name_of(s, a->node), a->power ? " power" : "", a->name ? " " : "",
                 a->name ? a->name : "");
    }
    write_down(s, text, "");
}

static bool act(struct stage *st, const struct act *a, struct buf *why) {
    struct hand_stage *s = hand(st);
    struct stage_view *v = &s->views[a->node];
    log_act(s, a);
    if (s->cannot && a->kind != STEP_START) {
        buf_printf(why, "this stage has no %s", step_verb_name(a->kind));
        return false;
    }
    if (a->kind == STEP_KILL) v->role = ROLE_DOWN;
    if (a->kind == STEP_PAUSE) v->role = ROLE_PAUSED;
    if (a->kind == STEP_START || a->kind == STEP_RESUME)
        v->role = cluster_first(s->scenario.cluster, s->scenario.cluster->nodes[a->node].dc) == a->node ? ROLE_LEADER : ROLE_FOLLOWER;
    return true;
}

static void look(struct stage *st, uint32_t node, struct stage_view *ret) { *ret = hand(st)->views[node]; }

static bool settle(struct stage *st, uint64_t max_us) {
    struct hand_stage *s = hand(st);
    bool never = s->never_settles && s->record.zero_us != RECORD_NOT_BEGUN;
    uint64_t until = s->now_us + (never ? max_us : 300000);
    return run(st, until) && s->now_us == until && !never;
}

static void check(struct stage *st) {
    struct hand_stage *s = hand(st);
    write_down(s, "check", "");
    if (s->found) snprintf(s->base.failure, sizeof s->base.failure, "%s", s->found);
}

static void destroy(struct stage *st) {}

/* ---- life ---- */

void hand_stage_init(struct hand_stage *s, const char *scenario) {
    static const struct stage_ops ops = {"hand-made", now_us, run, stop, at, client, request, hang_up, act, look, settle, check, destroy};
    *s = (struct hand_stage){0};
    scenario_of_text(scenario, &s->scenario);
    s->base = (struct stage){.ops = &ops, .scenario = &s->scenario, .record = &s->record};
}

void hand_stage_finish(struct hand_stage *s) {
    while (s->calls) {
        struct hand_call *c = s->calls;
        s->calls = c->next;
        free(c);
    }
    cr_assert_null(s->requests, "a request was left under way");
    record_finish(&s->record);
    scenario_finish(&s->scenario);
    buf_finish(&s->log);
}

const char *hand_log(struct hand_stage *s) {
    buf_u8(&s->log, 0);
    s->log.n--;
    return (const char *)s->log.p;
}
