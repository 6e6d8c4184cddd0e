#include "cluster.h"
#include "file.h"
#include "shown.h"
#include "text.h"
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define FILE_MIB_MAX 16
#define PLACE_MAX    256
#define MIB          (UINT64_C(1024) * 1024)
#define DAY_MS       (UINT64_C(24) * 60 * 60 * 1000)

/* ---- what is wrong, and where ---- */
struct loader {
    const char *file;
    struct cluster *c;
    struct buf *why;
};

/* "file: place: expected what" */
static void put_expected(struct loader *l, const char *place, const char *expected) {
    buf_clear(l->why);
    buf_printf(l->why, "%s: ", l->file);
    if (place[0] != '\0') buf_printf(l->why, "%s: ", place);
    buf_printf(l->why, "expected %s, got ", expected);
}

static bool wrong(struct loader *l, const char *place, const char *expected, const json_t *got) {
    put_expected(l, place, expected);
    shown_value(got, l->why);
    return false;
}

/* For what is wrong with a value only beside another. */
__attribute__((format(printf, 4, 5))) static bool wrong_because(struct loader *l, const char *place, const char *expected, const char *got, ...) {
    char text[2 * PLACE_MAX];
    va_list args;
    va_start(args, got);
    vsnprintf(text, sizeof text, got, args);
    va_end(args);
    put_expected(l, place, expected);
    buf_text(l->why, text);
    return false;
}

/* A place within another: "datacenters" and "us" give "datacenters.us". */
static const char *within(char out[static PLACE_MAX], const char *place, const char *key) {
    struct buf b = {0};
    if (place[0] != '\0') buf_printf(&b, "%s.", place);
    shown_text(key, &b);
    size_t n = b.n < PLACE_MAX - 1 ? b.n : PLACE_MAX - 1;
    if (n != 0) memcpy(out, b.p, n);
    out[n] = '\0';
    buf_finish(&b);
    return out;
}

static bool no_other_keys(struct loader *l, const char *place, const json_t *object, const char *const *keys, size_t count) {
    for (void *i = json_object_iter((json_t *)(uintptr_t)object); i != NULL; i = json_object_iter_next((json_t *)(uintptr_t)object, i)) {
        const char *key = json_object_iter_key(i);
        size_t k = 0;
        while (k < count && strcmp(keys[k], key) != 0) k++;
        if (k < count) continue;
        struct buf expected = {0};
        buf_text(&expected, "no other keys than ");
        for (k = 0; k < count; k++) buf_printf(&expected, "%s%s", k == 0 ? "" : ", ", keys[k]);
        buf_u8(&expected, 0);
        put_expected(l, place, (const char *)expected.p);
        buf_u8(l->why, '"');
        shown_text(key, l->why);
        buf_u8(l->why, '"');
        buf_finish(&expected);
        return false;
    }
    return true;
}
#define NO_OTHER_KEYS(l, place, object, keys) no_other_keys(l, place, object, keys, sizeof keys / sizeof *keys)

/* ---- values ---- */
static bool load_number(struct loader *l, const char *place, const json_t *object, const char *key, int64_t min, int64_t max, int64_t *into) {
    const json_t *v = json_object_get(object, key);
    char expected[80], here[PLACE_MAX];
    if (v == NULL) return true; /* the default stands */
    snprintf(expected, sizeof expected, "a whole number from %" PRId64 " to %" PRId64, min, max);
    if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max) return wrong(l, within(here, place, key), expected, v);
    *into = json_integer_value(v);
    return true;
}

static bool load_flag(struct loader *l, const json_t *root, const char *key, bool *into) {
    const json_t *v = json_object_get(root, key);
    if (v == NULL) return true;
    if (!json_is_boolean(v)) return wrong(l, key, "true or false", v);
    *into = json_is_true(v);
    return true;
}

/* The value itself is not shown: it is a secret. */
static bool load_secret(struct loader *l, const json_t *root, const char *key, char into[static 256]) {
    const json_t *v = json_object_get(root, key);
    if (v == NULL) return true;
    if (!json_is_string(v)) return wrong_because(l, key, "a text of at most 255 bytes", "a value of another type");
    size_t n = json_string_length(v);
    if (n > 255) return wrong_because(l, key, "a text of at most 255 bytes", "%zu bytes", n);
    memcpy(into, json_string_value(v), n + 1);
    return true;
}

