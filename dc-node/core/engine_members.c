/* Members: which nodes there are, while they come and go (DESIGN, section 7).
 *
 * It begins with the cluster file, and goes on with rows of the table `truce`: truce:node:NAME, a hash of `standing`, `client`, `peer` and `by`. A
 * standing only ever goes forward, joining, member, leaving, removed, and where two datacenters change a row without knowing of each other the one
 * that is further on counts. So any order of changes ends the same everywhere, and a name is not used twice.
 *
 * What is stable. A node that joins counts from the moment that its row is applied: nothing more becomes stable without its report. It begins as one
 * whose disk was lost (engine_return.c), and originates nothing before it has what the others had when they first went by a report of its run. What
 * they took in later they report together with its row, and who has those reports counts it too.
 * A node that was removed counts until nothing of it can come any more. Whoever has applied its removal takes in nothing from it, and forgets what it
 * sent and is not applied; so when all others say that they have applied it, and have equal numbers of its runs, no event of it is under way.
 *
 * Who votes changes by one node at a time (Ongaro 2014, 4.1), where the change before it is known to a majority of those that voted before it and of
 * those that vote after it, and so is an event of the leader's own term. A candidate learns of changes that it has missed from its voters: it takes
 * what they have before it leads, and does not lead where they are no majority of those who vote then. */
#include "state.h"
#include <stdio.h>

#define REMOVED_PATIENCE_US 3000000u /* reports that say so may take so long before it is said */

const struct cluster *engine_cluster(const struct engine *e) { return e->cluster; }

/* Until it knows it is told: it may lead others, who hear of its removal from nobody else. */
static bool knows_of_removal(const struct engine *e, uint32_t node) {
    const struct link *l = &e->links[node];
    return l->reports && vv_includes(&l->report, &e->member[node].row);
}

bool engine_accepts(const struct engine *e, uint32_t node) {
    if (node >= e->cluster->nodes_count || !ways_linked(e->cluster, e->self, node)) return false;
    enum standing s = e->cluster->nodes[node].standing;
    if (e->cluster->nodes[e->self].standing == STANDING_REMOVED) return false;
    return s < STANDING_REMOVED || (s == STANDING_REMOVED && !knows_of_removal(e, node));
}

bool members_report_counts(const struct engine *e, uint32_t node) {
    if (bug(e, BUG_UNHEARD_UNCOUNTED) && !e->links[node].reports) return false;
    return members_counts(e, node) || (node != e->self && e->cluster->nodes[node].standing == STANDING_REMOVED && !e->member[node].gone);
}

bool members_row(struct slice key) {
    size_t n = strlen(RULES_NODE_PREFIX);
    return key.n > n && memcmp(key.p, RULES_NODE_PREFIX, n) == 0;
}

/* ---- rows ---- */

struct node_row {
    enum standing standing;
    char client_host[256], peer_host[256], by[NAME_LEN_MAX + 1];
    uint16_t client_port, peer_port;
};

static uint32_t progress(enum standing s) {
    static const uint32_t order[] = {
        [STANDING_ABSENT] = 0, [STANDING_JOINING] = 1, [STANDING_MEMBER] = 2, [STANDING_LEAVING] = 3, [STANDING_REMOVED] = 4};
    return order[s];
}

static enum standing standing_in(struct slice content) {
    struct slice text;
    if (!content.n || content_type(content) != CONTENT_HASH || !content_find(content, slice_text("standing"), &text)) return STANDING_ABSENT;
    for (enum standing s = STANDING_MEMBER; s < STANDING_ABSENT; s++)
        if (slice_is(text, standing_name(s))) return s;
    return STANDING_ABSENT;
}

/* False: there is none, or it says nothing. Leaves the row's versions in e->row. */
static bool read_row(struct engine *e, struct slice key, struct node_row *ret) {
    struct buf made = {0};
    struct slice text;
    *ret = (struct node_row){.standing = STANDING_ABSENT};
    if (!engine_read_row(e, key, NULL)) return false;
    for (uint32_t i = 0; i < e->row.versions_count; i++) {
        enum standing s = standing_in(e->row.versions[i].content);
        if (progress(s) > progress(ret->standing)) ret->standing = s;
    }
    struct slice content = row_view(&e->row, rules_of(e->rules, key), NULL, e->origins, &made).content;
    bool good = ret->standing != STANDING_ABSENT && standing_in(content) != STANDING_ABSENT;
    good = good && content_find(content, slice_text("client"), &text);
    if (good) endpoint_parse(text, ret->client_host, &ret->client_port); /* simulated nodes have none */
    good = good && content_find(content, slice_text("peer"), &text);
    if (good) endpoint_parse(text, ret->peer_host, &ret->peer_port);
    if (good && content_find(content, slice_text("by"), &text) && text.n <= NAME_LEN_MAX) memcpy(ret->by, text.p, text.n);
    buf_finish(&made);
    return good;
}

