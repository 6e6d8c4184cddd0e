#include "rules.h"
#include "../schemas/content.h"
#include "../schemas/text.h"
#include <assert.h>
#include <stdlib.h>

#define SHOWN_MAX 100u /* bytes of a key in a message */

struct dc_rule {
    char name[NAME_LEN_MAX + 1];
    bool in_file, defined;
    int32_t file_priority, defined_priority;
};

struct marked_range {
    origin_ref origin;
    uint64_t from, to;
};

struct slot {
    struct table_rule *rule; /* NULL: empty */
    size_t name_n;
};

/* Tables are found by a hash of their name; `lengths` and `letters` tell most keys of table `*` apart before that. */
struct rules {
    const struct cluster *cluster;
    struct table_rule **tables; /* in order of name: `*` is the first */
    uint32_t tables_count, tables_cap;
    struct table_rule *reserved; /* table `truce` */
    struct slot *slots;          /* all but `*`, open addressing, at most half full */
    uint32_t slots_count;
    uint64_t lengths; /* bit n: there is a name of n bytes */
    uint64_t letters; /* bit c % 64: there is a name that begins with the byte c */
    struct dc_rule *dcs;
    uint32_t dcs_count;
    struct marked_range *marks; /* in order of (origin, from), none touching another */
    uint32_t marks_count;
};

/* ---- table rules ---- */
static uint64_t hash_text(const struct table_rule *t) {
    struct buf text = {0}, policy = {0};
    policy_format(t->policy, &t->chain, &policy);
    buf_slice(&text, buf_slice_of(&policy));
    for (uint32_t i = 0; i < t->chain.count; i++) buf_u64(&text, t->handlers_hash[i]);
    buf_slice(&text, slice_text(t->settings));
    uint64_t hash = hash64(buf_slice_of(&text));
    buf_finish(&policy);
    buf_finish(&text);
    return hash;
}

static struct table_rule *rule_create(struct slice name, enum policy policy, const struct handler_chain *chain, const char *settings) {
    struct table_rule *t = xcalloc(1, sizeof *t);
    assert(name.n <= NAME_LEN_MAX);
    memcpy(t->name, name.p, name.n);
    t->policy = policy;
    if (chain != NULL) t->chain = *chain;
    t->settings = xstrdup(settings == NULL ? "{}" : settings);
    t->text_hash = hash_text(t);
    return t;
}

static void rule_destroy(struct table_rule *t) {
    free(t->settings);
    free(t->barrier);
    free(t);
}

static struct table_rule *rule_of_file(const struct cluster_table *t, const char *name) {
    return rule_create(slice_text(name), t->policy, &t->chain, t->settings);
}

/* What the cluster file says of a table; NULL: nothing. */
static struct table_rule *rule_by_name(const struct cluster *c, struct slice name) {
    if (slice_equal(name, slice_text("*"))) return rule_of_file(&c->rest, "*");
    for (uint32_t i = 0; i < c->tables_count; i++) {
        if (slice_equal(slice_text(c->tables[i].name), name)) return rule_of_file(&c->tables[i], c->tables[i].name);
    }
    return NULL;
}

/* ---- the tables ---- */
/* The slot of the table of this name, or the empty one where it belongs. */
static struct slot *slot_of(const struct rules *r, struct slice name) {
    uint32_t mask = r->slots_count - 1;
    for (uint32_t i = (uint32_t)hash64(name) & mask;; i = (i + 1) & mask) {
        struct slot *s = &r->slots[i];
        if (s->rule == NULL || (s->name_n == name.n && memcmp(s->rule->name, name.p, name.n) == 0)) return s;
    }
}

static void enter(struct rules *r, struct table_rule *t) {
    struct slice name = slice_text(t->name);
    *slot_of(r, name) = (struct slot){t, name.n};
    r->lengths |= UINT64_C(1) << name.n;
    r->letters |= UINT64_C(1) << (name.p[0] & 63);
}