static const char name_wanted[] = "a name of 1 to 63 of the characters a-z 0-9 _ -";

static bool load_name(struct loader *l, const json_t *root, const char *key, char into[static NAME_LEN_MAX + 1]) {
    const json_t *v = json_object_get(root, key);
    if (!json_is_string(v) || !name_allowed(slice_text(json_string_value(v)))) return wrong(l, key, name_wanted, v);
    memcpy(into, json_string_value(v), json_string_length(v) + 1);
    return true;
}

static bool name_key(struct loader *l, const char *place, const char *key) {
    char shown[PLACE_MAX];
    if (name_allowed(slice_text(key))) return true;
    return wrong_because(l, place, name_wanted, "the key \"%s\"", within(shown, "", key));
}

static bool host_allowed(struct slice host, bool in_brackets) {
    if (host.n == 0 || host.n > 255) return false;
    for (size_t i = 0; i < host.n; i++) {
        uint8_t c = host.p[i];
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (in_brackets ? !(hex || c == ':' || c == '.') : !(hex || letter || c == '.' || c == '-' || c == '_')) return false;
    }
    return true;
}

/* NULL: it is one; else what was expected. */
static const char *read_endpoint(struct slice text, char ret_host[static 256], uint16_t *ret_port) {
    struct slice host, port;
    uint64_t number;
    if (!text_cut(text, ':', &host, &port)) return "\"host:port\"";
    bool in_brackets = host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    if (in_brackets) host = SLICE(host.p + 1, host.n - 2);
    if (!host_allowed(host, in_brackets)) return "\"host:port\", the host a name, an IPv4 address or an [IPv6 address]";
    if (!text_number(port, UINT16_MAX, &number) || number == 0) return "\"host:port\", the port from 1 to 65535";
    memcpy(ret_host, host.p, host.n);
    ret_host[host.n] = '\0';
    *ret_port = (uint16_t)number;
    return NULL;
}

static bool load_endpoint(struct loader *l, const char *place, const json_t *node, const char *key, char ret_host[static 256], uint16_t *ret_port) {
    const json_t *v = json_object_get(node, key);
    char here[PLACE_MAX];
    within(here, place, key);
    if (!json_is_string(v)) return wrong(l, here, "\"host:port\"", v);
    const char *expected = read_endpoint(SLICE(json_string_value(v), json_string_length(v)), ret_host, ret_port);
    return expected == NULL || wrong(l, here, expected, v);
}

