/* Steps that do something to the world. */
#include "play_state.h"

static void act(struct play *p, const struct step *step, const struct act *a) {
    struct buf why = {0};
    if (!p->stage->ops->act(p->stage, a, &why)) play_note(p, step, "%.*s", (int)why.n, (const char *)why.p);
    buf_finish(&why);
}

/* ---- links ---- */

static void act_on_link(struct play *p, const struct step *s, uint32_t from, uint32_t to) {
    struct act a = {.kind = s->verb, .from = from, .to = to, .link = s->link};
    bool *touched = &p->touched_links[from * p->scenario->cluster->nodes_count + to];
    if (s->verb == STEP_HEAL && !*touched) return; /* as it was in the beginning */
    *touched = s->verb != STEP_HEAL;
    act(p, s, &a);
}

static void act_on_links(struct play *p, const struct step *s) {
    uint32_t n = p->scenario->cluster->nodes_count;
    for (uint32_t from = 0; from < n; from++)
        for (uint32_t to = 0; to < n; to++) {
            bool there = s->sides.a[from] && s->sides.b[to], back = s->sides.b[from] && s->sides.a[to] && !s->sides.one_way;
            if (from != to && (s->everywhere || there || back)) act_on_link(p, s, from, to);
        }
}

/* ---- nodes ---- */

/* What has no meaning where the node stands as it does is left out: a swarm's faults may meet one that is down already. */
static bool has_meaning(struct play *p, const struct step *s, uint32_t node) {
    enum stage_role r = play_role(p, node);
    switch (s->verb) {
    case STEP_KILL: return r != ROLE_DOWN;
    case STEP_START: return r == ROLE_DOWN;
    case STEP_PAUSE: return r != ROLE_DOWN && r != ROLE_PAUSED;
    case STEP_RESUME: return r == ROLE_PAUSED;
    case STEP_WIPE:
    case STEP_RESTORE:
        if (r == ROLE_DOWN) return true;
        play_note(p, s, "%s runs: its data stays", play_node_name(p, node));
        return false;
    default: return true;
    }
}

static void act_on_node(struct play *p, const struct step *s, uint32_t node) {
    if (!has_meaning(p, s, node)) return;
    struct act a = {.kind = s->verb,
                    .node = node,
                    .power = s->power,
                    .name = s->name,
                    .skew_ms = s->skew_ms,
                    .drift_ppm = s->drift_ppm,
                    .frozen = s->frozen,
                    .disk = s->disk,
                    .disk_us = s->disk_us};
    if (s->verb == STEP_SKEW || s->verb == STEP_DISK) p->touched_nodes[node] = true;
    act(p, s, &a);
}

void play_act(struct play *p, const struct step *s) {
    switch (s->verb) {
    case STEP_CUT:
    case STEP_CLOG:
    case STEP_HEAL:
    case STEP_SLOW:
    case STEP_DISCONNECT: act_on_links(p, s); return;
    default: break;
    }
    for (uint32_t i = 0; i < p->scenario->cluster->nodes_count && !p->over; i++)
        if (s->nodes[i]) act_on_node(p, s, i);
}

void play_undo_all(struct play *p) {
    uint32_t n = p->scenario->cluster->nodes_count;
    for (uint32_t from = 0; from < n; from++)
        for (uint32_t to = 0; to < n; to++)
            if (p->touched_links[from * n + to]) act(p, NULL, &(struct act){.kind = STEP_HEAL, .from = from, .to = to});
    for (uint32_t i = 0; i < n; i++) {
        if (p->touched_nodes[i]) {
            act(p, NULL, &(struct act){.kind = STEP_DISK, .node = i, .disk = DISK_OK});
            act(p, NULL, &(struct act){.kind = STEP_SKEW, .node = i});
        }
        if (play_role(p, i) == ROLE_PAUSED) act(p, NULL, &(struct act){.kind = STEP_RESUME, .node = i});
        if (play_role(p, i) == ROLE_DOWN) act(p, NULL, &(struct act){.kind = STEP_START, .node = i});
    }
}
