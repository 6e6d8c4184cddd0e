/* Definitions: rows of the table `truce` become the rules of this node, and bound what clients may write (DESIGN, section 6). */
#include "state.h"
#include <stdio.h>

static bool noted(const struct engine *e, struct slice key) {
    struct reader r = reader_of(buf_slice_of(&e->definitions));
    while (r.p < r.end)
        if (slice_equal(read_slice(&r), key)) return true;
    return false;
}

/* Marks made in several datacenters at once all count. */
void rules_join_marks(const struct row *r, struct buf *out) {
    struct slice name, value;
    struct content_column *columns = NULL;
    size_t n = 0, cap = 0;
    for (uint32_t i = 0; i < r->versions_count; i++) {
        struct slice content = r->versions[i].content;
        if (!content.n || content_type(content) != CONTENT_HASH) continue;
        struct content_columns each = content_columns(content);
        while (content_next(&each, &name, &value)) {
            GROW(columns, n, cap);
            columns[n++] = (struct content_column){name, value};
        }
    }
    content_make(out, CONTENT_HASH, 0, columns, n);
    free(columns);
}

static bool is_mark(struct slice key) {
    size_t n = strlen(RULES_MARK_PREFIX);
    return key.n >= n && memcmp(key.p, RULES_MARK_PREFIX, n) == 0;
}

/* Definitions are read by (stamp, origin) alone, clock marks apart: what a mark says may arrive at any time, and a table's form must not change with
 * it. */
static void define(struct engine *e, struct slice key) {
    if (!engine_read_row(e, key, NULL)) return;
    struct buf made = {0}, why = {0};
    const struct row *r = &e->row;
    struct slice content = row_view(r, rules_of(e->rules, key), NULL, e->origins, &made).content;
    if (is_mark(key) && r->versions_count > 1) {
        rules_join_marks(r, &made);
        content = buf_slice_of(&made);
    }
    struct dot *live = xmalloc((r->versions_count + 1) * sizeof *live);
    for (uint32_t i = 0; i < r->versions_count; i++) live[i] = r->versions[i].dot;
    rules_define(e->rules, key, content, live, r->versions_count, e->origins, &why);
    handlers_sweep(e);
    free(live);
    buf_finish(&made);
    buf_finish(&why);
}

void rules_follow(struct engine *e, struct slice key) {
    if (!noted(e, key)) buf_slice(&e->definitions, key);
    if (members_row(key))
        e->members_dirty = true;
    else
        define(e, key);
}

void rules_recover(struct engine *e) {
    struct reader r = reader_of(buf_slice_of(&e->definitions));
    while (r.p < r.end && !e->updates.fatal) {
        struct slice key = read_slice(&r);
        if (members_row(key))
            e->members_dirty = true;
        else
            define(e, key);
    }
}

uint32_t rules_barriers(const struct engine *e) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < rules_tables_count(e->rules); i++) n += rules_barrier(rules_table_at(e->rules, i), &e->stable);
    return n;
}

const char *rules_refuse(struct engine *e, const struct txn *t, struct slice key, char *text, size_t n) {
    size_t prefix = strlen(RULES_PREFIX);
    if (key.n >= prefix && memcmp(key.p, RULES_PREFIX, prefix) == 0) {
        if (t->may_define) return NULL;
        snprintf(text, n, "the table truce holds definitions: use TRUCE.TABLE, TRUCE.PRIORITY, TRUCE.MARK or TRUCE.MEMBERS");
        return text;
    }
    const struct table_rule *table = rules_of(e->rules, key);
    if (!rules_barrier(table, &e->stable)) return NULL;
    snprintf(text, n, "table %s has a new definition that not every node has yet: its keys take writes again when they have", table->name);
    return text;
}