/* ---- indices ---- */

static int enter_dc(struct engine *e, const char *name) {
    struct cluster *c = e->members;
    int dc = cluster_find_dc(c, slice_text(name));
    if (dc >= 0 || c->dcs_count == DCS_MAX) return dc;
    dc = (int)c->dcs_count++;
    snprintf(c->dcs[dc].name, sizeof c->dcs[dc].name, "%s", name);
    e->leaders[dc] = LEADER_NONE;
    for (origin_ref o = 0; o < e->sources_cap; o++) /* events of it may have come already */
        if (e->sources[o] && e->sources[o]->dc < 0) e->sources[o]->dc = cluster_find_dc(c, slice_text(origins_get(e->origins, o)->dc));
    return dc;
}

/* -1: the name is none, or there is no room. */
static int enter_node(struct engine *e, struct slice name) {
    struct cluster *c = e->members;
    char dc_name[NAME_LEN_MAX + 1];
    uint16_t number;
    int node = cluster_find(c, name);
    if (node >= 0 || !node_name_parse(name, dc_name, &number) || c->nodes_count == NODES_MAX) return node;
    int dc = enter_dc(e, dc_name);
    if (dc < 0) return -1;
    struct cluster_node *n = &c->nodes[c->nodes_count];
    *n = (struct cluster_node){.dc = (uint32_t)dc, .node = number, .standing = STANDING_ABSENT};
    snprintf(n->name, sizeof n->name, "%.*s", (int)name.n, (const char *)name.p);
    e->links[c->nodes_count].subscription = (uint32_t)prng_next(&e->prng) | 1;
    return (int)c->nodes_count++;
}

/* ---- what a row says takes effect ---- */

/* What it sent and nobody has applied is lost with it. What others sent of it comes again. */
static void forget_waiting(struct engine *e, uint32_t node) {
    const struct cluster_node *n = &e->cluster->nodes[node];
    for (origin_ref o = 0; o < origins_count(e->origins); o++)
        if (engine_source(e, o)->dc == (int32_t)n->dc && origins_get(e->origins, o)->node == n->node) engine_forget_waiting(e, o, vv_get(&e->vv, o));
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) e->links[i].lost_dcs |= UINT32_C(1) << n->dc;
}

static void set_standing(struct engine *e, uint32_t node, enum standing s) {
    struct cluster_node *n = &e->members->nodes[node];
    struct member *m = &e->member[node];
    bool voted = n->standing == STANDING_MEMBER;
    if (n->standing == s) return;
    n->standing = s;
    if (n->dc == e->self_dc && voted != (s == STANDING_MEMBER)) vv_join(&e->voters.change, &m->row);
    if (s != STANDING_REMOVED) return;
    m->removed_us = e->now.mono_us;
    if (node != e->self) forget_waiting(e, node);
}

static void follow_row(struct engine *e, struct slice key) {
    struct node_row row;
    size_t prefix = strlen(RULES_NODE_PREFIX);
    if (!read_row(e, key, &row)) return;
    int node = enter_node(e, SLICE(key.p + prefix, key.n - prefix));
    if (node < 0) return;
    struct cluster_node *n = &e->members->nodes[node];
    struct member *m = &e->member[node];
    for (uint32_t i = 0; i < e->row.versions_count; i++) vv_raise(&m->row, e->row.versions[i].dot.origin, e->row.versions[i].dot.n);
    memcpy(n->client_host, row.client_host, sizeof n->client_host);
    memcpy(n->peer_host, row.peer_host, sizeof n->peer_host);
    n->client_port = row.client_port;
    n->peer_port = row.peer_port;
    m->by_dc = cluster_find_dc(e->cluster, slice_text(row.by));
    set_standing(e, (uint32_t)node, row.standing);
}

static void count_members(struct engine *e) {
    struct cluster *c = e->members;
    for (uint32_t d = 0; d < c->dcs_count; d++) c->dcs[d].nodes_count = 0;
    for (uint32_t i = 0; i < c->nodes_count; i++) {
        c->dcs[c->nodes[i].dc].nodes_count += cluster_is_member(c, i);
        e->voters.now[i] = cluster_member_of(c, i, e->self_dc);
    }
}

void members_settle(struct engine *e) {
    if (!e->members_dirty) return;
    e->members_dirty = false;
    struct reader r = reader_of(buf_slice_of(&e->definitions));
    while (r.p < r.end && !e->updates.fatal) {
        struct slice key = read_slice(&r);
        if (members_row(key)) follow_row(e, key);
    }
    count_members(e);
    lead_take_members(e);
    e->updates.members_changed = true;
}

/* ---- who votes ---- */

