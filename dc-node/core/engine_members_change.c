/* Changes of members: TRUCE.MEMBERS, and what a leader does of its own accord to bring a node in, or out (engine_members.c says what must hold). */
#include "state.h"
#include <stdio.h>

/* ---- writing rows of nodes ---- */

struct change_of_node {
    const char *name;
    enum standing standing;
    const char *client_host, *peer_host, *by;
    uint16_t client_port, peer_port;
};

static struct change_of_node change_of(const struct engine *e, uint32_t node, enum standing s) {
    const struct cluster_node *n = &e->cluster->nodes[node];
    int by = e->member[node].by_dc;
    return (struct change_of_node){.name = n->name,
                                   .standing = s,
                                   .client_host = n->client_host,
                                   .peer_host = n->peer_host,
                                   .client_port = n->client_port,
                                   .peer_port = n->peer_port,
                                   .by = e->cluster->dcs[by < 0 ? e->self_dc : (uint32_t)by].name};
}

static bool put_row(struct txn *t, const struct change_of_node *change) {
    struct buf key = {0}, content = {0}, client = {0}, peer = {0};
    buf_printf(&key, "%s%s", RULES_NODE_PREFIX, change->name);
    endpoint_format(change->client_host, change->client_port, &client);
    endpoint_format(change->peer_host, change->peer_port, &peer);
    struct content_column columns[] = {{slice_text("by"), slice_text(change->by)},
                                       {slice_text("client"), buf_slice_of(&client)},
                                       {slice_text("peer"), buf_slice_of(&peer)},
                                       {slice_text("standing"), slice_text(standing_name(change->standing))}};
    content_make(&content, CONTENT_HASH, 0, columns, sizeof columns / sizeof *columns);
    t->may_define = true;
    bool good = txn_set_content(t, buf_slice_of(&key), buf_slice_of(&content));
    t->may_define = false;
    buf_finish(&key);
    buf_finish(&content);
    buf_finish(&client);
    buf_finish(&peer);
    return good;
}

static void write_row(struct engine *e, uint32_t node, enum standing s) {
    struct txn t = {0};
    struct change_of_node change = change_of(e, node, s);
    txn_begin(&t, e, e->now.wall_ms, NULL);
    if (put_row(&t, &change)) txn_commit(&t);
    txn_finish(&t);
}

/* ---- what a leader does of its own accord ---- */

/* Its own DC's nodes; of a DC that has no member those that this DC's leader has put there, or takes away. */
static bool is_ours(const struct engine *e, uint32_t node) {
    uint32_t dc = e->cluster->nodes[node].dc;
    return dc == e->self_dc || (e->cluster->dcs[dc].nodes_count == 0 && e->member[node].by_dc == (int)e->self_dc);
}

/* It has what the others had, and they go by a report of it. */
static bool has_joined(const struct engine *e, uint32_t node) {
    const struct link *l = &e->links[node];
    bool votes = e->cluster->nodes[node].dc != e->self_dc || l->acked_term == engine_term(e); /* it is admitted: nobody has to wait for its votes */
    return votes && link_reachable(e, node) && l->reports && l->report_run == l->peer_run && !l->is_returning && !l->owes &&
           vv_includes(&l->report, &e->member[node].row);
}

/* It knows that it leaves, so it originates nothing more; and all that it has is here. */
static bool has_left(const struct engine *e, uint32_t node) {
    const struct link *l = &e->links[node];
    return l->reports && vv_includes(&l->report, &e->member[node].row) && vv_includes(&e->vv, &l->report);
}

void members_advance(struct engine *e) {
    for (uint32_t i = 0; i < e->cluster->nodes_count && engine_originates(e) && !e->updates.fatal; i++) {
        enum standing s = e->cluster->nodes[i].standing;
        if (i == e->self || !is_ours(e, i) || e->members_dirty) continue;
        if (s == STANDING_JOINING && has_joined(e, i) && members_may_change(e)) write_row(e, i, STANDING_MEMBER);
        if (s == STANDING_LEAVING && has_left(e, i)) write_row(e, i, STANDING_REMOVED);
    }
    if (e->voters.touch && engine_originates(e) && !e->members_dirty && !e->updates.fatal) write_row(e, e->self, STANDING_MEMBER);
    e->voters.touch = false;
}

/* ---- TRUCE.MEMBERS ADD name client peer ---- */

/* Somebody of this DC is on the way in or out. -1: nobody. */
static int on_the_way(const struct engine *e, uint32_t dc) {
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        enum standing s = e->cluster->nodes[i].standing;
        if (e->cluster->nodes[i].dc == dc && (s == STANDING_JOINING || s == STANDING_LEAVING)) return (int)i;
    }
    return -1;
}

