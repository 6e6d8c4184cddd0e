/* Events as the commands that do them again. */
#include "../conflict/counter.h"
#include "../conflict/rules.h"
#include "capture.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define NAMES_MAX 100u /* columns or members that one command names */

/* The running total of one origin in one counter, and how it reads. */
struct counted {
    uint64_t birth;
    amount_t total;
    UT_hash_handle hh;
    size_t name_n;
    uint8_t name[];
};
/* A register or counter that is no whole number. */
struct fractional {
    UT_hash_handle hh;
    size_t name_n;
    uint8_t name[];
};
struct command_maker {
    struct capture *capture;
    const struct captured_rows *rows;
    struct counted *counted;
    struct fractional *fractional;
    unsigned spare_keys; /* names that rows had on their way */
    /* the event under way */
    const struct captured *event;
    size_t index;
    bool exact;
    json_t *list;
};

struct command_maker *command_maker_create(struct capture *c, const struct captured_rows *rows) {
    struct command_maker *m = xcalloc(1, sizeof *m);
    m->capture = c;
    m->rows = rows;
    return m;
}

void command_maker_destroy(struct command_maker *m) {
    struct counted *n, *next;
    struct fractional *f, *next_f;
    if (!m) return;
    HASH_ITER(hh, m->counted, n, next) {
        HASH_DELETE(hh, m->counted, n);
        free(n);
    }
    HASH_ITER(hh, m->fractional, f, next_f) {
        HASH_DELETE(hh, m->fractional, f);
        free(f);
    }
    free(m);
}

/* ---- words ---- */

static bool bare(struct slice w) {
    for (size_t i = 0; i < w.n; i++)
        if (w.p[i] <= ' ' || w.p[i] > '~' || strchr("\"'\\{}$", w.p[i])) return false;
    return w.n > 0;
}

static bool is_utf8(struct slice w) {
    json_t *j = json_stringn((const char *)w.p, w.n);
    bool good = j && !memchr(w.p, 0, w.n);
    json_decref(j);
    return good;
}

/* In double quotes; braces would be drawn and dollars stand for saved replies. */
void command_word(struct slice word, struct buf *out) {
    if (bare(word)) {
        buf_put(out, word.p, word.n);
        return;
    }
    bool text = word.n > 0 && is_utf8(word);
    buf_u8(out, '"');
    for (size_t i = 0; i < word.n; i++) {
        uint8_t b = word.p[i];
        if (b == '"' || b == '\\')
            buf_printf(out, "\\%c", b);
        else if (b == '$')
            buf_text(out, "$$");
        else if (b < ' ' || b == 0x7f || b == '{' || b == '}' || (b > 0x7f && !text))
            buf_printf(out, "\\x%02x", b);
        else
            buf_u8(out, b);
    }
    buf_u8(out, '"');
}

static void put_word(struct buf *out, struct slice word) {
    if (out->n) buf_u8(out, ' ');
    command_word(word, out);
}

static void put_text(struct buf *out, const char *word) { put_word(out, slice_text(word)); }

static void begin(struct buf *out, const char *command, struct slice key) {
    buf_clear(out);
    put_text(out, command);
    put_word(out, key);
}

static void end(struct command_maker *m, struct buf *out) {
    json_array_append_new(m->list, json_stringn((const char *)out->p, out->n));
    buf_finish(out);
}

static void simple(struct command_maker *m, const char *command, struct slice key, const char *argument) {
    struct buf b = {0};
    begin(&b, command, key);
    if (argument) put_text(&b, argument);
    end(m, &b);
}

/* A time as milliseconds from the event on: clocks of a scenario show another day. */
static void put_left(struct command_maker *m, struct buf *out, uint64_t ends_ms) {
    uint64_t now = stamp_ms(m->event->event.stamp);
    buf_printf(out, " %" PRIu64, ends_ms > now ? ends_ms - now : 1);
}

static void put_expiry(struct command_maker *m, struct slice key, uint64_t ends_ms) {
    struct buf b = {0};
    begin(&b, ends_ms ? "PEXPIRE" : "PERSIST", key);
    if (ends_ms) put_left(m, &b, ends_ms);
    end(m, &b);
}

static void put_set(struct command_maker *m, struct slice key, struct slice value, uint64_t ends_ms) {
    struct buf b = {0};
    begin(&b, "SET", key);
    put_word(&b, value);
    if (ends_ms) {
        buf_text(&b, " PX");
        put_left(m, &b, ends_ms);
    }
    end(m, &b);
}

/* ---- lists of columns and members, in commands of a bounded length ---- */

