#include "engine_rig.h"

static void on_broken(void *arg, uint32_t node, const char *why) {
    struct rig *r = arg;
    snprintf(r->broken, sizeof r->broken, "%s", why);
    r->broken_count++;
    if (!r->broken_is_fine) cr_assert_fail("%s stopped: %s", r->cluster.nodes[node].name, why);
}

static void on_applied(void *arg, uint32_t node, const struct event *e, bool own) {
    (void)e, (void)own;
    ((struct rig *)arg)->applied[node]++;
}

/* "us:2 eu:1" as the file's datacenters. */
static void put_datacenters(struct buf *json, const char *shape, const char *end) {
    uint32_t port = 1;
    for (const char *p = shape; p < end && *p;) {
        size_t name = strcspn(p, ":");
        char *after;
        unsigned nodes = (unsigned)strtoul(p + name + 1, &after, 10);
        buf_printf(json, "%s\"%.*s\":{%s\"nodes\":{", p == shape ? "" : ",", (int)name, p, *after == '*' ? "\"leader\":\"none\"," : "");
        for (unsigned i = 1; i <= nodes; i++, port += 2)
            buf_printf(json, "%s\"%u\":{\"client\":\"h:%u\",\"peer\":\"h:%u\"}", i > 1 ? "," : "", i, port, port + 1);
        buf_text(json, "}}");
        p += strcspn(p, " ");
        while (*p == ' ') p++;
    }
}

static void parse_shape(struct rig *r, const char *shape) {
    struct buf json = {0}, why = {0};
    const char *bar = strchr(shape, '|');
    buf_text(&json, "{\"cluster\":\"t\",");
    if (!bar || !strstr(bar, "memory_mb")) buf_text(&json, "\"memory_mb\":16,");
    if (!bar || !strstr(bar, "tables")) buf_text(&json, "\"tables\":{\"*\":{\"conflict\":\"lww\"}},");
    if (bar) buf_printf(&json, "%s,", bar + 1);
    buf_text(&json, "\"datacenters\":{");
    put_datacenters(&json, shape, bar ? bar : shape + strlen(shape));
    buf_text(&json, "}}");
    bool good = cluster_parse("t", buf_slice_of(&json), &r->cluster, &why);
    cr_assert(good, "%.*s", (int)why.n, (const char *)why.p);
    buf_finish(&json);
    buf_finish(&why);
}

static void set_absent(struct cluster *c, const char *names) {
    for (uint32_t i = 0; i < c->nodes_count; i++)
        for (const char *p = names; *p; p += strspn(p, " ")) {
            size_t n = strcspn(p, " ");
            if (n == strlen(c->nodes[i].name) && strncmp(p, c->nodes[i].name, n) == 0) c->nodes[i].standing = STANDING_ABSENT;
            p += n;
        }
}

static struct rig *open_rig(const char *shape, uint64_t seed, const char *without_handlers, const char *absent, const char *down) {
    struct rig *r = xcalloc(1, sizeof *r);
    parse_shape(r, shape);
    set_absent(&r->cluster, absent);
    struct world_options o = world_calm(&r->cluster, seed);
    o.handlers = strstr(shape, "handler:") != NULL;
    if (without_handlers) o.without_handlers[rig_node(r, without_handlers)] = true;
    r->w = world_create(&o, &(struct world_watcher){.arg = r, .broken = on_broken, .applied = on_applied});
    for (uint32_t i = 0; i < r->cluster.nodes_count; i++) {
        if (r->cluster.nodes[i].standing != STANDING_ABSENT && strcmp(r->cluster.nodes[i].name, down) != 0) world_start(r->w, i);
        r->clients[i] = world_client(r->w, i);
    }
    rig_run(r, SECONDS(1));
    return r;
}

struct rig *rig_open_seeded(const char *shape, uint64_t seed) {
    return open_rig(shape, seed, NULL, "", "");
}

struct rig *rig_open(const char *shape) {
    return open_rig(shape, 1, NULL, "", "");
}

struct rig *rig_open_without_handlers(const char *shape, const char *node) {
    return open_rig(shape, 1, node, "", "");
}

struct rig *rig_open_down(const char *shape, const char *node) {
    return open_rig(shape, 1, NULL, "", node);
}

struct rig *rig_open_absent(const char *shape, uint64_t seed, const char *absent) {
    return open_rig(shape, seed, NULL, absent, "");
}

void rig_join(struct rig *r, const char *at, const char *node) {
    char command[800];
    const struct cluster_node *n = &r->cluster.nodes[rig_node(r, node)];
    snprintf(command, sizeof command, "TRUCE.MEMBERS ADD %s %s:%u %s:%u", node, n->client_host, n->client_port, n->peer_host, n->peer_port);
    EXPECT(r, at, command, "+OK");
    world_start(r->w, rig_node(r, node));
}

const char *rig_standing(struct rig *r, const char *at, const char *node) {
    const struct cluster *c = engine_cluster(rig_engine(r, at));
    return standing_name(c->nodes[cluster_find(c, slice_text(node))].standing);
}

void rig_close(struct rig *r) {
    world_destroy(r->w);
    buf_finish(&r->reply);
    free(r);
}

uint32_t rig_node(const struct rig *r, const char *name) {
    int n = cluster_find(&r->cluster, slice_text(name));
    cr_assert(n >= 0, "no node %s", name);
    return (uint32_t)n;
}

struct engine *rig_engine(struct rig *r, const char *node) {
    struct engine *e = world_engine(r->w, rig_node(r, node));
    cr_assert(e, "%s does not run", node);
    return e;
}