/* ---- the parts ---- */
static int compare_keys(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* The object's keys in order; freed by the caller. */
static const char **sorted_keys(const json_t *object, size_t *ret_count) {
    const char **keys = xmalloc(json_object_size(object) * sizeof *keys);
    size_t count = 0;
    for (void *i = json_object_iter((json_t *)(uintptr_t)object); i != NULL; i = json_object_iter_next((json_t *)(uintptr_t)object, i))
        keys[count++] = json_object_iter_key(i);
    qsort(keys, count, sizeof *keys, compare_keys);
    *ret_count = count;
    return keys;
}

static bool load_node(struct loader *l, const char *place, const char *key, const json_t *v) {
    static const char *const keys[] = {"client", "peer"};
    struct cluster *c = l->c;
    char here[PLACE_MAX], shown[PLACE_MAX];
    uint64_t number;
    if (!text_number(slice_text(key), UINT16_MAX, &number) || number == 0)
        return wrong_because(l, place, "node numbers from 1 to 65535", "the key \"%s\"", within(shown, "", key));
    within(here, place, key);
    if (!json_is_object(v)) return wrong(l, here, "an object with client and peer", v);
    if (!NO_OTHER_KEYS(l, here, v, keys)) return false;
    if (c->nodes_count == NODES_MAX) return wrong_because(l, "datacenters", "at most 128 nodes in all", "more");
    struct cluster_node *n = &c->nodes[c->nodes_count];
    n->dc = c->dcs_count;
    n->node = (uint16_t)number;
    char dc[NAME_LEN_MAX + 1];
    memcpy(dc, c->dcs[n->dc].name, sizeof dc);
    snprintf(n->name, sizeof n->name, "%s-%u", dc, (unsigned)n->node);
    if (!load_endpoint(l, here, v, "client", n->client_host, &n->client_port)) return false;
    if (!load_endpoint(l, here, v, "peer", n->peer_host, &n->peer_port)) return false;
    c->nodes_count++;
    c->dcs[n->dc].nodes_count++;
    return true;
}

static int compare_nodes(const void *a, const void *b) { return ((const struct cluster_node *)a)->node - ((const struct cluster_node *)b)->node; }

static bool load_dc(struct loader *l, const char *key, const json_t *v) {
    static const char *const keys[] = {"priority", "nodes", "leader"};
    char here[PLACE_MAX], there[PLACE_MAX];
    if (!name_key(l, "datacenters", key)) return false;
    within(here, "datacenters", key);
    if (!json_is_object(v)) return wrong(l, here, "an object with nodes", v);
    if (!NO_OTHER_KEYS(l, here, v, keys)) return false;
    struct cluster_dc *dc = &l->c->dcs[l->c->dcs_count];
    memcpy(dc->name, key, strlen(key) + 1);
    uint32_t first = l->c->nodes_count;

    const json_t *priority = json_object_get(v, "priority");
    if (priority != NULL) {
        json_int_t number = json_integer_value(priority);
        if (!json_is_integer(priority) || number < INT32_MIN || number > INT32_MAX)
            return wrong(l, within(there, here, "priority"), "a whole number from -2147483648 to 2147483647", priority);
        dc->priority = (int32_t)number;
    }
    const json_t *leader = json_object_get(v, "leader");
    if (leader != NULL) {
        dc->leaderless = json_is_string(leader) && strcmp(json_string_value(leader), "none") == 0;
        if (!dc->leaderless && (!json_is_string(leader) || strcmp(json_string_value(leader), "elected") != 0))
            return wrong(l, within(there, here, "leader"), "elected or none", leader);
    }
    const json_t *nodes = json_object_get(v, "nodes");
    within(there, here, "nodes");
    if (!json_is_object(nodes) || json_object_size(nodes) == 0) return wrong(l, there, "an object with at least one node", nodes);
    size_t count;
    const char **numbers = sorted_keys(nodes, &count);
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) ok = load_node(l, there, numbers[i], json_object_get(nodes, numbers[i]));
    free(numbers);
    qsort(&l->c->nodes[first], dc->nodes_count, sizeof *l->c->nodes, compare_nodes);
    l->c->dcs_count++;
    return ok;
}

static bool load_dcs(struct loader *l, const json_t *root) {
    const json_t *dcs = json_object_get(root, "datacenters");
    if (!json_is_object(dcs) || json_object_size(dcs) == 0) return wrong(l, "datacenters", "an object with at least one datacenter", dcs);
    if (json_object_size(dcs) > DCS_MAX) return wrong_because(l, "datacenters", "at most 32 datacenters", "%zu", json_object_size(dcs));
    size_t count;
    const char **names = sorted_keys(dcs, &count);
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) ok = load_dc(l, names[i], json_object_get(dcs, names[i]));
    free(names);
    return ok;
}

struct endpoint {
    const char *host;
    uint16_t port;
    const struct cluster_node *node;
    const char *side;
};

static struct endpoint endpoint_of(const struct cluster *c, uint32_t i) {
    const struct cluster_node *n = &c->nodes[i / 2];
    return i % 2 == 0 ? (struct endpoint){n->client_host, n->client_port, n, "client"} : (struct endpoint){n->peer_host, n->peer_port, n, "peer"};
}