static bool has_majority(const struct engine *e, const bool *voters, const struct vv *v) {
    uint32_t all = 0, have = 0;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        const struct link *l = &e->links[i];
        if (!voters[i]) continue;
        all++;
        have += i == e->self || (l->acked_term == engine_term(e) && vv_includes(&l->acked, v));
    }
    return all == 0 || have >= all / 2 + 1;
}

static void look_at_voters(struct engine *e) {
    if (!vv_empty(&e->voters.change) && (!has_majority(e, e->voters.before, &e->voters.change) || !has_majority(e, e->voters.now, &e->voters.change)))
        return;
    vv_clear(&e->voters.change);
    memcpy(e->voters.before, e->voters.now, sizeof e->voters.before);
}

/* Is an event of this term known to a majority? */
static bool term_is_known(struct engine *e) {
    uint64_t own = e->own == ORIGIN_NONE ? 0 : vv_get(&e->vv, e->own);
    if (e->voters.term != engine_term(e)) {
        e->voters.term = engine_term(e);
        e->voters.term_from = own;
    }
    if (e->cluster->dcs[e->self_dc].nodes_count == 1) return true;
    if (own == e->voters.term_from) return false;
    struct vv first = {0};
    vv_set(&first, e->own, e->voters.term_from + 1);
    bool known = has_majority(e, e->voters.now, &first);
    vv_finish(&first);
    return known;
}

bool members_may_change(struct engine *e) {
    if (!engine_originates(e)) return false;
    look_at_voters(e);
    bool known = term_is_known(e);
    if (!known) e->voters.touch = true;
    return known && vv_empty(&e->voters.change);
}

/* ---- what was removed ---- */

/* Have this peer and this node the same numbers of that node's runs? */
static bool agrees_on(struct engine *e, uint32_t peer, uint32_t node) {
    const struct cluster_node *n = &e->cluster->nodes[node];
    for (origin_ref o = 0; o < origins_count(e->origins); o++)
        if (engine_source(e, o)->dc == (int32_t)n->dc && origins_get(e->origins, o)->node == n->node &&
            vv_get(&e->links[peer].report, o) != vv_get(&e->vv, o))
            return false;
    return true;
}

static bool is_gone(struct engine *e, uint32_t node) {
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        const struct link *l = &e->links[i];
        if (!members_counts(e, i)) continue;
        if (!l->reports || l->owes || !vv_includes(&l->report, &e->member[node].row) || !agrees_on(e, i, node)) return false;
    }
    return true;
}

static void look_at_removed(struct engine *e, uint32_t node) {
    struct member *m = &e->member[node];
    struct link *l = &e->links[node];
    if (!m->gone) m->gone = is_gone(e, node);
    if (!l->connected || engine_accepts(e, node)) return;
    GROW(e->updates.drops, e->updates.drops_count, e->drops_cap);
    e->updates.drops[e->updates.drops_count++] = (struct drop){node, "it was removed from the cluster"};
}

void members_tick(struct engine *e) {
    look_at_voters(e);
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++)
        if (i != e->self && e->cluster->nodes[i].standing == STANDING_REMOVED) look_at_removed(e, i);
    members_advance(e);
}

/* ---- life ---- */

void members_create(struct engine *e) {
    struct cluster_node *self = &e->members->nodes[e->self];
    e->member = xcalloc(NODES_MAX, sizeof *e->member);
    for (uint32_t i = 0; i < NODES_MAX; i++) e->member[i].by_dc = -1;
    if (self->standing == STANDING_ABSENT) self->standing = STANDING_JOINING;
    count_members(e);
    memcpy(e->voters.before, e->voters.now, sizeof e->voters.before);
}

void members_finish(struct engine *e) {
    for (uint32_t i = 0; e->member && i < NODES_MAX; i++) vv_finish(&e->member[i].row);
    free(e->member);
    vv_finish(&e->voters.change);
}

void members_refuse(struct engine *e, struct reply *reply) {
    reply_error(reply, "REMOVED %s was removed from the cluster: use another node", e->cluster->nodes[e->self].name);
}

void members_alarms(struct engine *e, void (*each)(void *arg, const char *text), void *arg) {
    struct buf text = {0};
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        const struct cluster_node *n = &e->cluster->nodes[i];
        buf_clear(&text);
        if (i == e->self && n->standing == STANDING_REMOVED)
            buf_printf(&text, "%s was removed from the cluster: it takes no commands, and can be ended", n->name);
        else if (i != e->self && n->standing == STANDING_REMOVED && !e->member[i].gone &&
                 e->now.mono_us - e->member[i].removed_us > REMOVED_PATIENCE_US)
            buf_printf(&text, "%s was removed, and some nodes have not said yet that they know: until then nothing more is collected", n->name);
        if (!text.n) continue;
        buf_u8(&text, 0);
        each(arg, (const char *)text.p);
    }
    buf_finish(&text);
}