static bool refuse_busy(struct call *c, uint32_t dc) {
    const struct engine *e = c->engine;
    int node = on_the_way(e, dc);
    if (node < 0) return false;
    reply_error(c->reply, "BUSY %s is %s: one change of a datacenter's nodes at a time", e->cluster->nodes[node].name,
                standing_name(e->cluster->nodes[node].standing));
    return true;
}

static bool refuse_endpoint(struct call *c, const char *host, uint16_t port) {
    const struct engine *e = c->engine;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        const struct cluster_node *n = &e->cluster->nodes[i];
        bool client = strcmp(n->client_host, host) == 0 && n->client_port == port, peer = strcmp(n->peer_host, host) == 0 && n->peer_port == port;
        if (n->standing >= STANDING_REMOVED || (!client && !peer)) continue;
        reply_error(c->reply, "ERR %s:%u is where %s listens for %s", host, (unsigned)port, n->name, client ? "clients" : "peers");
        return true;
    }
    return false;
}

/* False: the error is written. */
static bool may_add(struct call *c, const char *dc_name) {
    struct engine *e = c->engine;
    int node = cluster_find(e->cluster, c->argv[2]), dc = cluster_find_dc(e->cluster, slice_text(dc_name));
    if (node >= 0 && e->cluster->nodes[node].standing != STANDING_ABSENT) {
        reply_error(c->reply, "ERR %s is %s: names are not used twice", e->cluster->nodes[node].name,
                    standing_name(e->cluster->nodes[node].standing));
        return false;
    }
    if ((node < 0 && e->cluster->nodes_count == NODES_MAX) || (dc < 0 && e->cluster->dcs_count == DCS_MAX)) {
        reply_error(c->reply, "ERR at most %u nodes and %u datacenters, those that were removed among them", NODES_MAX, DCS_MAX);
        return false;
    }
    if (dc < 0) return true;
    if (refuse_busy(c, (uint32_t)dc)) return false;
    if ((uint32_t)dc == e->self_dc || e->cluster->dcs[dc].nodes_count == 0) return true;
    reply_error(c->reply, "ERR a node of %s is added at the leader of %s", dc_name, dc_name);
    return false;
}

static void add(struct call *c) {
    char dc[NAME_LEN_MAX + 1], client[256], peer[256], name[NAME_LEN_MAX + 8];
    uint16_t number, client_port, peer_port;
    struct engine *e = c->engine;
    if (c->argc != 5) {
        reply_syntax(c);
        return;
    }
    if (!node_name_parse(c->argv[2], dc, &number)) {
        reply_error(c->reply, "ERR expected the name of a node, as us-4");
        return;
    }
    if (!endpoint_parse(c->argv[3], client, &client_port) || !endpoint_parse(c->argv[4], peer, &peer_port)) {
        reply_error(c->reply, "ERR expected where it listens for clients, and where for other nodes, each as host:port");
        return;
    }
    if (!may_add(c, dc) || refuse_endpoint(c, client, client_port) || refuse_endpoint(c, peer, peer_port)) return;
    snprintf(name, sizeof name, "%.*s", (int)c->argv[2].n, (const char *)c->argv[2].p);
    struct change_of_node change = {.name = name,
                                    .standing = STANDING_JOINING,
                                    .client_host = client,
                                    .client_port = client_port,
                                    .peer_host = peer,
                                    .peer_port = peer_port,
                                    .by = e->cluster->dcs[e->self_dc].name};
    if (put_row(c->txn, &change))
        reply_ok(c->reply);
    else
        txn_refuse(c, c->argv[2]);
}

/* ---- TRUCE.MEMBERS REMOVE node|dc [FORCE] ---- */

/* To whoever has most. */
static void hand_over(struct call *c) {
    struct engine *e = c->engine;
    int best = -1;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        const struct link *l = &e->links[i];
        if (i == e->self || !cluster_member_of(e->cluster, i, e->self_dc) || !link_reachable(e, i) || l->acked_term != engine_term(e)) continue;
        if (best < 0 || vv_includes(&l->acked, &e->links[best].acked)) best = (int)i;
    }
    if (best >= 0) lead_hand_over(e, (uint32_t)best);
    reply_error(c->reply, "BUSY %s leads %s, and has to hand over first: try again", e->cluster->nodes[e->self].name,
                e->cluster->dcs[e->self_dc].name);
}

static bool take_away(struct call *c, uint32_t node, bool force) {
    struct engine *e = c->engine;
    struct change_of_node change = change_of(e, node, force ? STANDING_REMOVED : STANDING_LEAVING);
    change.by = e->cluster->dcs[e->self_dc].name;
    if (put_row(c->txn, &change)) return true;
    txn_refuse(c, c->argv[2]);
    return false;
}

