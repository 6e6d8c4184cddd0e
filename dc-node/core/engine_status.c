/* TRUCE.STATUS: the state of the node and of its links as JSON (schemas/status.schema.json). */
#include "state.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

static json_t *number(uint64_t v) { return json_sprintf("%" PRIu64, v); }

static json_t *text_of(struct buf *b) {
    json_t *t = json_stringn(b->n ? (const char *)b->p : "", b->n);
    buf_finish(b);
    return t;
}

static json_t *vector(const struct engine *e, const struct vv *v) {
    struct buf b = {0};
    vv_format(v, e->origins, &b);
    return text_of(&b);
}

static json_t *subscribed(const struct engine *e, const struct link *l) {
    if (!l->scope || !l->connected) return json_null();
    if (l->scope == SCOPE_ALL) return json_string("*");
    struct buf b = {0};
    for (uint32_t d = 0; d < e->cluster->dcs_count; d++)
        if (l->scope & (UINT32_C(1) << d)) buf_printf(&b, "%s%s", b.n ? " " : "", e->cluster->dcs[d].name);
    return text_of(&b);
}

/* How old the oldest event is that the peer has and we lack: not known by stamp, so by the last one that came; 0 when nothing is lacking. */
static uint64_t lag_ms(const struct engine *e, const struct link *l, uint64_t lacking) {
    if (!lacking) return 0;
    uint64_t latest = 0;
    for (origin_ref o = 0; o < e->sources_cap; o++)
        if (e->sources[o] && vv_get(&l->report, o) > vv_get(&e->vv, o) && stamp_ms(e->sources[o]->stamp) > latest)
            latest = stamp_ms(e->sources[o]->stamp);
    return latest && e->now.wall_ms > latest ? e->now.wall_ms - latest : 0;
}

static json_t *peer(struct engine *e, uint32_t i) {
    const struct link *l = &e->links[i];
    struct buf why = {0};
    uint64_t lacking = progress_lacking(e, i);
    const char *state = progress_state(e, i, lacking, &why);
    json_t *p = json_object();
    json_object_set_new(p, "node", json_string(e->cluster->nodes[i].name));
    json_object_set_new(p, "dc", json_string(e->cluster->dcs[e->cluster->nodes[i].dc].name));
    json_object_set_new(p, "standing", json_string(standing_name(e->cluster->nodes[i].standing)));
    json_object_set_new(p, "connected", json_boolean(l->connected));
    json_object_set_new(p, "state", json_string(state));
    json_object_set_new(p, "why", text_of(&why));
    json_object_set_new(p, "lag_ms", number(lag_ms(e, l, lacking)));
    json_object_set_new(p, "behind_events", number(lacking));
    json_object_set_new(p, "heard_ms_ago", number(l->heard_us ? (e->now.mono_us - l->heard_us) / 1000 : 0));
    json_object_set_new(p, "subscribed", subscribed(e, l));
    json_object_set_new(p, "vv", vector(e, &l->report));
    json_object_set_new(p, "digest", json_sprintf("%016" PRIx64, l->report_digest));
    json_object_set_new(p, "diverged", json_boolean(l->diverged));
    json_object_set_new(p, "sent_bytes", number(l->bytes_out));
    json_object_set_new(p, "wire_bytes", number(l->wire_bytes));
    json_object_set_new(p, "unacked_bytes", number(l->served.sent_bytes - l->served.taken_bytes));
    return p;
}

static void add_text(void *list, const char *text) { json_array_append_new(list, json_string(text)); }

