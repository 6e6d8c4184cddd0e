/* How nodes of the live stage stand: what each says (TRUCE.STATUS), and from all of them together who lacks what since when. */
#include "live_parts.h"

#include <stdlib.h>
#include <string.h>

#define FRESH_US     50000u /* what a node said counts for so long */
#define MADE_US      5000u  /* so often what was made is looked for */
#define SETTLED_US   200000u
#define SETTLE_POLL  20000u
#define EPISODES_MAX "1000"

void live_forget_status(struct live *l, uint32_t node) {
    struct live_node *n = &l->nodes[node];
    json_decref(n->status);
    n->status = NULL;
    n->status_us = 0;
    n->connected[0] = n->connected[1] = 0;
}

static const char *text_of(const json_t *o, const char *key) {
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

static uint64_t number_of(const json_t *o, const char *key) { return strtoull(text_of(o, key), NULL, 10); }

/* ---- version vectors ---- */
static uint32_t origin_of(struct live *l, struct slice name) {
    for (uint32_t i = 0; i < l->origins_count; i++)
        if (slice_equal(slice_text(l->origins[i].name), name)) return i;
    if (l->origins_count == l->origins_cap) {
        l->origins_cap = l->origins_cap ? 2 * l->origins_cap : 16;
        l->origins = xrealloc(l->origins, l->origins_cap * sizeof *l->origins);
    }
    struct live_origin *o = &l->origins[l->origins_count];
    *o = (struct live_origin){.name = strndup((const char *)name.p, name.n), .dc = DCS_MAX};
    const uint8_t *dot = memchr(name.p, '.', name.n);
    int node = dot ? cluster_find(l->local.cluster, SLICE(name.p, dot - name.p)) : -1;
    if (node >= 0) o->dc = l->local.cluster->nodes[node].dc;
    return l->origins_count++;
}

/* That it has come so far is known since now; of many times, every second is forgotten. */
static void see(struct live_origin *o, uint64_t number, uint64_t now_us) {
    if (number <= o->number) return;
    o->number = number;
    if (o->seen_count == SEEN_MAX) {
        for (uint32_t i = 0; i < SEEN_MAX / 2; i++) o->seen[i] = (struct seen){o->seen[2 * i + 1].number, o->seen[2 * i].at_us};
        o->seen_count = SEEN_MAX / 2;
    }
    o->seen[o->seen_count++] = (struct seen){number, now_us};
}

/* "us-1.<hex>:40,eu-1.<hex>:2" */
static void take_vv(struct live *l, uint32_t node, const char *text, uint64_t now_us) {
    struct live_node *n = &l->nodes[node];
    for (const char *at = text; *at;) {
        size_t size = strcspn(at, ","), name = strcspn(at, ":");
        if (name >= size) return; /* "-": it is empty */
        uint32_t o = origin_of(l, SLICE(at, name));
        if (o >= n->vv_count) {
            n->vv = xrealloc(n->vv, l->origins_cap * sizeof *n->vv);
            memset(n->vv + n->vv_count, 0, (l->origins_cap - n->vv_count) * sizeof *n->vv);
            n->vv_count = (uint32_t)l->origins_cap;
        }
        n->vv[o] = strtoull(at + name + 1, NULL, 10);
        see(&l->origins[o], n->vv[o], now_us);
        at += size + (at[size] == ',');
    }
}

static void measure(const struct live *l, uint32_t node, struct stage_view *v, uint64_t now_us) {
    const struct live_node *n = &l->nodes[node];
    for (uint32_t i = 0; i < l->origins_count; i++) {
        const struct live_origin *o = &l->origins[i];
        uint64_t has = i < n->vv_count ? n->vv[i] : 0;
        if (o->dc == DCS_MAX || has >= o->number) continue;
        v->backlog[o->dc] += o->number - has;
        uint32_t first = 0;
        while (o->seen[first].number <= has) first++;
        uint64_t lag_us = now_us > o->seen[first].at_us ? now_us - o->seen[first].at_us : 1;
        if (lag_us > v->lag_us[o->dc]) v->lag_us[o->dc] = lag_us;
    }
}

/* ---- conflicts, for the record ---- */
static void tell_episode(struct live *l, uint32_t node, const json_t *e, bool open) {
    struct buf text = {0};
    size_t i;
    json_t *dc;
    const char *column = json_string_value(json_object_get(e, "column")), *reads = json_string_value(json_object_get(e, "reads"));
    buf_printf(&text, "%s%s%s", text_of(e, "key"), column ? " " : "", column ? column : "");
    json_array_foreach(json_object_get(e, "dcs"), i, dc) buf_printf(&text, "%s%s", i ? ", " : ": ", json_string_value(dc));
    if (reads) buf_printf(&text, "; reads %.200s", reads);
    live_note(l, open ? MOMENT_CONFLICT : MOMENT_CLOSED, node, "%.*s", (int)text.n, (const char *)text.p);
    buf_finish(&text);
}

/* A flat array of names and values, as an object of what is needed of it. */
static json_t *episode_json(const redisReply *e) {
    static const char *const wanted[] = {"id", "key", "column", "state", "changed", "closed_by", "reads", "live", "left"};
    json_t *o = json_object();
    for (size_t i = 0; i + 1 < e->elements; i += 2) {
        const redisReply *name = e->element[i], *value = e->element[i + 1];
        for (size_t k = 0; k < sizeof wanted / sizeof wanted[0]; k++) {
            if (name->str == NULL || strcmp(name->str, wanted[k]) != 0) continue;
            json_t *v = value->str ? json_stringn(value->str, value->len) : json_integer(value->integer);
            if (value->type != REDIS_REPLY_NIL && v != NULL) json_object_set(o, wanted[k], v);
            json_decref(v);
        }
        if (name->str == NULL || strcmp(name->str, "dcs") != 0) continue;
        json_t *dcs = json_array();
        for (size_t k = 0; k < value->elements; k++) json_array_append_new(dcs, json_string(value->element[k]->str));
        json_object_set_new(o, "dcs", dcs);
    }
    return o;
}

static void take_episode(struct live *l, uint32_t node, const redisReply *reply) {
    struct live_node *n = &l->nodes[node];
    json_t *e = episode_json(reply), *before;
    bool open = strcmp(text_of(e, "state"), "open") == 0;
    json_t *now = json_sprintf("%s %lld %lld", open ? "open" : "closed", (long long)json_integer_value(json_object_get(e, "live")),
                               (long long)json_integer_value(json_object_get(e, "left")));
    before = json_object_get(n->episodes, text_of(e, "id"));
    /* An episode that was closed when it was met first has been open meanwhile. */
    if (before == NULL && !open) tell_episode(l, node, e, true);
    if (before == NULL || !json_equal(before, now)) tell_episode(l, node, e, open);
    json_object_set_new(n->episodes, text_of(e, "id"), now);
    json_decref(e);
}

static void look_for_conflicts(struct live *l, uint32_t node) {
    struct live_node *n = &l->nodes[node];
    uint64_t applied = number_of(n->status, "events_applied") + 1;
    if (n->episodes == NULL) n->episodes = json_object();
    if (n->episodes_of == applied || (number_of(n->status, "conflicts") == 0 && number_of(n->status, "open_conflicts") == 0)) return;
    n->episodes_of = applied;
    redisReply *reply = live_ask(l, node, 5, (const char *[]){"TRUCE.CONFLICTS", "LIST", "ALL", "LIMIT", EPISODES_MAX});
    if (reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
        for (size_t i = 0; i < reply->element[1]->elements; i++) take_episode(l, node, reply->element[1]->element[i]);
    freeReplyObject(reply);
}

/* ---- what has changed, for the record ---- */
void live_note_role(struct live *l, uint32_t node, enum stage_role role) {
    struct live_node *n = &l->nodes[node];
    if (n->role != role) live_note(l, MOMENT_ROLE, node, "%s", stage_role_name(role));
    n->role = role;
}

static enum stage_role role_of(const struct live_node *n) {
    if (n->pid == 0 || (n->status == NULL && !n->paused)) return ROLE_DOWN;
    if (n->paused) return ROLE_PAUSED;
    if (json_is_true(json_object_get(n->status, "returning"))) return ROLE_RETURNING;
    return strcmp(text_of(n->status, "role"), "leader") == 0 ? ROLE_LEADER : ROLE_FOLLOWER;
}

static void note_connections(struct live *l, uint32_t node) {
    struct live_node *n = &l->nodes[node];
    size_t i;
    json_t *peer;
    json_array_foreach(json_object_get(n->status, "peers"), i, peer) {
        int other = cluster_find(l->local.cluster, slice_text(text_of(peer, "node")));
        bool up = json_is_true(json_object_get(peer, "connected"));
        if (other < 0 || up == (n->connected[other / 64] >> (other % 64) & 1)) continue;
        n->connected[other / 64] ^= UINT64_C(1) << (other % 64);
        live_note_link(l, MOMENT_CONNECTION, node, (uint32_t)other, up, up ? "up" : "down");
    }
}

/* ---- asking ---- */
static void look_for_divergence(struct live *l, uint32_t node) {
    size_t i;
    json_t *peer;
    json_array_foreach(json_object_get(l->nodes[node].status, "peers"), i, peer) {
        if (!json_is_true(json_object_get(peer, "diverged"))) continue;
        live_fail(l, "I1: %s and %s have the same version vector and different digests", node_name(&l->local, node), text_of(peer, "node"));
    }
}

static void ask(struct live *l, uint32_t node) {
    struct live_node *n = &l->nodes[node];
    redisReply *reply = live_ask(l, node, 1, (const char *[]){"TRUCE.STATUS"});
    json_t *status = reply && reply->type == REDIS_REPLY_STRING ? json_loadb(reply->str, reply->len, 0, NULL) : NULL;
    freeReplyObject(reply);
    if (status == NULL) return;
    json_decref(n->status);
    n->status = status;
    n->status_us = live_mono_us();
    if (n->vv) memset(n->vv, 0, n->vv_count * sizeof *n->vv);
    take_vv(l, node, text_of(status, "vv"), n->status_us);
    look_for_divergence(l, node);
    live_note_role(l, node, role_of(n));
    if (l->base.record == NULL) return;
    note_connections(l, node);
}

static void look_at_all(struct live *l) {
    for (uint32_t i = 0; i < live_nodes(l); i++)
        if (live_runs(l, i) && l->nodes[i].answered) ask(l, i);
    l->looked_us = live_mono_us();
    l->moved = false;
    if (l->base.record == NULL) return;
    live_note_events(l);
    for (uint32_t i = 0; i < live_nodes(l); i++)
        if (live_runs(l, i) && l->nodes[i].status) look_for_conflicts(l, i);
}

void live_look_often(struct live *l) {
    if (live_mono_us() - l->looked_us >= FRESH_US) look_at_all(l);
}

void live_look_for_made(struct live *l, uint32_t node) {
    struct live_node *n = &l->nodes[node];
    if (l->base.record == NULL || !live_runs(l, node) || !n->answered || live_mono_us() - l->made_us < MADE_US) return;
    l->made_us = live_mono_us();
    ask(l, node);
    live_note_events(l);
}

void live_look(struct stage *s, uint32_t node, struct stage_view *ret) {
    struct live *l = live_of(s);
    struct live_node *n = &l->nodes[node];
    *ret = (struct stage_view){.role = n->pid == 0 ? ROLE_DOWN : ROLE_PAUSED};
    if (n->pid == 0 || (!l->begun && !live_begin(l))) return;
    live_tell_all(l);
    if (l->moved)
        look_at_all(l);
    else
        live_look_often(l);
    if (n->paused) return;
    if (n->status == NULL && n->answered) ask(l, node);
    ret->role = role_of(n);
    if (n->status == NULL) return;
    ret->vv_hash = hash64(slice_text(text_of(n->status, "vv")));
    ret->digest = strtoull(text_of(n->status, "digest"), NULL, 16);
    ret->events = number_of(n->status, "events_applied");
    ret->conflicts_open = number_of(n->status, "open_conflicts");
    measure(l, node, ret, l->looked_us);
}

/* ---- coming to rest ---- */
/* Do all that run say the same? *ret_hash is what they say. */
static bool agree(struct live *l, uint64_t *ret_hash) {
    uint64_t first = 0;
    bool any = false;
    for (uint32_t i = 0; i < live_nodes(l); i++) {
        if (!live_runs(l, i)) continue;
        const json_t *status = l->nodes[i].status;
        if (status == NULL || json_is_true(json_object_get(status, "returning")) || number_of(status, "waiting_events") > 0) return false;
        uint64_t hash = hash64_seeded(slice_text(text_of(status, "vv")), hash64(slice_text(text_of(status, "digest"))));
        if (any && hash != first) return false;
        first = hash;
        any = true;
    }
    *ret_hash = first;
    return true;
}

/* Requests that are under way, those apart that only look on. */
static bool clients_wait(const struct live *l) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < l->clients_count; i++)
        for (const struct live_request *r = l->clients[i]->first; r; r = r->next) count++;
    return count > l->base.looks || l->lost != NULL;
}