static bool check_endpoints_differ(struct loader *l) {
    const struct cluster *c = l->c;
    for (uint32_t i = 0; i < 2 * c->nodes_count; i++) {
        struct endpoint a = endpoint_of(c, i);
        for (uint32_t k = 0; k < i; k++) {
            struct endpoint b = endpoint_of(c, k);
            if (a.port != b.port || strcasecmp(a.host, b.host) != 0) continue;
            char place[PLACE_MAX];
            snprintf(place, sizeof place, "datacenters.%s.nodes.%u.%s", c->dcs[a.node->dc].name, (unsigned)a.node->node, a.side);
            return wrong_because(l, place, "an endpoint of its own", "%.255s:%u, which is datacenters.%s.nodes.%u.%s too", a.host, (unsigned)a.port,
                                 c->dcs[b.node->dc].name, (unsigned)b.node->node, b.side);
        }
    }
    return true;
}

static bool load_policy(struct loader *l, const char *place, const json_t *table, struct cluster_table *t) {
    const json_t *v = json_object_get(table, "conflict");
    char here[PLACE_MAX];
    struct buf why = {0};
    /* What is no text is no policy either: it is refused in the same words. */
    bool ok = policy_parse(slice_text(json_is_string(v) ? json_string_value(v) : ""), &t->policy, &t->chain, &why);
    if (!ok) {
        buf_clear(l->why);
        buf_printf(l->why, "%s: %s: %.*s, got ", l->file, within(here, place, "conflict"), (int)why.n, (const char *)why.p);
        shown_value(v, l->why);
    }
    buf_finish(&why);
    return ok;
}

static bool load_settings(struct loader *l, const char *place, const json_t *table, struct cluster_table *t) {
    const json_t *v = json_object_get(table, "settings");
    char here[PLACE_MAX];
    if (v == NULL) return true;
    within(here, place, "settings");
    if (t->policy != POLICY_HANDLER) return wrong_because(l, here, "settings only beside a policy handler:NAME", "%s", policy_name(t->policy));
    if (!json_is_object(v)) return wrong(l, here, "an object for the handlers", v);
    struct buf why = {0};
    char *text = json_dumps(v, JSON_COMPACT);
    bool ok = text != NULL && settings_parse(slice_text(text), &t->settings, &why);
    free(text);
    buf_finish(&why);
    return ok || wrong_because(l, here, "settings of at most 64 KiB", "more");
}

static bool load_ack(struct loader *l, const char *place, const json_t *object, struct ack *ret) {
    const json_t *v = json_object_get(object, "ack");
    char here[PLACE_MAX];
    if (v == NULL) return true;
    within(here, place, "ack");
    if (!json_is_string(v) || !ack_parse(slice_text(json_string_value(v)), ret) || ret->level == ACK_DEFAULT)
        return wrong(l, here, "leader, one, majority or all, with +dcs:K for K other datacenters", v);
    if (ret->dcs >= l->c->dcs_count) return wrong_because(l, here, "no more datacenters than there are others", "%u", ret->dcs);
    return true;
}

static bool load_table(struct loader *l, const char *key, const json_t *v) {
    static const char *const keys[] = {"conflict", "settings", "ack"};
    struct cluster *c = l->c;
    char here[PLACE_MAX];
    bool is_rest = strcmp(key, "*") == 0;
    if (!is_rest && !name_key(l, "tables", key)) return false;
    if (strcmp(key, TABLE_RESERVED) == 0)
        return wrong_because(l, "tables", "tables of other names", "\"%s\", which holds Truce's own definitions", key);
    within(here, "tables", key);
    if (!json_is_object(v)) return wrong(l, here, "an object with conflict", v);
    if (!NO_OTHER_KEYS(l, here, v, keys)) return false;
    if (!is_rest && c->tables_count == TABLES_MAX) return wrong_because(l, "tables", "at most 1024 tables", "more");
    struct cluster_table *t = is_rest ? &c->rest : &c->tables[c->tables_count++];
    memcpy(t->name, key, strlen(key) + 1);
    if (!load_ack(l, here, v, &t->ack)) return false;
    c->tables_ack |= t->ack.level != ACK_DEFAULT;
    return load_policy(l, here, v, t) && load_settings(l, here, v, t);
}