struct named {
    struct command_maker *m;
    const char *command;
    struct slice key;
    struct buf text;
    unsigned names;
};

static void flush_names(struct named *n) {
    if (n->names) end(n->m, &n->text);
    n->names = 0;
}

static void add_name(struct named *n, struct slice name, const struct slice *value) {
    if (n->names == NAMES_MAX) flush_names(n);
    if (n->names++ == 0) begin(&n->text, n->command, n->key);
    put_word(&n->text, name);
    if (value) put_word(&n->text, *value);
}

/* ---- whole rows ---- */

static const char *adds(enum content_type t) { return t == CONTENT_HASH ? "HSET" : "SADD"; }
static const char *removes(enum content_type t) { return t == CONTENT_HASH ? "HDEL" : "SREM"; }

static void put_columns(struct command_maker *m, struct slice key, struct slice content) {
    struct slice name, value;
    bool hash = content_type(content) == CONTENT_HASH;
    struct named n = {.m = m, .command = adds(content_type(content)), .key = key};
    struct content_columns each = content_columns(content);
    while (content_next(&each, &name, &value)) add_name(&n, name, hash ? &value : NULL);
    flush_names(&n);
}

/* What makes `after` of `before`, of the same type. False: nothing does; they are equal. */
static bool put_difference(struct command_maker *m, struct slice key, struct slice before, struct slice after) {
    struct slice name, value, had;
    bool hash = content_type(after) == CONTENT_HASH;
    size_t count = json_array_size(m->list);
    struct named add = {.m = m, .command = adds(content_type(after)), .key = key};
    struct named remove = {.m = m, .command = removes(content_type(after)), .key = key};
    struct content_columns each = content_columns(after);
    while (content_next(&each, &name, &value))
        if (!content_find(before, name, &had) || (hash && !slice_equal(had, value))) add_name(&add, name, hash ? &value : NULL);
    flush_names(&add);
    each = content_columns(before);
    while (content_next(&each, &name, &value))
        if (!content_find(after, name, NULL)) add_name(&remove, name, NULL);
    flush_names(&remove);
    if (content_expires_ms(before) != content_expires_ms(after)) put_expiry(m, key, content_expires_ms(after));
    return json_array_size(m->list) > count;
}

/* As the writer will find it. */
static enum row_before row_before(const struct command_maker *m, struct slice key, struct slice *ret_content) {
    return m->exact ? captured_row_before(m->capture, captured_row(m->rows, key), m->index, ret_content) : BEFORE_UNKNOWN;
}

/* Where others may have deleted the row already, there is nothing to delete: it is made first. */
static void put_delete(struct command_maker *m, struct slice key) {
    const struct captured_row *row = captured_row(m->rows, key);
    if (!m->exact || (row && row->older)) simple(m, "SET", key, "deleted");
    simple(m, "DEL", key, NULL);
}

static void put_content(struct command_maker *m, struct slice key, struct slice content) {
    struct slice before;
    uint64_t ends_ms = content_expires_ms(content);
    if (content_type(content) == CONTENT_STRING) {
        put_set(m, key, content_string(content), ends_ms);
        return;
    }
    enum row_before was = row_before(m, key, &before);
    if (was == BEFORE_CONTENT && content_type(before) == content_type(content) && put_difference(m, key, before, content)) return;
    if (was != BEFORE_ABSENT) simple(m, "DEL", key, NULL);
    put_columns(m, key, content);
    if (ends_ms) put_expiry(m, key, ends_ms);
}

/* ---- rows that merge ---- */

static uint64_t expiry_of(const struct delta_op *op) {
    struct reader r = reader_of(op->value);
    return op->value.n ? read_u64(&r) : 0;
}

static void name_cell(struct buf *out, struct slice key, const struct delta_op *op) {
    buf_slice(out, key);
    buf_u8(out, (uint8_t)op->kind);
    buf_slice(out, op->name);
}

static bool whole_amount(amount_t a) {
    amount_t unit = 1;
    for (int i = 0; i < 17; i++) unit *= 10;
    return a % unit == 0 && a / unit <= INT64_MAX && a / unit >= INT64_MIN;
}

static bool whole_number(struct slice s) {
    size_t at = s.n > 0 && s.p[0] == '-';
    if (s.n == at || s.n > 19 || (s.p[at] == '0' && s.n > 1)) return false;
    for (; at < s.n; at++)
        if (s.p[at] < '0' || s.p[at] > '9') return false;
    return true;
}