/* A whole DC: nobody of it is to vote any more, so its nodes need not go one by one. */
static void remove_dc(struct call *c, uint32_t dc, bool force) {
    struct engine *e = c->engine;
    bool good = true, any = false;
    if (dc == e->self_dc) {
        reply_error(c->reply, "ERR a datacenter is removed at the leader of another one");
        return;
    }
    for (uint32_t i = 0; i < e->cluster->nodes_count && good; i++) {
        enum standing s = e->cluster->nodes[i].standing;
        if (e->cluster->nodes[i].dc != dc || s >= STANDING_REMOVED) continue;
        any = true;
        good = take_away(c, i, force);
    }
    if (good && any) reply_ok(c->reply);
    if (!any) reply_error(c->reply, "ERR %s has no nodes any more", e->cluster->dcs[dc].name);
}

/* False: the error is written. */
static bool may_remove(struct call *c, uint32_t node, bool force) {
    struct engine *e = c->engine;
    const struct cluster_node *n = &e->cluster->nodes[node];
    const char *dc = e->cluster->dcs[n->dc].name;
    if (n->standing >= STANDING_REMOVED)
        reply_error(c->reply, "ERR %s was removed already", n->name);
    else if (n->standing == STANDING_LEAVING && !force)
        reply_error(c->reply, "BUSY %s is leaving", n->name);
    else if (node == e->self && force)
        reply_error(c->reply, "ERR %s is alive: remove it without FORCE", n->name);
    else if (n->standing == STANDING_MEMBER && e->cluster->dcs[n->dc].nodes_count == 1 && n->dc == e->self_dc)
        reply_error(c->reply, "ERR %s is the only member of %s: remove the datacenter, at the leader of another one", n->name, dc);
    else if (force && n->dc != e->self_dc)
        return true; /* its own DC may have no leader left to do it */
    else if (!is_ours(e, node))
        reply_error(c->reply, "ERR a node of %s is removed at the leader of %s", dc, dc);
    else if (n->standing == STANDING_MEMBER && !force && refuse_busy(c, n->dc))
        return false;
    else if (node == e->self)
        hand_over(c);
    else if (n->standing == STANDING_MEMBER && !members_may_change(e))
        reply_error(c->reply, "BUSY a majority of %s does not know yet of the change before, or of this leader: try again", dc);
    else
        return true;
    return false;
}

static void take_out(struct call *c) {
    struct engine *e = c->engine;
    bool force = c->argc == 4 && slice_is(c->argv[3], "FORCE");
    if (c->argc != 3 && !force) {
        reply_syntax(c);
        return;
    }
    int node = cluster_find(e->cluster, c->argv[2]), dc = cluster_find_dc(e->cluster, c->argv[2]);
    if (dc >= 0)
        remove_dc(c, (uint32_t)dc, force);
    else if (node < 0 || e->cluster->nodes[node].standing == STANDING_ABSENT)
        reply_error(c->reply, "ERR there is no such node or datacenter");
    else if (may_remove(c, (uint32_t)node, force) && take_away(c, (uint32_t)node, force))
        reply_ok(c->reply);
}

/* ---- TRUCE.MEMBERS ---- */

static void list(struct call *c) {
    const struct engine *e = c->engine;
    uint32_t count = 0;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) count += e->cluster->nodes[i].standing != STANDING_ABSENT;
    reply_array(c->reply, count);
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) {
        const struct cluster_node *n = &e->cluster->nodes[i];
        struct buf client = {0}, peer = {0};
        if (n->standing == STANDING_ABSENT) continue;
        endpoint_format(n->client_host, n->client_port, &client);
        endpoint_format(n->peer_host, n->peer_port, &peer);
        reply_map(c->reply, 5);
        reply_text(c->reply, "node");
        reply_text(c->reply, n->name);
        reply_text(c->reply, "dc");
        reply_text(c->reply, e->cluster->dcs[n->dc].name);
        reply_text(c->reply, "standing");
        reply_text(c->reply, standing_name(n->standing));
        reply_text(c->reply, "client");
        reply_bulk(c->reply, buf_slice_of(&client));
        reply_text(c->reply, "peer");
        reply_bulk(c->reply, buf_slice_of(&peer));
        buf_finish(&client);
        buf_finish(&peer);
    }
}

void engine_members(struct call *c) {
    if (c->argc == 1)
        list(c);
    else if (slice_is(c->argv[1], "ADD"))
        add(c);
    else if (slice_is(c->argv[1], "REMOVE"))
        take_out(c);
    else
        reply_error(c->reply, "ERR expected TRUCE.MEMBERS, ADD node client peer, or REMOVE node|dc [FORCE]");
}