static bool load_tables(struct loader *l, const json_t *root) {
    const json_t *tables = json_object_get(root, "tables");
    if (tables == NULL) return true;
    if (!json_is_object(tables)) return wrong(l, "tables", "an object of tables", tables);
    size_t count;
    const char **names = sorted_keys(tables, &count);
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) ok = load_table(l, names[i], json_object_get(tables, names[i]));
    free(names);
    return ok;
}

/* ---- handlers and the journal ---- */
static bool is_forced(const struct cluster *c, const char *name) {
    for (uint32_t i = 0; i < c->handlers_forced_count; i++) {
        if (strcmp(c->handlers_forced[i], name) == 0) return true;
    }
    return false;
}

static bool load_forced(struct loader *l, const json_t *handlers) {
    static const char place[] = "handlers.forced";
    struct cluster *c = l->c;
    const json_t *v = json_object_get(handlers, "forced"), *name;
    size_t i;
    if (v == NULL) return true;
    if (!json_is_array(v)) return wrong(l, place, "an array of names", v);
    if (json_array_size(v) > HANDLERS_MAX) return wrong_because(l, place, "at most 64 names", "%zu", json_array_size(v));
    json_array_foreach(v, i, name) {
        if (!json_is_string(name) || !name_allowed(slice_text(json_string_value(name)))) return wrong(l, place, name_wanted, name);
        if (is_forced(c, json_string_value(name))) return wrong_because(l, place, "each name once", "\"%s\" twice", json_string_value(name));
        memcpy(c->handlers_forced[c->handlers_forced_count++], json_string_value(name), json_string_length(name) + 1);
    }
    return true;
}

static bool load_handlers(struct loader *l, const json_t *root) {
    static const char *const keys[] = {"dir", "forced"};
    const json_t *v = json_object_get(root, "handlers");
    if (v == NULL) return true;
    if (!json_is_object(v)) return wrong(l, "handlers", "an object with dir or forced", v);
    if (!NO_OTHER_KEYS(l, "handlers", v, keys)) return false;
    const json_t *dir = json_object_get(v, "dir");
    size_t n = json_string_length(dir);
    if (dir != NULL && (n == 0 || n > sizeof l->c->handlers_dir - 1)) return wrong(l, "handlers.dir", "a path of 1 to 255 bytes", dir);
    if (dir != NULL) memcpy(l->c->handlers_dir, json_string_value(dir), n + 1);
    return load_forced(l, v);
}

static bool load_journal(struct loader *l, const json_t *root) {
    static const char *const keys[] = {"days", "entries"};
    const json_t *v = json_object_get(root, "journal");
    int64_t days = 30, entries = 1000000;
    if (v != NULL && !json_is_object(v)) return wrong(l, "journal", "an object with days or entries", v);
    bool ok = v == NULL || (NO_OTHER_KEYS(l, "journal", v, keys) && load_number(l, "journal", v, "days", 0, JOURNAL_DAYS_MAX, &days) &&
                            load_number(l, "journal", v, "entries", 0, JOURNAL_ENTRIES_MAX, &entries));
    l->c->journal_ms = (uint64_t)days * DAY_MS;
    l->c->journal_entries_max = (uint64_t)entries;
    return ok;
}

/* ---- ways between datacenters ---- */
/* The name of a datacenter of this file. */
static bool load_dc_name(struct loader *l, const char *place, const json_t *object, const char *key, uint32_t *into) {
    const json_t *v = json_object_get(object, key);
    char here[PLACE_MAX];
    int dc = json_is_string(v) ? cluster_find_dc(l->c, slice_text(json_string_value(v))) : -1;
    if (dc < 0) return wrong(l, within(here, place, key), "one of the datacenters", v);
    *into = (uint32_t)dc;
    return true;
}

static bool load_topology(struct loader *l, const json_t *root) {
    static const char *const keys[] = {"star"};
    const json_t *v = json_object_get(root, "topology");
    const char *text = json_is_string(v) ? json_string_value(v) : "";
    if (v == NULL || strcmp(text, "all") == 0) return true;
    l->c->topology = strcmp(text, "ring") == 0 ? TOPOLOGY_RING : TOPOLOGY_STAR;
    if (l->c->topology == TOPOLOGY_RING) return true;
    if (!json_is_object(v)) return wrong(l, "topology", "\"all\", \"ring\", or {\"star\": DATACENTER}", v);
    return NO_OTHER_KEYS(l, "topology", v, keys) && load_dc_name(l, "topology", v, "star", &l->c->hub);
}