/* A table that is gone is read as `*` is. */
static void follow_rest(const struct table_rule *rest, struct table_rule *t) {
    t->policy = rest->policy;
    t->chain = rest->chain;
    free(t->settings);
    t->settings = xstrdup(rest->settings);
    memcpy(t->handlers_hash, rest->handlers_hash, sizeof t->handlers_hash);
    t->text_hash = rest->text_hash;
    t->barrier_count = t->barrier_own + rest->barrier_count;
    t->barrier = xrealloc(t->barrier, (t->barrier_count + 1) * sizeof *t->barrier);
    if (rest->barrier_count) memcpy(t->barrier + t->barrier_own, rest->barrier, rest->barrier_count * sizeof *t->barrier);
}

static void index_tables(struct rules *r) {
    for (uint32_t i = 1; i < r->tables_count; i++)
        if (r->tables[i]->gone) follow_rest(r->tables[0], r->tables[i]);
    uint32_t slots = 8;
    while (slots < 2 * (r->tables_count + 1)) slots *= 2;
    free(r->slots);
    r->slots = xcalloc(slots, sizeof *r->slots);
    r->slots_count = slots;
    r->lengths = r->letters = 0;
    enter(r, r->reserved);
    for (uint32_t i = 1; i < r->tables_count; i++) enter(r, r->tables[i]);
}