static json_t *alarms(struct engine *e) {
    json_t *list = json_array();
    char why[300];
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        const struct link *l = &e->links[i];
        const char *name = e->cluster->nodes[i].name;
        if (l->diverged) json_array_append_new(list, json_sprintf("%s has the same version vector and other rows: they have diverged", name));
        if (l->refusal[0] && !transfer_words(e, i, why, sizeof why)) json_array_append_new(list, json_sprintf("%s: %s", name, l->refusal));
        /* A heartbeat that took long makes the other clock look behind, never ahead: whoever is behind says so. */
        if (l->reports && l->clock_ahead_ms > (int64_t)e->cluster->clock_bound_ms)
            json_array_append_new(list, json_sprintf("the clock of %s is %" PRId64 " ms ahead of this node's", name, l->clock_ahead_ms));
    }
    if (e->alone && !e->cluster->dcs[e->self_dc].leaderless)
        json_array_append_new(list, json_sprintf("%s finds no majority of %s: it takes writes at level leader, which others may not have seen",
                                                 e->cluster->nodes[e->self].name, e->cluster->dcs[e->self_dc].name));
    return_alarms(e, add_text, list);
    members_alarms(e, add_text, list);
    handlers_alarms(e, add_text, list);
    disk_alarms(e, add_text, list);
    return list;
}

static uint64_t waiting_events(const struct engine *e) {
    uint64_t n = 0;
    for (origin_ref o = 0; o < e->sources_cap; o++)
        for (const struct waiting *w = e->sources[o] ? e->sources[o]->waiting : NULL; w; w = w->next) n += w->last - w->first + 1;
    return n;
}

void engine_note_wire(struct engine *e, uint32_t peer, uint64_t bytes) { e->links[peer].wire_bytes = bytes; }

void engine_status(struct engine *e, struct buf *out) {
    struct engine_figures f;
    engine_get_figures(e, &f);
    json_t *s = json_object();
    json_object_set_new(s, "node", json_string(e->cluster->nodes[e->self].name));
    json_object_set_new(s, "dc", json_string(e->cluster->dcs[e->self_dc].name));
    json_object_set_new(s, "role", json_string(e->is_leader ? "leader" : "follower"));
    json_object_set_new(s, "standing", json_string(standing_name(e->cluster->nodes[e->self].standing)));
    json_object_set_new(s, "returning", json_boolean(e->returning));
    json_object_set_new(s, "disk_full", json_boolean(e->room != ROOM_ENOUGH));
    json_object_set_new(s, "leader", f.leader ? json_string(f.leader) : json_null());
    json_object_set_new(s, "term", number(e->election.durable.term));
    json_object_set_new(s, "takes_writes", json_boolean((engine_leads(e) || e->alone) && e->room == ROOM_ENOUGH));
    json_object_set_new(s, "cluster", json_string(e->cluster->name));
    struct buf run = {0};
    if (e->own != ORIGIN_NONE) origin_format(origins_get(e->origins, e->own), &run);
    json_object_set_new(s, "run", e->own == ORIGIN_NONE ? json_null() : text_of(&run));
    json_object_set_new(s, "uptime_ms", number(f.uptime_ms));
    json_object_set_new(s, "vv", vector(e, &e->vv));
    json_object_set_new(s, "stable", vector(e, &e->stable));
    json_object_set_new(s, "digest", json_sprintf("%016" PRIx64, engine_digest(e)));
    uint64_t transferred[2];
    transfer_figures(e, &transferred[0], &transferred[1]);
    json_object_set_new(s, "transfer_rows", number(transferred[0]));
    json_object_set_new(s, "transfer_bytes", number(transferred[1]));
    json_object_set_new(s, "rows", number(f.rows));
    json_object_set_new(s, "dirty_rows", number(f.dirty_rows));
    json_object_set_new(s, "memory_bytes", number(f.memory_bytes));
    json_object_set_new(s, "conflicts", number(f.conflicts));
    json_object_set_new(s, "open_conflicts", number(f.open_conflicts));
    json_object_set_new(s, "handler_failures", number(handlers_failures(e)));
    json_object_set_new(s, "events_applied", number(f.events_applied));
    json_object_set_new(s, "waiting_events", number(waiting_events(e)));
    json_t *peers = json_array();
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++)
        if (members_counts(e, i)) json_array_append_new(peers, peer(e, i));
    json_object_set_new(s, "peers", peers);
    json_object_set_new(s, "alarms", alarms(e));
    char *text = json_dumps(s, JSON_COMPACT);
    buf_text(out, text);
    free(text);
    json_decref(s);
}
