#include "handlers.h"
#include "../../conflict/handler.h"
#include "world_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_US 1000000u /* when the real world gives a handler up */
#define SLOW_US  900000u
#define FILE_US  1000u /* what a handler from a file takes */

enum nature {
#define X(name, base, NATURE, doc) NATURE_##NATURE,
    SIM_HANDLERS(X)
#undef X
};
static const struct {
    const char *name;
    bool wants_base;
} known[] = {
#define X(text, base, NATURE, doc) [NATURE_##NATURE] = {text, base},
    SIM_HANDLERS(X)
#undef X
};
#define KNOWN_COUNT (sizeof known / sizeof *known)

static const struct known_handler *find_known(const struct world *w, const char *name) {
    for (uint32_t i = 0; i < w->options.known_count; i++)
        if (strcmp(w->options.known[i].name, name) == 0) return &w->options.known[i];
    return NULL;
}

bool sim_handlers_have(const char *name) {
    for (size_t i = 0; i < KNOWN_COUNT; i++)
        if (strcmp(known[i].name, name) == 0) return true;
    return false;
}

void sim_handlers_offer(struct world *w, uint32_t node) {
    uint32_t count = 0;
    struct known_handler *list = xcalloc(w->options.known_count + KNOWN_COUNT, sizeof *list);
    for (uint32_t i = 0; i < w->options.known_count; i++) list[count++] = w->options.known[i];
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        if (find_known(w, known[i].name)) continue;
        snprintf(list[count].name, sizeof list[count].name, "%s", known[i].name);
        list[count].hash = hash64(slice_text(known[i].name));
        list[count].usable = true;
        list[count++].wants_base = known[i].wants_base;
    }
    if (w->options.without_handlers[node]) count = 0;
    node_step(w, &w->nodes[node], &(struct input){.type = INPUT_HANDLERS, .handlers = list, .handlers_count = count});
    free(list);
}

/* ---- answers ---- */

static void put_words(enum handler_outcome outcome, const char *words, struct buf *out) {
    handler_answer_encode(&(struct handler_answer){.outcome = outcome, .why = slice_text(words)}, out);
}

static void put_pick(uint32_t index, struct buf *out) {
    handler_answer_encode(&(struct handler_answer){.outcome = HANDLER_PICK, .index = index}, out);
}

static void put_row(struct slice content, struct buf *out) {
    handler_answer_encode(&(struct handler_answer){.outcome = HANDLER_ROW, .content = content}, out);
}

static void put_text(const char *text, struct buf *out) {
    struct buf content = {0};
    content_make_string(&content, 0, slice_text(text));
    put_row(buf_slice_of(&content), out);
    buf_finish(&content);
}

static void longest(const struct handler_request *q, struct buf *out) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < q->conflict.siblings_count; i++)
        if (q->contents[i].n >= q->contents[best].n) best = i;
    put_pick(best, out);
}

static int by_name_and_value(const void *a, const void *b) {
    const struct content_column *x = a, *y = b;
    int order = slice_compare(x->name, y->name);
    return order ? order : slice_compare(x->value, y->value);
}

/* Of columns of one name the greatest value counts, so that no order matters. */
static void join(const struct handler_request *q, enum content_type type, struct buf *out) {
    struct content_column *columns = NULL;
    size_t n = 0, kept = 0;
    uint64_t expires_ms = 0;
    bool for_ever = false;
    for (uint32_t i = 0; i < q->conflict.siblings_count; i++) {
        if (!q->contents[i].n) continue;
        columns = xrealloc(columns, (n + content_count(q->contents[i])) * sizeof *columns);
        struct content_columns each = content_columns(q->contents[i]);
        struct content_column c = {0};
        while (content_next(&each, &c.name, &c.value)) {
            columns[n++] = c;
            c.value = (struct slice){0};
        }
        uint64_t end = content_expires_ms(q->contents[i]);
        for_ever |= end == 0;
        if (end > expires_ms) expires_ms = end;
    }
    qsort(columns, n, sizeof *columns, by_name_and_value);
    for (size_t i = 0; i < n; i++)
        if (i + 1 == n || !slice_equal(columns[i].name, columns[i + 1].name)) columns[kept++] = columns[i];
    struct buf content = {0};
    content_make(&content, type, for_ever ? 0 : expires_ms, columns, kept);
    put_row(buf_slice_of(&content), out);
    buf_finish(&content);
    free(columns);
}