/* Where the table is among the others, or belongs. */
static uint32_t place_of(const struct rules *r, struct slice name, bool *ret_there) {
    uint32_t from = 0, to = r->tables_count;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        int order = slice_compare(slice_text(r->tables[middle]->name), name);
        if (order == 0) {
            *ret_there = true;
            return middle;
        }
        if (order < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    *ret_there = false;
    return from;
}

/* `rule` holds for the table of this name from now on; NULL: it is not declared. The index is to be made anew. */
static void set_table(struct rules *r, struct slice name, struct table_rule *rule) {
    bool there;
    uint32_t at = place_of(r, name, &there);
    uint32_t after = r->tables_count - at - (there ? 1 : 0);
    if (there) rule_destroy(r->tables[at]);
    if (rule != NULL && !there) {
        if (r->tables_count == r->tables_cap) {
            r->tables_cap = r->tables_cap == 0 ? 16 : r->tables_cap * 2;
            r->tables = xrealloc(r->tables, r->tables_cap * sizeof *r->tables);
        }
        memmove(r->tables + at + 1, r->tables + at, after * sizeof *r->tables);
        r->tables_count++;
    } else if (rule == NULL && there) {
        memmove(r->tables + at, r->tables + at + 1, after * sizeof *r->tables);
        r->tables_count--;
    }
    if (rule != NULL) r->tables[at] = rule;
}

/* ---- the datacenters ---- */
static struct dc_rule *dc_find(const struct rules *r, struct slice name) {
    for (uint32_t i = 0; i < r->dcs_count; i++) {
        if (slice_equal(slice_text(r->dcs[i].name), name)) return &r->dcs[i];
    }
    return NULL;
}

static struct dc_rule *dc_enter(struct rules *r, struct slice name) {
    struct dc_rule *d = dc_find(r, name);
    if (d != NULL) return d;
    r->dcs = xrealloc(r->dcs, (r->dcs_count + 1) * sizeof *r->dcs);
    d = &r->dcs[r->dcs_count++];
    *d = (struct dc_rule){0};
    memcpy(d->name, name.p, name.n);
    return d;
}

struct rules *rules_create(const struct cluster *c) {
    struct rules *r = xcalloc(1, sizeof *r);
    r->cluster = c;
    r->reserved = rule_create(slice_text(TABLE_RESERVED), POLICY_LWW, NULL, NULL);
    set_table(r, slice_text("*"), rule_of_file(&c->rest, "*"));
    for (uint32_t i = 0; i < c->tables_count; i++) set_table(r, slice_text(c->tables[i].name), rule_of_file(&c->tables[i], c->tables[i].name));
    index_tables(r);
    for (uint32_t i = 0; i < c->dcs_count; i++) {
        struct dc_rule *d = dc_enter(r, slice_text(c->dcs[i].name));
        d->in_file = true;
        d->file_priority = c->dcs[i].priority;
    }
    return r;
}

void rules_destroy(struct rules *r) {
    if (r == NULL) return;
    for (uint32_t i = 0; i < r->tables_count; i++) rule_destroy(r->tables[i]);
    rule_destroy(r->reserved);
    free(r->tables);
    free(r->slots);
    free(r->dcs);
    free(r->marks);
    free(r);
}

/* ---- looking ---- */
const struct table_rule *rules_of(const struct rules *r, struct slice key) {
    const uint8_t *colon = key.n == 0 ? NULL : memchr(key.p, ':', key.n <= NAME_LEN_MAX ? key.n : NAME_LEN_MAX + 1);
    if (colon == NULL) return r->tables[0];
    struct slice name = SLICE(key.p, (size_t)(colon - key.p));
    if ((r->lengths >> name.n & r->letters >> (key.p[0] & 63) & 1) == 0) return r->tables[0];
    const struct table_rule *t = slot_of(r, name)->rule;
    return t == NULL ? r->tables[0] : t;
}

const struct table_rule *rules_table(const struct rules *r, struct slice name) {
    if (slice_equal(name, slice_text("*"))) return r->tables[0];
    return name.n == 0 ? NULL : slot_of(r, name)->rule;
}

uint32_t rules_tables_count(const struct rules *r) { return r->tables_count; }

const struct table_rule *rules_table_at(const struct rules *r, uint32_t i) {
    assert(i < r->tables_count);
    return r->tables[i];
}

int32_t rules_priority(const struct rules *r, const struct origin *o) {
    for (uint32_t i = 0; i < r->dcs_count; i++) {
        const struct dc_rule *d = &r->dcs[i];
        if (strcmp(d->name, o->dc) == 0) return d->defined ? d->defined_priority : d->file_priority;
    }
    return 0;
}

bool rules_any_mark(const struct rules *r) { return r->marks_count != 0; }

bool rules_marked(const struct rules *r, struct dot d) {
    uint32_t from = 0, to = r->marks_count; /* the first range that begins beyond d */
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        const struct marked_range *m = &r->marks[middle];
        if (m->origin < d.origin || (m->origin == d.origin && m->from <= d.n)) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from > 0 && r->marks[from - 1].origin == d.origin && d.n <= r->marks[from - 1].to;
}

bool rules_barrier(const struct table_rule *t, const struct vv *stable) {
    for (uint32_t i = 0; i < t->barrier_count; i++) {
        if (!vv_covers(stable, t->barrier[i])) return true;
    }
    return false;
}

bool rules_needs_barrier(const struct rules *r, struct slice name, enum policy p) {
    const struct table_rule *t = rules_table(r, name);
    return t == NULL || t->gone || table_merges(t) != (p == POLICY_MERGE);
}

/* ---- definitions ---- */
struct definition {
    struct slice key, name; /* the row's key, and what follows its prefix */
    struct slice content;   /* n == 0: absent */
    struct buf *why;
};

static bool malformed(struct definition *d, const char *expected) {
    buf_clear(d->why);
    for (size_t i = 0; i < d->key.n && i < SHOWN_MAX; i++) buf_u8(d->why, d->key.p[i] < 0x20 || d->key.p[i] >= 0x7f ? '?' : d->key.p[i]);
    buf_printf(d->why, ": %s", expected);
    return false;
}

static bool is_hash(struct definition *d) { return content_type(d->content) == CONTENT_HASH || malformed(d, "expected a hash"); }

/* "name=hash" with single spaces between; each one of the chain, and once. */
static bool parse_handler(struct slice text, struct table_rule *t) {
    struct slice name, hex;
    if (!text_cut(text, '=', &name, &hex) || hex.n != 16) return false;
    uint64_t hash = 0;
    for (size_t i = 0; i < hex.n; i++) {
        uint8_t c = hex.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
        hash = hash << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    for (uint32_t i = 0; i < t->chain.count; i++) {
        if (!slice_equal(slice_text(t->chain.names[i]), name)) continue;
        if (hash == 0 || t->handlers_hash[i] != 0) return false;
        t->handlers_hash[i] = hash;
        return true;
    }
    return false;
}

static bool parse_handlers(struct slice text, struct table_rule *t) {
    while (text.n > 0) {
        const uint8_t *space = memchr(text.p, ' ', text.n);
        size_t n = space == NULL ? text.n : (size_t)(space - text.p);
        if (!parse_handler(SLICE(text.p, n), t)) return false;
        if (space == NULL) return true;
        text = SLICE(space + 1, text.n - n - 1);
    }
    return false; /* nothing, or a space at the end */
}

/* The columns of a table's definition; NULL p: it is not there. */
struct table_columns {
    struct slice conflict, settings, handlers, barrier;
};

static bool read_table_columns(struct definition *d, struct table_columns *ret) {
    if (!is_hash(d)) return false;
    struct content_columns i = content_columns(d->content);
    struct slice name, value;
    while (content_next(&i, &name, &value)) {
        struct slice *into = slice_equal(name, slice_text("conflict"))   ? &ret->conflict
                             : slice_equal(name, slice_text("settings")) ? &ret->settings
                             : slice_equal(name, slice_text("handlers")) ? &ret->handlers
                             : slice_equal(name, slice_text("barrier"))  ? &ret->barrier
                                                                         : NULL;
        if (into == NULL) return malformed(d, "expected no other columns than conflict, settings, handlers, barrier");
        *into = value;
    }
    if (ret->barrier.p != NULL && !slice_equal(ret->barrier, slice_text("1"))) return malformed(d, "expected barrier to be 1, or not there");
    return true;
}

/* NULL: malformed, and why. */
static struct table_rule *parse_table(struct definition *d, const struct table_columns *columns) {
    enum policy policy;
    struct handler_chain chain;
    char *settings = NULL;
    struct buf why = {0};
    bool good = policy_parse(columns->conflict, &policy, &chain, &why);
    if (good && columns->settings.p != NULL) good = settings_parse(columns->settings, &settings, &why);
    if (!good) {
        buf_u8(&why, 0);
        malformed(d, (const char *)why.p);
    } else if (policy != POLICY_HANDLER && (columns->settings.p != NULL || columns->handlers.p != NULL)) {
        good = malformed(d, "expected settings and handlers only beside a policy handler:NAME");
    }
    buf_finish(&why);
    struct table_rule *t = good ? rule_create(d->name, policy, &chain, settings) : NULL;
    free(settings);
    if (t != NULL && columns->handlers.p != NULL && !parse_handlers(columns->handlers, t)) {
        malformed(d, "expected handlers as name=hash, each of the chain once, the hash 16 hex digits, with a space between");
        rule_destroy(t);
        return NULL;
    }
    if (t != NULL) t->text_hash = hash_text(t);
    return t;
}

/* Versions of one definition that do not know of each other ask for a barrier too, whatever each says: their writers may have begun with different
 * forms. So does a definition that is gone or does not count: the file's holds again. */
static void set_barrier(struct table_rule *t, const struct dot *live, uint32_t live_count) {
    t->barrier = xmalloc(live_count * sizeof *t->barrier);
    t->barrier_count = live_count;
    if (live_count != 0) memcpy(t->barrier, live, live_count * sizeof *live);
}

static void define_table(struct rules *r, struct definition *d, const struct dot *live, uint32_t live_count) {
    bool rest = slice_equal(d->name, slice_text("*"));
    if ((!rest && !name_allowed(d->name)) || slice_equal(d->name, slice_text(TABLE_RESERVED))) {
        malformed(d, "expected the name of a table, or *");
        return;
    }
    struct table_columns columns = {0};
    struct table_rule *t = NULL;
    if (d->content.n != 0 && read_table_columns(d, &columns)) t = parse_table(d, &columns);
    bool barrier = t == NULL || columns.barrier.p != NULL || live_count >= 2;
    if (t == NULL) t = rule_by_name(r->cluster, d->name);
    bool gone = t == NULL && live_count != 0;
    if (gone) t = rule_create(d->name, r->tables[0]->policy, NULL, NULL);
    if (t != NULL && barrier) set_barrier(t, live, live_count);
    if (gone) {
        t->gone = true;
        t->barrier_own = t->barrier_count;
    }
    set_table(r, d->name, t);
    index_tables(r);
}

static bool parse_priority(struct slice text, int32_t *ret) {
    uint64_t number;
    bool negative = text.n > 1 && text.p[0] == '-';
    if (negative) text = SLICE(text.p + 1, text.n - 1);
    if (!text_number(text, negative ? UINT64_C(1) << 31 : INT32_MAX, &number) || (negative && number == 0)) return false;
    *ret = (int32_t)(negative ? -(int64_t)number : (int64_t)number);
    return true;
}

static void define_dc(struct rules *r, struct definition *d) {
    if (!name_allowed(d->name)) {
        malformed(d, "expected the name of a datacenter");
        return;
    }
    struct slice value;
    int32_t priority = 0;
    bool good = d->content.n != 0;
    if (good) good = is_hash(d);
    if (good && (content_count(d->content) != 1 || !content_find(d->content, slice_text("priority"), &value) || !parse_priority(value, &priority)))
        good = malformed(d, "expected a priority from -2147483648 to 2147483647, and nothing else");
    struct dc_rule *dc = dc_enter(r, d->name);
    dc->defined = good;
    dc->defined_priority = priority;
    if (!dc->defined && !dc->in_file) *dc = r->dcs[--r->dcs_count];
}

/* ---- marks ---- */
static bool parse_range(struct slice text, struct marked_range *m) {
    struct slice from, to;
    return text_cut(text, '-', &from, &to) && text_number(from, UINT64_MAX, &m->from) && text_number(to, UINT64_MAX, &m->to) && m->from >= 1 &&
           m->from <= m->to;
}

static int compare_marks(const void *a, const void *b) {
    const struct marked_range *x = a, *y = b;
    if (x->origin != y->origin) return x->origin < y->origin ? -1 : 1;
    return (x->from > y->from) - (x->from < y->from);
}

static void drop_marks(struct rules *r, origin_ref o) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < r->marks_count; i++) {
        if (r->marks[i].origin != o) r->marks[kept++] = r->marks[i];
    }
    r->marks_count = kept;
}