/* Is the cell, from here on, one that INCRBY would refuse? */
static bool fractional(struct command_maker *m, struct slice key, const struct delta_op *op, amount_t amount) {
    struct buf name = {0};
    struct fractional *f = NULL;
    name_cell(&name, key, op);
    HASH_FIND(hh, m->fractional, name.p, name.n, f);
    bool is = ((op->flags & OP_PUT) && !whole_number(op->value)) || ((op->flags & OP_COUNT) && !whole_amount(amount));
    if (!f && is) {
        f = xcalloc(1, sizeof *f + name.n);
        f->name_n = name.n;
        memcpy(f->name, name.p, name.n);
        HASH_ADD(hh, m->fractional, name, f->name_n, f);
    }
    buf_finish(&name);
    return f != NULL;
}

/* What this event has added: the difference of its origin's running totals. */
static amount_t added(struct command_maker *m, struct slice key, const struct delta_op *op) {
    struct buf name = {0};
    struct counted *before = NULL;
    buf_u32(&name, op->count.origin);
    name_cell(&name, key, op);
    HASH_FIND(hh, m->counted, name.p, name.n, before);
    if (!before) {
        before = xcalloc(1, sizeof *before + name.n);
        before->name_n = name.n;
        memcpy(before->name, name.p, name.n);
        HASH_ADD(hh, m->counted, name, before->name_n, before);
    }
    amount_t less = before->birth == op->count.birth ? before->total : 0;
    before->birth = op->count.birth;
    before->total = op->count.total;
    buf_finish(&name);
    return op->count.total - less;
}

static void put_count(struct command_maker *m, struct slice key, const struct delta_op *op) {
    char text[AMOUNT_TEXT_MAX];
    struct buf b = {0};
    amount_t amount = added(m, key, op);
    bool decimal = fractional(m, key, op, amount), column = op->kind == CELL_FIELD;
    amount_format(amount, text);
    begin(&b, column ? (decimal ? "HINCRBYFLOAT" : "HINCRBY") : decimal ? "INCRBYFLOAT" : "INCRBY", key);
    if (column) put_word(&b, op->name);
    put_text(&b, text);
    end(m, &b);
}

struct merging {
    const struct delta *d;
    const struct delta_op *expiry, *string;
    bool clear, columns; /* columns or members are put */
};

static struct merging look_at(const struct delta *d) {
    struct merging g = {.d = d, .clear = (d->flags & DELTA_CLEAR) != 0};
    for (uint32_t i = 0; i < d->ops_count; i++) {
        const struct delta_op *op = &d->ops[i];
        if (op->kind == CELL_EXPIRY && (op->flags & OP_PUT)) g.expiry = op;
        if (op->kind == CELL_STRING && (op->flags & OP_PUT)) g.string = op;
        if (op->kind != CELL_EXPIRY && op->kind != CELL_STRING && (op->flags & OP_PUT)) g.columns = true;
    }
    return g;
}

static void put_cells(struct command_maker *m, struct slice key, const struct merging *g, enum cell_kind kind, uint8_t flag, const char *command) {
    struct named n = {.m = m, .command = command, .key = key};
    for (uint32_t i = 0; i < g->d->ops_count; i++) {
        const struct delta_op *op = &g->d->ops[i];
        if (op->kind != kind || !(op->flags & flag)) continue;
        if (kind == CELL_FIELD && flag == OP_PUT) fractional(m, key, op, 0);
        add_name(&n, op->name, kind == CELL_FIELD && flag == OP_PUT ? &op->value : NULL);
    }
    flush_names(&n);
}

/* A row that is replaced as a whole says for how long it lasts; columns that are added to one that was absent do not. RENAME replaces so. */
static bool put_replaced(struct command_maker *m, struct slice key, const struct merging *g) {
    char name[64];
    if (!g->clear || !g->expiry || !g->columns || g->string) return false;
    for (uint32_t i = 0; i < g->d->ops_count; i++)
        if (g->d->ops[i].flags & (OP_COUNT | OP_REMOVE)) return false;
    snprintf(name, sizeof name, "capture-%u", ++m->spare_keys);
    struct slice spare = slice_text(name);
    put_cells(m, spare, g, CELL_FIELD, OP_PUT, "HSET");
    put_cells(m, spare, g, CELL_MEMBER, OP_PUT, "SADD");
    if (expiry_of(g->expiry)) put_expiry(m, spare, expiry_of(g->expiry));
    struct buf b = {0};
    begin(&b, "RENAME", spare);
    put_word(&b, key);
    end(m, &b);
    return true;
}