static bool load_prefix(struct loader *l, const char *key, struct cluster_home *h) {
    size_t n = strlen(key);
    bool table = strchr(key, ':') == NULL;
    char shown[PLACE_MAX];
    if (n == 0 || n > HOME_PREFIX_BYTES_MAX || (table && !name_allowed(slice_text(key))))
        return wrong_because(l, "home", "tables, or beginnings of keys with a colon in them, of at most 255 bytes", "the key \"%s\"",
                             within(shown, "", key));
    memcpy(h->prefix, key, n);
    if (table) h->prefix[n++] = ':';
    h->prefix[n] = '\0';
    for (uint32_t i = 0; i < l->c->homes_count; i++)
        if (strcmp(l->c->homes[i].prefix, h->prefix) == 0) return wrong_because(l, "home", "each table once", "\"%s\" twice", within(shown, "", key));
    return true;
}

static bool load_home(struct loader *l, const char *key, const json_t *v) {
    static const char *const keys[] = {"dc", "when_cut"};
    struct cluster *c = l->c;
    char here[PLACE_MAX], there[PLACE_MAX];
    struct cluster_home h = {0};
    if (c->homes_count == HOMES_MAX) return wrong_because(l, "home", "at most 256 entries", "more");
    if (!load_prefix(l, key, &h)) return false;
    within(here, "home", key);
    if (!json_is_object(v)) return wrong(l, here, "an object with dc", v);
    if (!NO_OTHER_KEYS(l, here, v, keys) || !load_dc_name(l, here, v, "dc", &h.dc)) return false;
    if (c->dcs[h.dc].leaderless) return wrong_because(l, within(there, here, "dc"), "a datacenter with a leader", "\"%s\"", c->dcs[h.dc].name);
    const json_t *when_cut = json_object_get(v, "when_cut");
    const char *text = json_is_string(when_cut) ? json_string_value(when_cut) : "";
    h.writes_when_cut = strcmp(text, "write") == 0;
    if (when_cut != NULL && !h.writes_when_cut && strcmp(text, "refuse") != 0)
        return wrong(l, within(there, here, "when_cut"), "\"refuse\" or \"write\"", when_cut);
    c->homes[c->homes_count++] = h;
    return true;
}

static int compare_homes(const void *a, const void *b) {
    const char *x = ((const struct cluster_home *)a)->prefix, *y = ((const struct cluster_home *)b)->prefix;
    size_t n = strlen(x), m = strlen(y);
    return n != m ? (n < m) - (n > m) : strcmp(x, y);
}

static bool load_homes(struct loader *l, const json_t *root) {
    const json_t *homes = json_object_get(root, "home");
    if (homes == NULL) return true;
    if (!json_is_object(homes)) return wrong(l, "home", "an object of tables, or beginnings of keys", homes);
    size_t count;
    const char **keys = sorted_keys(homes, &count);
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) ok = load_home(l, keys[i], json_object_get(homes, keys[i]));
    free(keys);
    qsort(l->c->homes, l->c->homes_count, sizeof *l->c->homes, compare_homes);
    return ok;
}

static bool load_sizes(struct loader *l, const json_t *root) {
    struct cluster *c = l->c;
    int64_t clock_bound_ms = 500, memory_mb = 256, log_budget_mb = 1024, clients_max = 10000, siblings_max = 64;
    bool ok = load_number(l, "", root, "clock_bound_ms", 1, CLOCK_BOUND_MS_MAX, &clock_bound_ms) &&
              load_number(l, "", root, "memory_mb", MEMORY_MB_MIN, MEMORY_MB_MAX, &memory_mb) &&
              load_number(l, "", root, "log_budget_mb", 1, LOG_BUDGET_MB_MAX, &log_budget_mb) &&
              load_number(l, "", root, "clients_max", 1, CLIENTS_MAX, &clients_max) &&
              load_number(l, "", root, "siblings_max", 2, SIBLINGS_MAX, &siblings_max);
    c->clock_bound_ms = (uint64_t)clock_bound_ms;
    c->memory_bytes_max = (uint64_t)memory_mb * MIB;
    c->log_bytes_max = (uint64_t)log_budget_mb * MIB;
    c->clients_max = (uint32_t)clients_max;
    c->siblings_max = (uint32_t)siblings_max;
    return ok;
}

