#include "record.h"

#include "../../schemas/cluster.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *moment_name(enum moment_kind k) {
    static const char *const names[] = {
#define X(NAME, text, doc) [MOMENT_##NAME] = text,
        MOMENTS(X)
#undef X
    };
    return names[k];
}

void record_finish(struct record *r) {
    for (size_t i = 0; i < r->moments_count; i++) free((char *)(uintptr_t)r->moments[i].text);
    free(r->moments);
    free(r->samples);
    *r = (struct record){0};
}

static bool may_be_left_out(enum moment_kind k) { return k == MOMENT_APPLIES || k == MOMENT_SENT; }

void record_add(struct record *r, struct moment m) {
    if (!r || (m.kind == MOMENT_SENT && !r->frames)) return;
    if (!m.text) m.text = "";
    m.at_us = m.at_us > r->zero_us ? m.at_us - r->zero_us : 0;
    if (r->told) r->told(r->told_arg, &m);
    if (r->moments_max && r->moments_count >= r->moments_max && may_be_left_out(m.kind)) {
        r->left_out++;
        return;
    }
    if (r->moments_count == r->moments_cap) {
        r->moments_cap = r->moments_cap ? r->moments_cap * 2 : 256;
        r->moments = xrealloc(r->moments, r->moments_cap * sizeof *r->moments);
    }
    size_t n = strlen(m.text) + 1;
    char *text = xmalloc(n);
    memcpy(text, m.text, n);
    m.text = text;
    r->moments[r->moments_count++] = m;
}

void record_printf(struct record *r, struct moment m, const char *format, ...) {
    if (!r) return;
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0) abort();
    m.text = text;
    record_add(r, m);
    free(text);
}

void record_sample(struct record *r, struct sample s) {
    if (!r) return;
    if (r->samples_count == r->samples_cap) {
        r->samples_cap = r->samples_cap ? r->samples_cap * 2 : 256;
        r->samples = xrealloc(r->samples, r->samples_cap * sizeof *r->samples);
    }
    s.at_us = s.at_us > r->zero_us ? s.at_us - r->zero_us : 0;
    r->samples[r->samples_count++] = s;
}

void moment_json(const struct moment *m, const struct cluster *c, struct buf *out) {
    json_t *j = json_object();
    json_object_set_new(j, "at_us", json_integer((json_int_t)m->at_us));
    json_object_set_new(j, "kind", json_string(moment_name(m->kind)));
    if (m->dc >= 0) json_object_set_new(j, "dc", json_string(c->dcs[m->dc].name));
    if (m->node >= 0) json_object_set_new(j, "node", json_string(c->nodes[m->node].name));
    if (m->peer >= 0) json_object_set_new(j, "peer", json_string(c->nodes[m->peer].name));
    if (m->step) json_object_set_new(j, "step", json_integer(m->step));
    if (m->number) json_object_set_new(j, "number", json_integer((json_int_t)m->number));
    if (m->text[0]) json_object_set_new(j, "text", json_string(m->text));
    char *text = json_dumps(j, JSON_COMPACT);
    buf_text(out, text ? text : "{}");
    buf_text(out, "\n");
    free(text);
    json_decref(j);
}
