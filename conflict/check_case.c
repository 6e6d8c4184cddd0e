#include "check_case.h"
#include <stdlib.h>

static void sibling_finish(struct check_sibling *s) {
    buf_finish(&s->dot);
    buf_finish(&s->content);
}

void check_case_finish(struct check_case *c) {
    for (uint32_t i = 0; i < c->count; i++) sibling_finish(&c->siblings[i]);
    sibling_finish(&c->base);
    free(c->siblings);
    buf_finish(&c->key);
    buf_finish(&c->table);
    json_decref(c->expect);
    *c = (struct check_case){0};
}

static struct buf copy_of(const struct buf *b) {
    struct buf copy = {0};
    buf_put(&copy, b->p, b->n);
    return copy;
}

static struct check_sibling sibling_copy(const struct check_sibling *s) {
    struct check_sibling copy = *s;
    copy.dot = copy_of(&s->dot);
    copy.content = copy_of(&s->content);
    return copy;
}

void check_case_copy(struct check_case *to, const struct check_case *from) {
    *to = *from;
    to->key = copy_of(&from->key);
    to->table = copy_of(&from->table);
    to->siblings = xcalloc(from->count + 1, sizeof *to->siblings);
    for (uint32_t i = 0; i < from->count; i++) to->siblings[i] = sibling_copy(&from->siblings[i]);
    to->base = sibling_copy(&from->base);
    json_incref(to->expect);
}

static struct handler_sibling as_asked(const struct check_sibling *s) {
    return (struct handler_sibling){
        .dc = slice_text(s->dc),
        .dot = buf_slice_of(&s->dot),
        .priority = s->priority,
        .stamp = s->stamp,
        .marked = s->marked,
        .content = buf_slice_of(&s->content),
    };
}

void check_case_encode(const struct check_case *c, const char *name, const char *settings, struct buf *out) {
    struct handler_sibling *siblings = xcalloc(c->count + 1, sizeof *siblings), base = as_asked(&c->base);
    for (uint32_t i = 0; i < c->count; i++) siblings[i] = as_asked(&c->siblings[i]);
    struct handler_question q = {
        .name = slice_text(name),
        .table = buf_slice_of(&c->table),
        .settings = slice_text(settings),
        .key = buf_slice_of(&c->key),
        .siblings = siblings,
        .count = c->count,
        .base = c->has_base ? &base : NULL,
    };
    handler_question_encode(&q, out);
    free(siblings);
}

bool check_case_open(const struct check_case *c) {
    for (uint32_t i = 1; i < c->count; i++) {
        if (!slice_equal(buf_slice_of(&c->siblings[i].content), buf_slice_of(&c->siblings[0].content))) return true;
    }
    return false;
}

void check_cases_finish(struct check_cases *all) {
    for (uint32_t i = 0; i < all->n; i++) check_case_finish(&all->c[i]);
    free(all->c);
    *all = (struct check_cases){0};
}

struct check_case *check_cases_add(struct check_cases *all) {
    if (all->n == all->cap) {
        all->cap = all->cap ? all->cap * 2 : 64;
        all->c = xrealloc(all->c, all->cap * sizeof *all->c);
    }
    all->c[all->n] = (struct check_case){0};
    return &all->c[all->n++];
}
