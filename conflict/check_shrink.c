/* One step smaller: a version less, a column less, a shorter value, no expiry, a plain key. */
#include "check_case.h"
#include <stdlib.h>

#define COLUMNS_TRIED 24u /* of each version */

/* A content taken apart. */
struct parts {
    enum content_type type;
    uint64_t expires_ms;
    struct content_column *columns;
    size_t count;
};

static struct parts take_apart(struct slice content) {
    struct parts p = {.type = content_type(content)};
    if (content.n == 0) return p;
    p.expires_ms = content_expires_ms(content);
    p.columns = xcalloc((size_t)content_count(content), sizeof *p.columns);
    if (p.type == CONTENT_STRING) {
        p.columns[p.count++].value = content_string(content);
        return p;
    }
    struct content_columns i = content_columns(content);
    while (content_next(&i, &p.columns[p.count].name, &p.columns[p.count].value)) p.count++;
    return p;
}

/* The content that the parts make, in `ret`. */
static void put_together(struct parts *p, struct buf *ret) {
    struct buf out = {0};
    if (p->type == CONTENT_STRING)
        content_make_string(&out, p->expires_ms, p->columns[0].value);
    else
        content_make(&out, p->type, p->expires_ms, p->columns, p->count);
    buf_clear(ret);
    buf_put(ret, out.p, out.n);
    buf_finish(&out);
    free(p->columns);
}

/* `s` is a version of `c`, counted; the base is the last. */
static struct check_sibling *version_of(struct check_case *c, uint32_t i) { return i < c->count ? &c->siblings[i] : &c->base; }

static struct check_case *another(const struct check_case *c, struct check_cases *ret) {
    struct check_case *made = check_cases_add(ret);
    check_case_copy(made, c);
    return made;
}

/* What is no conflict any more is no smaller one. */
static void keep_if_open(struct check_cases *ret) {
    struct check_case *last = &ret->c[ret->n - 1];
    if (check_case_open(last)) return;
    check_case_finish(last);
    ret->n--;
}

static void without_sibling(const struct check_case *c, uint32_t i, struct check_cases *ret) {
    struct check_case *made = another(c, ret);
    struct check_sibling gone = made->siblings[i];
    made->count--;
    memmove(&made->siblings[i], &made->siblings[i + 1], (made->count - i) * sizeof *made->siblings);
    buf_finish(&gone.dot);
    buf_finish(&gone.content);
    keep_if_open(ret);
}

enum edit { DROP_HALF, DROP_COLUMN, HALVE_VALUE, PLAIN_VALUE, NO_EXPIRY };

/* Version i with one edit, at column `at`. */
static void edited(const struct check_case *c, uint32_t i, enum edit e, size_t at, struct check_cases *ret) {
    struct check_case *made = another(c, ret);
    struct buf *content = &version_of(made, i)->content, before = {0};
    buf_put(&before, content->p, content->n);
    struct parts p = take_apart(buf_slice_of(&before));
    if (e == DROP_HALF) p.count /= 2;
    if (e == DROP_COLUMN) memmove(&p.columns[at], &p.columns[at + 1], (--p.count - at) * sizeof *p.columns);
    if (e == HALVE_VALUE) p.columns[at].value.n /= 2;
    if (e == PLAIN_VALUE) p.columns[at].value = SLICE("a", 1);
    if (e == NO_EXPIRY) p.expires_ms = 0;
    put_together(&p, content);
    buf_finish(&before);
    keep_if_open(ret);
}

static void smaller_versions(const struct check_case *c, uint32_t i, struct check_cases *ret) {
    struct check_case *whole = (struct check_case *)(uintptr_t)c;
    struct parts p = take_apart(buf_slice_of(&version_of(whole, i)->content));
    bool columns = p.type == CONTENT_HASH || p.type == CONTENT_SET;
    if (columns && p.count > 3) edited(c, i, DROP_HALF, 0, ret);
    for (size_t at = 0; columns && p.count > 1 && at < p.count && at < COLUMNS_TRIED; at++) edited(c, i, DROP_COLUMN, at, ret);
    for (size_t at = 0; p.type != CONTENT_SET && at < p.count && at < COLUMNS_TRIED; at++) {
        if (p.columns[at].value.n > 1) edited(c, i, HALVE_VALUE, at, ret);
        if (p.columns[at].value.n > 1) edited(c, i, PLAIN_VALUE, at, ret);
    }
    if (p.expires_ms != 0) edited(c, i, NO_EXPIRY, 0, ret);
    free(p.columns);
}

void check_case_smaller(const struct check_case *c, struct check_cases *ret) {
    for (uint32_t i = 0; c->count > 2 && i < c->count; i++) without_sibling(c, i, ret);
    if (c->has_base && c->base.content.n > 0) buf_clear(&another(c, ret)->base.content);
    for (uint32_t i = 0; i < c->count + c->has_base; i++) smaller_versions(c, i, ret);
    if (c->key.n > 1) another(c, ret)->key.n = 1;
}