static void put_delta(struct command_maker *m, struct slice key, const struct delta *d) {
    struct merging g = look_at(d);
    struct slice before;
    if (put_replaced(m, key, &g)) return;
    bool absent = row_before(m, key, &before) == BEFORE_ABSENT;
    if (g.string) {
        fractional(m, key, g.string, 0);
        put_set(m, key, g.string->value, g.expiry ? expiry_of(g.expiry) : 0);
        g.expiry = NULL;
    } else if (g.clear && !(absent && (g.columns || d->type != CONTENT_NONE))) {
        simple(m, "DEL", key, NULL);
    }
    put_cells(m, key, &g, CELL_FIELD, OP_PUT, "HSET");
    put_cells(m, key, &g, CELL_FIELD, OP_REMOVE, "HDEL");
    put_cells(m, key, &g, CELL_MEMBER, OP_PUT, "SADD");
    put_cells(m, key, &g, CELL_MEMBER, OP_REMOVE, "SREM");
    for (uint32_t i = 0; i < d->ops_count; i++)
        if (d->ops[i].flags & OP_COUNT) put_count(m, key, &d->ops[i]);
    if (g.expiry) put_expiry(m, key, expiry_of(g.expiry));
}

/* ---- definitions ---- */

static struct slice column(struct slice content, const char *name) {
    struct slice value = {0};
    return content.n && content_type(content) == CONTENT_HASH && content_find(content, slice_text(name), &value) ? value : (struct slice){0};
}

static void define_table(struct command_maker *m, struct slice name, struct slice content) {
    struct slice policy = column(content, "conflict");
    struct buf b = {0};
    begin(&b, "TRUCE.TABLE", slice_text(content.n ? "SET" : "RESET"));
    put_word(&b, name);
    if (policy.n > 8 && memcmp(policy.p, "handler:", 8) == 0) {
        capture_note(m->capture, "table %.*s was settled by %.*s: here by record, and its answers are writes like others", (int)name.n,
                     (const char *)name.p, (int)policy.n, (const char *)policy.p);
        policy = slice_text("record");
    }
    if (content.n) put_word(&b, policy);
    end(m, &b);
}

static bool take_prefix(struct slice key, const char *prefix, struct slice *ret_rest) {
    size_t n = strlen(prefix);
    if (key.n <= n || memcmp(key.p, prefix, n) != 0) return false;
    *ret_rest = SLICE(key.p + n, key.n - n);
    return true;
}

/* False: it is no definition. */
static bool put_definition(struct command_maker *m, const struct change *c) {
    struct slice name;
    struct slice content = c->op == CHANGE_PUT ? c->content : (struct slice){0};
    if (take_prefix(c->key, RULES_TABLE_PREFIX, &name)) {
        define_table(m, name, content);
    } else if (take_prefix(c->key, RULES_DC_PREFIX, &name)) {
        struct buf b = {0};
        begin(&b, "TRUCE.PRIORITY", name);
        put_word(&b, content.n ? column(content, "priority") : slice_text("0"));
        end(m, &b);
    } else if (take_prefix(c->key, RULES_MARK_PREFIX, &name)) {
        capture_note(m->capture, "the clock mark on %.*s is left out: it names a run of a node that there will not be again", (int)name.n,
                     (const char *)name.p);
    } else {
        return take_prefix(c->key, RULES_PREFIX, &name);
    }
    return true;
}

/* ---- events ---- */

static void put_change(struct command_maker *m, const struct change *c) {
    struct delta d = {0};
    if (put_definition(m, c)) return;
    switch (c->op) {
    case CHANGE_PUT: put_content(m, c->key, c->content); break;
    case CHANGE_ANSWER:
        if (c->content.n)
            put_content(m, c->key, c->content);
        else
            put_delete(m, c->key);
        break;
    case CHANGE_DELETE: put_delete(m, c->key); break;
    case CHANGE_MERGE:
        if (delta_decode(&d, c->content, m->event->event.dot, m->event->event.stamp, m->capture->origins)) put_delta(m, c->key, &d);
        delta_finish(&d);
        break;
    case CHANGE_REAP: break;   /* the row's time will be up again */
    case CHANGE_RECORD: break; /* a row of which no answer comes stays open */
    }
}

json_t *commands_of_event(struct command_maker *m, size_t event, bool exact) {
    m->exact = exact;
    m->event = &m->capture->events[event];
    m->index = event;
    m->list = json_array();
    for (uint32_t i = 0; i < m->event->event.changes_count; i++) {
        const struct change *c = &m->event->event.changes[i];
        const struct captured_row *row = captured_row(m->rows, c->key);
        if (!m->event->base || (row && row->in_capture)) put_change(m, c);
    }
    return m->list;
}
