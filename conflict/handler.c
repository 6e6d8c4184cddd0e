#include "handler.h"
#include <stdlib.h>

#define REQUEST_VERSION     1
#define SIBLING_BYTES_MIN   16u
#define MEMBERS_OF(content) (content_type(content) == CONTENT_HASH || content_type(content) == CONTENT_SET)

/* ---- making a request ---- */
static void put_sibling(const struct handler_sibling *s, struct buf *out) {
    buf_slice(out, s->dc);
    buf_slice(out, s->dot);
    buf_u32(out, (uint32_t)s->priority);
    buf_u64(out, s->stamp);
    buf_u8(out, s->marked);
    buf_slice(out, s->content);
}

void handler_question_encode(const struct handler_question *q, struct buf *out) {
    buf_u8(out, REQUEST_VERSION);
    buf_slice(out, q->name);
    buf_slice(out, q->table);
    buf_slice(out, q->settings);
    buf_slice(out, q->key);
    buf_varint(out, q->count);
    for (uint32_t i = 0; i < q->count; i++) put_sibling(&q->siblings[i], out);
    buf_u8(out, q->base != NULL);
    if (q->base != NULL) put_sibling(q->base, out);
}

/* A version without a dot is a base of which is known that there was no row. */
static struct handler_sibling sibling_of(const struct version *v, struct slice dot, const struct rules *rules, const struct origins *t) {
    if (v->dot.n == 0) return (struct handler_sibling){0};
    const struct origin *o = origins_get(t, v->dot.origin);
    return (struct handler_sibling){
        .dc = slice_text(o->dc),
        .dot = dot,
        .priority = rules_priority(rules, o),
        .stamp = v->stamp,
        .marked = rules_marked(rules, v->dot),
        .content = v->content,
    };
}

void handler_request_encode(const struct row *r, struct slice key, const struct table_rule *table, uint32_t at, const struct rules *rules,
                            const struct origins *t, struct buf *out) {
    const struct cell *cell = row_cell(r, CELL_ROW, (struct slice){0});
    const struct version *base = row_base(r);
    uint32_t all = cell->count + (base != NULL);
    struct handler_sibling *siblings = xcalloc(all, sizeof *siblings);
    size_t *ends = xcalloc(all + 1, sizeof *ends);
    struct buf dots = {0};
    for (uint32_t i = 0; i < all; i++) {
        const struct version *v = i < cell->count ? &cell_versions(r, cell)[i] : base;
        if (v->dot.n != 0) dot_format(t, v->dot, &dots);
        ends[i + 1] = dots.n;
    }
    for (uint32_t i = 0; i < all; i++) /* dots stays where it is from here on */
        siblings[i] = sibling_of(i < cell->count ? &cell_versions(r, cell)[i] : base, SLICE(dots.p + ends[i], ends[i + 1] - ends[i]), rules, t);
    handler_question_encode(
        &(struct handler_question){
            .name = slice_text(table->chain.names[at]),
            .table = slice_text(table->name),
            .settings = slice_text(table->settings != NULL ? table->settings : "{}"),
            .key = key,
            .siblings = siblings,
            .count = cell->count,
            .base = base != NULL ? &siblings[cell->count] : NULL,
        },
        out);
    buf_finish(&dots);
    free(ends);
    free(siblings);
}

/* ---- reading one ---- */
void handler_request_finish(struct handler_request *q) {
    free(q->siblings);
    free(q->list);
    free(q->columns);
    free(q->contents);
    buf_finish(&q->text);
    *q = (struct handler_request){0};
}

/* A text without zeros inside, so that what the handler reads as zero-terminated is the whole of it. */
static bool read_text(struct reader *r, struct slice *ret) {
    *ret = read_slice(r);
    return !r->bad && (ret->n == 0 || memchr(ret->p, 0, ret->n) == NULL);
}

static bool read_sibling(struct reader *r, bool is_base, struct handler_sibling *ret) {
    if (!read_text(r, &ret->dc) || !read_text(r, &ret->dot)) return false;
    ret->priority = (int32_t)read_u32(r);
    ret->stamp = read_u64(r);
    uint8_t marked = read_u8(r);
    ret->marked = marked == 1;
    ret->content = read_slice(r);
    return !r->bad && marked <= 1 && ret->dc.n <= NAME_LEN_MAX && (is_base || ret->dot.n > 0) && (ret->content.n == 0 || content_check(ret->content));
}

