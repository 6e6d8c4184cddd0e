/* Values that are set, read and removed: none that was answered may be lost unseen. */
#include "load_values.h"

enum { PHASE_READ, PHASE_WRITE };
struct register_client {
    uint32_t key, index;
};

static void client_begin(struct load_client *c) { c->state = xcalloc(1, sizeof(struct register_client)); }
static void client_end(struct load_client *c) { free(c->state); }

static void operation(struct load_client *c) {
    struct register_client *s = c->state;
    struct buf text = {0};
    uint64_t kind = client_draw(c, 10);
    s->key = client_draw_key(c);
    c->phase = kind < 4 ? PHASE_READ : PHASE_WRITE;
    client_word(c, kind < 4 ? "GET" : kind < 9 ? "SET" : "GETDEL");
    client_key(c, s->key);
    if (c->phase == PHASE_WRITE) s->index = values_add(c, s->key, kind == 9, &text);
    if (c->phase == PHASE_WRITE && kind < 9) {
        client_word(c, (const char *)text.p);
        client_word(c, "GET");
    }
    client_send(c);
    buf_finish(&text);
    if (c->phase == PHASE_WRITE) client_wait_acked(c);
}

static void replies(struct load_client *c) {
    struct register_client *s = c->state;
    uint32_t shown;
    if (c->phase == PHASE_READ) {
        values_read(c, s->key, c->replies[0], &shown);
        client_count_read(c, c->replies[0]);
        return;
    }
    enum load_outcome o = outcome_acked(c, 0, 1);
    values_replaced(c, s->index, c->replies[0], o);
    client_count(c, o);
}

const struct load_ops load_registers = {
    .remember = values_remember,
    .forget = values_forget,
    .join = values_join,
    .client_begin = client_begin,
    .client_end = client_end,
    .operation = operation,
    .replies = replies,
    .check = values_check,
    .written = values_written,
};
