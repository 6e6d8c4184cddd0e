/* What a handler answers: the operations that it calls, what they refuse, and the answer's bytes. */
#include "handler.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define MISUSE (-1)

/* One call's answer under way; what the handler sees of it is the first member. */
struct answering {
    struct truce_answer seen;
    const struct handler_request *request;
    bool answered, building;
    char misuse[HANDLER_REASON_BYTES_MAX]; /* the first; empty: none */
    enum handler_outcome outcome;
    uint32_t index;
    enum content_type type;
    uint64_t expires_ms;
    struct {
        size_t name, name_bytes, value_bytes; /* name, then value, in bytes */
    } * columns;
    size_t count, cap;
    struct buf bytes;
};

static int misuse(struct answering *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int misuse(struct answering *a, const char *format, ...) {
    if (a->misuse[0] != '\0') return MISUSE;
    va_list ap;
    va_start(ap, format);
    vsnprintf(a->misuse, sizeof a->misuse, format, ap);
    va_end(ap);
    return MISUSE;
}

/* The one answer that there may be. */
static int answer(struct truce_answer *seen, enum handler_outcome outcome, uint32_t index) {
    struct answering *a = (struct answering *)seen;
    if (a->answered) return misuse(a, "gave two answers");
    a->answered = true;
    a->outcome = outcome;
    a->index = index;
    return 0;
}

static int answer_pick(struct truce_answer *seen, size_t sibling) {
    struct answering *a = (struct answering *)seen;
    size_t count = a->request->conflict.siblings_count;
    if (sibling >= count) return misuse(a, "picked sibling %zu of %zu (they count from 0)", sibling, count);
    return answer(seen, HANDLER_PICK, (uint32_t)sibling);
}

static int answer_remove(struct truce_answer *seen) { return answer(seen, HANDLER_ROW, 0); }
static int answer_record(struct truce_answer *seen) { return answer(seen, HANDLER_RECORD, 0); }
static int answer_pass(struct truce_answer *seen) { return answer(seen, HANDLER_PASS, 0); }

static int answer_begin(struct truce_answer *seen, enum truce_type type, uint64_t expires_ms) {
    struct answering *a = (struct answering *)seen;
    if (type != TRUCE_STRING && type != TRUCE_HASH && type != TRUCE_SET)
        return misuse(a, "began a row of type %d (a string is 1, a hash 2, a set 3; remove() deletes)", (int)type);
    if (answer(seen, HANDLER_ROW, 0) != 0) return MISUSE;
    a->building = true;
    a->type = (enum content_type)type;
    a->expires_ms = expires_ms;
    return 0;
}

static int answer_column(struct truce_answer *seen, struct truce_bytes name, struct truce_bytes value) {
    struct answering *a = (struct answering *)seen;
    if (!a->building) return misuse(a, "gave a column without begin()");
    if ((name.p == NULL && name.n > 0) || (value.p == NULL && value.n > 0)) return misuse(a, "gave a column of bytes at NULL");
    if (a->type == CONTENT_STRING && a->count > 0) return misuse(a, "gave a string several columns");
    if (a->type == CONTENT_STRING && name.n > 0) return misuse(a, "gave a string a column with a name");
    if (a->type == CONTENT_SET && value.n > 0) return misuse(a, "gave a member of a set a value");
    if (name.n > ROW_BYTES_MAX || value.n > ROW_BYTES_MAX || a->bytes.n + name.n + value.n > 2 * ROW_BYTES_MAX || a->count > ROW_BYTES_MAX)
        return misuse(a, "gave a row larger than %u bytes", ROW_BYTES_MAX);
    if (a->count == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 16;
        a->columns = xrealloc(a->columns, a->cap * sizeof *a->columns);
    }
    a->columns[a->count].name = a->bytes.n;
    a->columns[a->count].name_bytes = name.n;
    a->columns[a->count++].value_bytes = value.n;
    buf_put(&a->bytes, name.p, name.n);
    buf_put(&a->bytes, value.p, value.n);
    return 0;
}

static const struct truce_answer_ops answer_ops = {
    .struct_size = sizeof answer_ops,
    .pick = answer_pick,
    .remove = answer_remove,
    .record = answer_record,
    .pass = answer_pass,
    .begin = answer_begin,
    .column = answer_column,
};

/* The new row, canonical. */
static void make_row(struct answering *a, struct buf *ret) {
    if (a->count == 0) {
        misuse(a, "began a row and gave it no column");
        return;
    }
    if (a->type == CONTENT_STRING) {
        content_make_string(ret, a->expires_ms, buf_slice_of(&a->bytes));
    } else {
        struct content_column *columns = xcalloc(a->count, sizeof *columns);
        for (size_t i = 0; i < a->count; i++) {
            const uint8_t *name = a->bytes.p + a->columns[i].name;
            columns[i] = (struct content_column){SLICE(name, a->columns[i].name_bytes),
                                                 SLICE(name + a->columns[i].name_bytes, a->columns[i].value_bytes)};
        }
        content_make(ret, a->type, a->expires_ms, columns, a->count);
        free(columns);
    }
    if (ret->n > ROW_BYTES_MAX) misuse(a, "gave a row larger than %u bytes", ROW_BYTES_MAX);
}

void handler_call(const struct truce_handler *h, const struct handler_request *q, struct buf *ret_answer) {
    struct answering a = {.seen.ops = &answer_ops, .request = q};
    struct buf row = {0};
    struct handler_answer answer = {0};
    if ((h->flags & TRUCE_WANTS_BASE) != 0 && q->conflict.base == NULL) {
        answer.outcome = HANDLER_NO_BASE;
    } else {
        struct truce_conflict shown = q->conflict;
        if ((h->flags & TRUCE_WANTS_BASE) == 0) shown.base = NULL; /* it is not at hand everywhere: nothing may depend on it unasked */
        int code = h->decide(&shown, &a.seen);
        if (code != 0) misuse(&a, "returned %d", code);
        if (!a.answered) misuse(&a, "gave no answer");
        if (a.building && a.misuse[0] == '\0') make_row(&a, &row);
        answer = (struct handler_answer){.outcome = a.outcome, .index = a.index, .content = buf_slice_of(&row)};
        if (a.misuse[0] != '\0') answer = (struct handler_answer){.outcome = HANDLER_FAILED, .why = slice_text(a.misuse)};
    }
    handler_answer_encode(&answer, ret_answer);
    free(a.columns);
    buf_finish(&a.bytes);
    buf_finish(&row);
}

/* ---- bytes ---- */
void handler_answer_encode(const struct handler_answer *a, struct buf *out) {
    buf_u8(out, (uint8_t)a->outcome);
    buf_varint(out, a->index);
    buf_slice(out, a->content);
    buf_slice(out, a->why.n <= HANDLER_REASON_BYTES_MAX ? a->why : SLICE(a->why.p, HANDLER_REASON_BYTES_MAX));
}

bool handler_answer_decode(struct slice bytes, struct handler_answer *ret) {
    struct reader r = reader_of(bytes);
    uint8_t outcome = read_u8(&r);
    uint64_t index = read_varint(&r);
    ret->content = read_slice(&r);
    ret->why = read_slice(&r);
    if (!read_done(&r) || outcome < HANDLER_PICK || outcome > HANDLER_NO_BASE || index > UINT32_MAX) return false;
    ret->outcome = (enum handler_outcome)outcome;
    ret->index = (uint32_t)index;
    if (ret->index != 0 && outcome != HANDLER_PICK) return false;
    if (ret->content.n != 0 && (outcome != HANDLER_ROW || ret->content.n > ROW_BYTES_MAX || !content_check(ret->content))) return false;
    return ret->why.n <= HANDLER_REASON_BYTES_MAX;
}