/* The whole request; `siblings` becomes the caller's, with the base as the last. */
static bool read_question(struct slice bytes, struct handler_question *ret, struct handler_sibling **ret_siblings) {
    struct reader r = reader_of(bytes);
    if (bytes.n > HANDLER_REQUEST_BYTES_MAX || read_u8(&r) != REQUEST_VERSION) return false;
    if (!read_text(&r, &ret->name) || !read_text(&r, &ret->table) || !read_text(&r, &ret->settings)) return false;
    ret->key = read_slice(&r);
    uint64_t count = read_varint(&r);
    if (r.bad || !name_allowed(ret->name) || count < 1 || count > (size_t)(r.end - r.p) / SIBLING_BYTES_MIN) return false;
    struct handler_sibling *siblings = *ret_siblings = xcalloc((size_t)count + 1, sizeof *siblings);
    for (uint64_t i = 0; i < count; i++) {
        if (!read_sibling(&r, false, &siblings[i])) return false;
    }
    uint8_t has_base = read_u8(&r);
    if (has_base > 1 || (has_base == 1 && !read_sibling(&r, true, &siblings[count]))) return false;
    ret->siblings = siblings;
    ret->count = (uint32_t)count;
    ret->base = has_base ? &siblings[count] : NULL;
    return read_done(&r);
}

static size_t columns_of(struct slice content, struct truce_column *ret) {
    if (content.n == 0) return 0;
    if (!MEMBERS_OF(content)) {
        struct slice text = content_string(content);
        if (ret != NULL) ret[0] = (struct truce_column){.name = {"", 0}, .value = {(const char *)text.p, text.n}};
        return 1;
    }
    struct content_columns i = content_columns(content);
    struct slice name, value;
    size_t n = 0;
    for (; content_next(&i, &name, &value); n++) {
        if (ret == NULL) continue;
        ret[n] = (struct truce_column){.name = {(const char *)name.p, name.n}, .value = {(const char *)value.p, value.n}};
        if (value.n == 0) ret[n].value.p = "";
    }
    return n;
}

/* A zero-terminated copy in `text`, which has the room. */
static const char *copy_text(struct buf *text, struct slice s) {
    const char *at = (const char *)text->p + text->n;
    buf_put(text, s.p, s.n);
    buf_u8(text, 0);
    return at;
}

static void show_sibling(const struct handler_sibling *s, struct truce_sibling *ret, struct truce_column *columns, struct buf *text) {
    *ret = (struct truce_sibling){
        .struct_size = sizeof *ret,
        .dc = copy_text(text, s->dc),
        .dot = copy_text(text, s->dot),
        .stamp = s->stamp,
        .dc_priority = s->priority,
        .clock_was_off = s->marked,
        .type = s->content.n == 0 ? TRUCE_DELETED : (enum truce_type)content_type(s->content),
        .expires_ms = s->content.n == 0 ? 0 : content_expires_ms(s->content),
        .columns = columns,
        .columns_count = columns_of(s->content, columns),
    };
}

/* Everything the handler sees, laid out in memory of the request's own. */
static void show(struct handler_request *q, const struct handler_question *from, const struct handler_sibling *siblings) {
    uint32_t all = from->count + (from->base != NULL);
    size_t columns = 0, text = from->table.n + from->settings.n + 2;
    for (uint32_t i = 0; i < all; i++) {
        columns += columns_of(siblings[i].content, NULL);
        text += siblings[i].dc.n + siblings[i].dot.n + 2;
    }
    buf_reserve(&q->text, text);
    q->siblings = xcalloc(all, sizeof *q->siblings);
    q->list = xcalloc(all, sizeof *q->list);
    q->contents = xcalloc(all, sizeof *q->contents);
    q->columns = xcalloc(columns + 1, sizeof *q->columns);
    struct truce_column *at = q->columns;
    bool any_deleted = false;
    for (uint32_t i = 0; i < all; i++) {
        show_sibling(&siblings[i], &q->siblings[i], at, &q->text);
        at += q->siblings[i].columns_count;
        q->list[i] = &q->siblings[i];
        q->contents[i] = siblings[i].content;
        while (!slice_equal(siblings[q->siblings[i].same_as].content, siblings[i].content)) q->siblings[i].same_as++;
        if (i < from->count && siblings[i].content.n == 0) any_deleted = true;
    }
    q->conflict = (struct truce_conflict){
        .struct_size = sizeof q->conflict,
        .reason = any_deleted ? TRUCE_WROTE_DELETED : TRUCE_BOTH_WROTE,
        .key = {(const char *)from->key.p, from->key.n},
        .table = copy_text(&q->text, from->table),
        .settings = copy_text(&q->text, from->settings),
        .siblings = q->list,
        .siblings_count = from->count,
        .base = from->base != NULL ? &q->siblings[from->count] : NULL,
    };
}

bool handler_request_decode(struct handler_request *q, struct slice bytes) {
    *q = (struct handler_request){0};
    struct handler_question question;
    struct handler_sibling *siblings = NULL;
    bool ok = read_question(bytes, &question, &siblings);
    if (ok) {
        memcpy(q->name, question.name.p, question.name.n);
        show(q, &question, siblings);
    }
    free(siblings);
    return ok;
}