void rig_run(struct rig *r, uint64_t us) { world_run(r->w, world_now_us(r->w) + us); }

void rig_settle(struct rig *r) {
    cr_assert(world_settle(r->w, SECONDS(60)), "the nodes do not agree");
    uint64_t digest = 0;
    bool any = false;
    for (uint32_t i = 0; i < r->cluster.nodes_count; i++) {
        if (!world_takes_part(r->w, i)) continue;
        if (!any) digest = engine_digest(world_engine(r->w, i));
        any = true;
        cr_assert_eq(engine_digest(world_engine(r->w, i)), digest, "%s has other rows", r->cluster.nodes[i].name);
    }
}

/* ---- requests ---- */

struct asked {
    struct rig *r;
    bool done;
};

static void on_done(void *arg, const struct reply_info *info) {
    struct asked *a = arg;
    a->done = true;
    struct buf *b = &a->r->reply;
    buf_clear(b);
    if (!info->reply.n) buf_text(b, "(lost)");
    for (size_t i = 0; i < info->reply.n; i++) {
        if (info->reply.p[i] == '\r') continue;
        if (info->reply.p[i] != '\n')
            buf_u8(b, info->reply.p[i]);
        else if (i + 1 < info->reply.n)
            buf_u8(b, ' ');
    }
    buf_u8(b, 0);
}

static const char *await(struct rig *r, struct asked *a) {
    uint64_t end = world_now_us(r->w) + SECONDS(60);
    while (!a->done && world_now_us(r->w) < end) rig_run(r, 100);
    return a->done ? (const char *)r->reply.p : "(none)";
}

const char *rig_args(struct rig *r, uint32_t client, const struct slice *argv, uint32_t argc) {
    struct asked a = {r, false};
    world_request(r->w, client, argv, argc, &(struct request_watcher){.done = on_done, .arg = &a});
    return await(r, &a);
}

const char *rig_do_as(struct rig *r, uint32_t client, const char *command) {
    struct asked a = {r, false};
    world_do(r->w, client, command, &(struct request_watcher){.done = on_done, .arg = &a});
    return await(r, &a);
}

const char *rig_do(struct rig *r, const char *node, const char *command) { return rig_do_as(r, r->clients[rig_node(r, node)], command); }

void rig_send(struct rig *r, uint32_t client, const char *command) { world_do(r->w, client, command, NULL); }

/* ---- faults ---- */

static bool is_in(const struct rig *r, uint32_t node, const char *side) {
    const struct cluster_node *n = &r->cluster.nodes[node];
    return strcmp(side, "*") == 0 || strcmp(side, n->name) == 0 || strcmp(side, r->cluster.dcs[n->dc].name) == 0;
}

static void each_way(struct rig *r, const char *from, const char *to, void (*verb)(struct world *, uint32_t, uint32_t)) {
    for (uint32_t a = 0; a < r->cluster.nodes_count; a++)
        for (uint32_t b = 0; b < r->cluster.nodes_count; b++)
            if (a != b && is_in(r, a, from) && is_in(r, b, to) && !(is_in(r, a, to) && is_in(r, b, from) && strcmp(from, to) != 0)) verb(r->w, a, b);
}

void rig_cut_way(struct rig *r, const char *from, const char *to) { each_way(r, from, to, world_cut); }
void rig_heal_way(struct rig *r, const char *from, const char *to) { each_way(r, from, to, world_heal); }

void rig_cut(struct rig *r, const char *a, const char *b) {
    rig_cut_way(r, a, b);
    rig_cut_way(r, b, a);
}

void rig_heal(struct rig *r, const char *a, const char *b) {
    rig_heal_way(r, a, b);
    rig_heal_way(r, b, a);
}

void rig_slow(struct rig *r, const char *a, const char *b, const struct link_options *o) {
    for (uint32_t x = 0; x < r->cluster.nodes_count; x++)
        for (uint32_t y = 0; y < r->cluster.nodes_count; y++)
            if (x != y && ((is_in(r, x, a) && is_in(r, y, b)) || (is_in(r, x, b) && is_in(r, y, a)))) world_slow(r->w, x, y, o);
}

void rig_restart(struct rig *r, const char *node, enum crash kind) {
    world_kill(r->w, rig_node(r, node), kind);
    world_start(r->w, rig_node(r, node));
}

/* ---- status ---- */

json_t *rig_status(struct rig *r, const char *node) {
    struct buf text = {0};
    json_error_t error;
    engine_status(rig_engine(r, node), &text);
    json_t *s = json_loadb((const char *)text.p, text.n, 0, &error);
    cr_assert(s, "the status of %s is no JSON: %s", node, error.text);
    buf_finish(&text);
    return s;
}

const char *rig_peer_text(struct rig *r, const char *node, const char *peer, const char *key) {
    json_t *s = rig_status(r, node), *p;
    size_t i;
    buf_clear(&r->reply);
    json_array_foreach(json_object_get(s, "peers"), i, p) {
        if (strcmp(json_string_value(json_object_get(p, "node")), peer) != 0) continue;
        const char *text = json_string_value(json_object_get(p, key));
        buf_text(&r->reply, text ? text : "null");
    }
    buf_u8(&r->reply, 0);
    json_decref(s);
    return (const char *)r->reply.p;
}

char *rig_word(char byte, size_t n) {
    char *s = xmalloc(n + 1);
    memset(s, byte, n);
    s[n] = 0;
    return s;
}