static bool load_root(struct loader *l, const json_t *root) {
    static const char *const keys[] = {"cluster",      "datacenters", "tables",          "handlers",  "journal",       "password",
                                       "secret",       "fsync",       "clock_bound_ms",  "memory_mb", "log_budget_mb", "clients_max",
                                       "siblings_max", "ack",         "minority_writes", "topology",  "home"};
    if (!json_is_object(root)) return wrong(l, "", "an object with cluster and datacenters", root);
    l->c->fsync = true;
    l->c->ack = (struct ack){.level = ACK_MAJORITY};
    l->c->rest = (struct cluster_table){.name = "*", .policy = POLICY_MERGE};
    return NO_OTHER_KEYS(l, "", root, keys) && load_name(l, root, "cluster", l->c->name) && load_dcs(l, root) && check_endpoints_differ(l) &&
           load_tables(l, root) && load_handlers(l, root) && load_journal(l, root) && load_secret(l, root, "password", l->c->password) &&
           load_secret(l, root, "secret", l->c->secret) && load_flag(l, root, "fsync", &l->c->fsync) && load_ack(l, "", root, &l->c->ack) &&
           load_flag(l, root, "minority_writes", &l->c->minority_writes) && load_sizes(l, root) && load_topology(l, root) && load_homes(l, root);
}

/* ---- what nodes must agree about ---- */
static void put_table(struct buf *out, const struct cluster_table *t) {
    struct buf policy = {0};
    policy_format(t->policy, &t->chain, &policy);
    buf_slice(out, slice_text(t->name));
    buf_slice(out, buf_slice_of(&policy));
    buf_slice(out, slice_text(t->settings == NULL ? "{}" : t->settings));
    buf_finish(&policy);
}

static uint64_t hash_definitions(const struct cluster *c) {
    struct buf text = {0};
    for (uint32_t i = 0; i < c->dcs_count; i++) {
        if (c->dcs[i].priority == 0) continue; /* as one that is not in the file: a datacenter may be added */
        buf_slice(&text, slice_text(c->dcs[i].name));
        buf_u32(&text, (uint32_t)c->dcs[i].priority);
    }
    put_table(&text, &c->rest);
    for (uint32_t i = 0; i < c->tables_count; i++) put_table(&text, &c->tables[i]);
    uint64_t hash = hash64(buf_slice_of(&text));
    buf_finish(&text);
    return hash;
}

/* ---- the file ---- */
bool cluster_parse(const char *name, struct slice json, struct cluster *ret, struct buf *why) {
    json_t *root = file_json(name, json, why);
    if (root == NULL) return false;
    struct loader l = {.file = name, .c = xcalloc(1, sizeof *l.c), .why = why};
    bool ok = load_root(&l, root);
    if (ok) {
        l.c->definitions_hash = hash_definitions(l.c);
        *ret = *l.c;
    } else {
        cluster_finish(l.c);
    }
    free(l.c);
    json_decref(root);
    return ok;
}

void cluster_finish(struct cluster *c) {
    free(c->rest.settings);
    for (uint32_t i = 0; i < c->tables_count; i++) free(c->tables[i].settings);
    memset(c, 0, sizeof *c);
}

bool cluster_load(const char *path, struct cluster *ret, struct buf *why) {
    struct buf text = {0};
    bool ok = file_read(path, FILE_MIB_MAX, &text, why) && cluster_parse(path, buf_slice_of(&text), ret, why);
    buf_finish(&text);
    return ok;
}

bool endpoint_parse(struct slice text, char ret_host[static 256], uint16_t *ret_port) { return read_endpoint(text, ret_host, ret_port) == NULL; }