bool live_settle(struct stage *s, uint64_t max_us) {
    struct live *l = live_of(s);
    uint64_t deadline_us = live_now_us(s) + max_us, since_us = 0, before = 0, now = 0;
    bool settled = false;
    do {
        if (!s->ops->run(s, live_now_us(s) + SETTLE_POLL)) return false;
        look_at_all(l);
        bool same = agree(l, &now) && !clients_wait(l) && since_us && now == before;
        if (!same) since_us = agree(l, &before) ? live_now_us(s) : 0;
        /* Answers of handlers may still be on their way: it has to stay so. */
        settled = same && live_now_us(s) - since_us >= SETTLED_US;
    } while (!settled && live_now_us(s) < deadline_us);
    return settled;
}

void live_check(struct stage *s) {
    struct live *l = live_of(s);
    look_at_all(l);
    for (uint32_t i = 0; i < live_nodes(l); i++) {
        size_t k;
        json_t *alarm;
        json_array_foreach(json_object_get(l->nodes[i].status, "alarms"), k, alarm)
            live_note(l, MOMENT_NOTE, i, "%s says: %s", node_name(&l->local, i), json_string_value(alarm));
    }
}

void live_look_finish(struct live *l) {
    uint32_t count = l->local.cluster ? live_nodes(l) : 0;
    for (uint32_t i = 0; i < count; i++) {
        json_decref(l->nodes[i].status);
        json_decref(l->nodes[i].episodes);
        free(l->nodes[i].vv);
        free(l->nodes[i].applied);
    }
    for (uint32_t i = 0; i < l->origins_count; i++) free(l->origins[i].name);
    free(l->origins);
}