static void unite(const struct handler_request *q, struct buf *out) {
    enum content_type type = CONTENT_NONE;
    bool same = true;
    for (uint32_t i = 0; i < q->conflict.siblings_count; i++) {
        if (!q->contents[i].n) continue;
        if (type != CONTENT_NONE && content_type(q->contents[i]) != type) same = false;
        type = content_type(q->contents[i]);
    }
    if (same && (type == CONTENT_HASH || type == CONTENT_SET))
        join(q, type, out);
    else
        longest(q, out);
}

static void answer(struct world *w, uint32_t node, enum nature nature, const struct handler_request *q, struct buf *out) {
    char text[40];
    switch (nature) {
    case NATURE_LONGEST:
    case NATURE_SLOW: longest(q, out); break;
    case NATURE_UNION: unite(q, out); break;
    case NATURE_RECORD: put_words(HANDLER_RECORD, "", out); break;
    case NATURE_PASS: put_words(HANDLER_PASS, "", out); break;
    case NATURE_BASE:
        if (q->conflict.base)
            put_row(q->contents[q->conflict.siblings_count], out);
        else
            put_words(HANDLER_NO_BASE, "", out);
        break;
    case NATURE_ABSENT: put_words(HANDLER_ABSENT, "there is no absent.so", out); break;
    case NATURE_RAND:
        snprintf(text, sizeof text, "%016llx", (unsigned long long)prng_next(&w->handlers));
        put_text(text, out);
        break;
    case NATURE_VIEWPOINT: put_text(w->cluster->nodes[node].name, out); break;
    case NATURE_CRASH: put_words(HANDLER_FAILED, "crashed with signal 11 (Segmentation fault)", out); break;
    case NATURE_LOOP: put_words(HANDLER_FAILED, "gave no answer within 1000 ms", out); break;
    case NATURE_GARBAGE: buf_text(out, "\xff\xff"); break;
    }
}

static uint64_t delay_us(struct world *w, enum nature nature) {
    uint64_t us = 1 + world_draw(&w->handlers, w->options.handler_us_max);
    return us + (nature == NATURE_LOOP ? LIMIT_US : nature == NATURE_SLOW ? SLOW_US : 0);
}

/* Of a simulated handler; *ret_us: how long it takes. */
static void ask_simulated(struct world *w, uint32_t node, const struct handler_run *run, struct buf *out, uint64_t *ret_us) {
    struct handler_request q;
    size_t nature = 0;
    while (nature < KNOWN_COUNT && strcmp(known[nature].name, run->name) != 0) nature++;
    if (nature == KNOWN_COUNT || run->hash != hash64(slice_text(run->name)))
        put_words(HANDLER_ABSENT, "there is none of that name", out);
    else if (handler_request_decode(&q, run->request)) {
        answer(w, node, (enum nature)nature, &q, out);
        handler_request_finish(&q);
    } else {
        put_words(HANDLER_FAILED, "could not be asked: the request is malformed", out);
    }
    *ret_us = delay_us(w, (enum nature)nature);
}

void sim_handlers_ask(struct world *w, uint32_t node, const struct handler_run *run) {
    struct buf out = {0};
    uint64_t us = FILE_US;
    const struct known_handler *file = find_known(w, run->name);
    if (file && file->hash == run->hash && w->options.ask_handler)
        w->options.ask_handler(w->options.ask_arg, run->name, run->request, &out);
    else
        ask_simulated(w, node, run, &out, &us);
    struct frame *f = xmalloc(sizeof *f + out.n);
    f->n = out.n;
    if (out.n > 0) memcpy(f->bytes, out.p, out.n);
    buf_finish(&out);
    w->nodes[node].handlers_running++;
    world_schedule(w, w->now_us + us, (struct happening){.kind = HAPPENS_HANDLED, .a = node, .b = w->nodes[node].run, .x = run->id, .p = f});
}