/* In order, and what touches as one. */
static void order_marks(struct rules *r) {
    if (r->marks_count == 0) return;
    qsort(r->marks, r->marks_count, sizeof *r->marks, compare_marks);
    uint32_t last = 0;
    for (uint32_t i = 1; i < r->marks_count; i++) {
        struct marked_range *m = &r->marks[last];
        if (m->origin == r->marks[i].origin && r->marks[i].from - 1 <= m->to) {
            if (r->marks[i].to > m->to) m->to = r->marks[i].to;
        } else {
            r->marks[++last] = r->marks[i];
        }
    }
    r->marks_count = last + 1;
}

static bool add_marks(struct rules *r, struct definition *d, origin_ref o) {
    if (!is_hash(d)) return false;
    uint32_t count = (uint32_t)content_count(d->content);
    r->marks = xrealloc(r->marks, (r->marks_count + count) * sizeof *r->marks);
    struct content_columns i = content_columns(d->content);
    struct slice range;
    while (content_next(&i, &range, NULL)) {
        struct marked_range m = {.origin = o};
        if (!parse_range(range, &m)) return malformed(d, "expected columns named FROM-TO, numbers from 1");
        r->marks[r->marks_count++] = m;
    }
    return true;
}

static void define_mark(struct rules *r, struct definition *d, struct origins *t) {
    struct origin o;
    origin_ref ref = origin_parse(d->name, &o) ? origins_intern(t, &o) : ORIGIN_NONE;
    if (ref == ORIGIN_NONE) {
        malformed(d, "expected the name of an origin");
        return;
    }
    drop_marks(r, ref);
    if (d->content.n != 0 && !add_marks(r, d, ref)) drop_marks(r, ref);
    order_marks(r);
}

static bool has_prefix(struct definition *d, const char *prefix) {
    struct slice p = slice_text(prefix);
    if (d->key.n < p.n || memcmp(d->key.p, p.p, p.n) != 0) return false;
    d->name = SLICE(d->key.p + p.n, d->key.n - p.n);
    return true;
}

bool rules_define(struct rules *r, struct slice key, struct slice content, const struct dot *live, uint32_t live_count, struct origins *t,
                  struct buf *why) {
    struct definition d = {.key = key, .content = content, .why = why};
    buf_clear(why);
    if (has_prefix(&d, RULES_TABLE_PREFIX)) {
        define_table(r, &d, live, live_count);
    } else if (has_prefix(&d, RULES_DC_PREFIX)) {
        define_dc(r, &d);
    } else if (has_prefix(&d, RULES_MARK_PREFIX)) {
        define_mark(r, &d, t);
    } else {
        return false;
    }
    return true;
}
