/* Conflicts and answers as a person reads them. */
#include "check_case.h"

#define SHOWN_BYTES   64u
#define SHOWN_COLUMNS 12u

static void put_quoted(struct slice s, struct buf *out) {
    size_t n = s.n < SHOWN_BYTES ? s.n : SHOWN_BYTES;
    buf_u8(out, '"');
    for (size_t i = 0; i < n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_printf(out, "\\%c", s.p[i]);
        else if (s.p[i] < 0x20 || s.p[i] >= 0x7f)
            buf_printf(out, "\\x%02x", s.p[i]);
        else
            buf_u8(out, s.p[i]);
    }
    buf_u8(out, '"');
    if (s.n > n) buf_printf(out, "... (%zu bytes)", s.n);
}

static void put_columns(struct slice content, struct buf *out) {
    struct content_columns i = content_columns(content);
    struct slice name, value;
    size_t n = 0;
    buf_text(out, "{");
    for (; content_next(&i, &name, &value); n++) {
        if (n >= SHOWN_COLUMNS) continue;
        if (n > 0) buf_text(out, ", ");
        put_quoted(name, out);
        if (content_type(content) != CONTENT_HASH) continue;
        buf_text(out, ": ");
        put_quoted(value, out);
    }
    if (n > SHOWN_COLUMNS) buf_printf(out, ", ... (%zu in all)", n);
    buf_text(out, "}");
}

static void put_content(struct slice content, const char *nothing, struct buf *out) {
    if (content.n == 0) {
        buf_text(out, nothing);
        return;
    }
    if (content_type(content) == CONTENT_STRING) {
        buf_text(out, "string ");
        put_quoted(content_string(content), out);
    } else {
        buf_text(out, content_type(content) == CONTENT_HASH ? "hash " : "set ");
        put_columns(content, out);
    }
    if (content_expires_ms(content) != 0) buf_printf(out, ", expires at %llu ms", (unsigned long long)content_expires_ms(content));
}

static void put_version(const struct check_sibling *s, const char *nothing, struct buf *out) {
    buf_printf(out, "%s (priority %d), stamp ", s->dc, s->priority);
    stamp_format(s->stamp, out);
    if (s->marked) buf_text(out, " by a clock that was off");
    buf_text(out, ": ");
    put_content(buf_slice_of(&s->content), nothing, out);
    buf_u8(out, '\n');
}

void check_case_words(const struct check_case *c, struct buf *out) {
    buf_printf(out, "%s: key ", c->title);
    put_quoted(buf_slice_of(&c->key), out);
    buf_printf(out, " of table %.*s\n", (int)c->table.n, (const char *)c->table.p);
    for (uint32_t i = 0; i < c->count; i++) {
        buf_printf(out, "    version %u, ", i);
        put_version(&c->siblings[i], "deleted", out);
    }
    if (!c->has_base) return;
    buf_text(out, "    base: ");
    put_content(buf_slice_of(&c->base.content), "there was no row", out);
    buf_u8(out, '\n');
}

void check_answer_words(const struct check_case *c, const struct handler_answer *a, struct buf *out) {
    switch (a->outcome) {
    case HANDLER_PICK:
        buf_printf(out, "picks version %u", a->index);
        if (a->index >= c->count) break;
        buf_printf(out, " (%s): ", c->siblings[a->index].dc);
        put_content(buf_slice_of(&c->siblings[a->index].content), "deleted", out);
        break;
    case HANDLER_ROW:
        if (a->content.n > 0) buf_text(out, "a new row: ");
        put_content(a->content, "deletes the row", out);
        break;
    case HANDLER_RECORD: buf_text(out, "records it for later"); break;
    case HANDLER_PASS: buf_text(out, "passes it on"); break;
    case HANDLER_NO_BASE: buf_text(out, "asks for the base"); break;
    case HANDLER_FAILED: buf_printf(out, "breaks a rule: it %.*s", (int)a->why.n, (const char *)a->why.p); break;
    case HANDLER_ABSENT: buf_text(out, "is not there"); break;
    }
}
