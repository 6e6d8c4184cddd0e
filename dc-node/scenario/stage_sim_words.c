/* Events in words. */
#include "stage_sim_state.h"

#include <string.h>

#define VALUE_BYTES_MAX 60u

/* ---- text ---- */

/* How many bytes of valid UTF-8 begin here that are one character and no control character; 0: none. */
static size_t character(const uint8_t *p, size_t left) {
    if (p[0] < 0x80) return p[0] >= 0x20 && p[0] != 0x7f;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > left) return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    bool too_long = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool outside = (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f) || (p[0] == 0xc2 && p[1] < 0xa0);
    return too_long || outside ? 0 : n;
}

void sim_words_text(struct slice text, struct buf *out) {
    size_t n = 0;
    while (n < text.n && n < VALUE_BYTES_MAX) {
        size_t size = character(text.p + n, text.n - n);
        if (size > 0)
            buf_put(out, text.p + n, size);
        else
            buf_printf(out, "\\x%02x", text.p[n]);
        n += size > 0 ? size : 1;
    }
    if (n < text.n) buf_printf(out, "... (%zu bytes)", text.n);
}

void sim_words_value(struct slice text, struct buf *out) {
    bool quote = text.n == 0;
    for (size_t i = 0; i < text.n && i < VALUE_BYTES_MAX; i++) quote |= text.p[i] == ' ' || text.p[i] == ';' || text.p[i] == '"';
    if (quote) buf_text(out, "\"");
    sim_words_text(text, out);
    if (quote) buf_text(out, "\"");
}

/* ---- whole rows ---- */

static void put_content(const char *verb_of_answer, struct slice key, struct slice content, struct buf *out) {
    static const char *const verbs[] = {[CONTENT_NONE] = "DEL", [CONTENT_STRING] = "SET", [CONTENT_HASH] = "HSET", [CONTENT_SET] = "SADD"};
    enum content_type type = content.n > 0 ? content_type(content) : CONTENT_NONE;
    buf_printf(out, "%s%s ", verb_of_answer, verbs[type]);
    sim_words_value(key, out);
    if (type == CONTENT_NONE) return;
    if (type == CONTENT_STRING) {
        buf_text(out, " ");
        sim_words_value(content_string(content), out);
    } else {
        struct content_columns each = content_columns(content);
        struct slice name, value;
        while (content_next(&each, &name, &value)) {
            buf_text(out, " ");
            sim_words_value(name, out);
            if (type != CONTENT_HASH) continue;
            buf_text(out, "=");
            sim_words_value(value, out);
        }
    }
    if (content_expires_ms(content) > 0) buf_printf(out, " until %llu", (unsigned long long)content_expires_ms(content));
}

static void put_reason(struct slice key, struct slice content, struct buf *out) {
    buf_text(out, "leaves ");
    sim_words_value(key, out);
    buf_text(out, " to a person:");
    struct content_columns each = content_columns(content);
    struct slice name, value;
    while (content_next(&each, &name, &value)) {
        buf_text(out, " ");
        sim_words_text(value, out);
    }
}

/* ---- cells ---- */

static const char *verb_of(const struct delta_op *op) {
    bool puts = op->flags & OP_PUT, counts = op->flags & OP_COUNT;
    switch (op->kind) {
    case CELL_STRING: return puts ? "SET" : counts ? "INCRBY" : "DEL";
    case CELL_FIELD: return puts ? "HSET" : counts ? "HINCRBY" : "HDEL";
    case CELL_MEMBER: return puts ? "SADD" : "SREM";
    case CELL_EXPIRY: return puts && op->value.n > 0 ? "EXPIREAT" : "PERSIST";
    default: return "DEL";
    }
}

static void put_amount(amount_t a, struct buf *out) {
    char text[AMOUNT_TEXT_MAX];
    size_t n = amount_format(a, text);
    buf_put(out, text, n);
}

static void put_count(struct sim_stage *s, const struct delta_op *op, const struct h_op *known, struct buf *out) {
    if (known)
        put_amount(known->amount, out);
    else {
        buf_text(out, "to ");
        put_amount(op->count.total, out);
    }
}

static void put_operand(struct sim_stage *s, const struct delta_op *op, const struct h_op *known, struct buf *out) {
    bool puts = op->flags & OP_PUT, counts = op->flags & OP_COUNT;
    if (op->kind == CELL_FIELD || op->kind == CELL_MEMBER) {
        buf_text(out, " ");
        sim_words_value(op->name, out);
    }
    if (op->kind == CELL_FIELD && puts) buf_text(out, "=");
    if (op->kind == CELL_STRING || (op->kind == CELL_FIELD && !puts && counts)) buf_text(out, " ");
    if (puts && (op->kind == CELL_STRING || op->kind == CELL_FIELD)) sim_words_value(op->value, out);
    if (!puts && counts) put_count(s, op, known, out);
    if (op->kind != CELL_EXPIRY || !puts || op->value.n != 8) return;
    struct reader r = reader_of(op->value);
    buf_printf(out, " %llu", (unsigned long long)read_u64(&r));
}

/* As that a SET makes a row stay for ever. */
static bool goes_without_saying(const struct delta *d, const struct delta_op *op) {
    if ((d->flags & DELTA_CLEAR) && !(op->flags & (OP_PUT | OP_COUNT))) return true; /* it goes with the row */
    return op->kind == CELL_EXPIRY && d->ops_count > 1 && (!(op->flags & OP_PUT) || op->value.n == 0);
}

static void put_delta(struct sim_stage *s, const struct change *c, const struct delta *d, const struct h_change *known, struct buf *out) {
    const char *last = NULL;
    for (uint32_t i = 0; i < d->ops_count; i++) {
        const struct delta_op *op = &d->ops[i];
        if (goes_without_saying(d, op)) continue;
        const char *verb = verb_of(op);
        if (!last || strcmp(last, verb) != 0) {
            buf_printf(out, "%s%s ", last ? ", " : "", verb);
            sim_words_value(c->key, out);
        }
        put_operand(s, op, known && i < known->ops_count ? &known->ops[i] : NULL, out);
        last = verb;
    }
    if (last) return;
    buf_text(out, "DEL ");
    sim_words_value(c->key, out);
}

void sim_words_change(struct sim_stage *s, const struct change *c, struct dot self, const struct h_change *known, struct origins *t,
                      struct buf *out) {
    switch (c->op) {
    case CHANGE_PUT: put_content("", c->key, c->content, out); break;
    case CHANGE_ANSWER: put_content("a handler answers ", c->key, c->content, out); break;
    case CHANGE_RECORD: put_reason(c->key, c->content, out); break;
    case CHANGE_MERGE:
        if (delta_decode(&s->delta, c->content, self, 1, t)) put_delta(s, c, &s->delta, known, out);
        break;
    case CHANGE_DELETE:
    case CHANGE_REAP:
        buf_text(out, c->op == CHANGE_REAP ? "removes expired " : "DEL ");
        sim_words_value(c->key, out);
        break;
    }
}
