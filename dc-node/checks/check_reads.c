#include "checks.h"

#include <string.h>

#define CLOCK_GUARD_MS 2000u /* near its end a row may read as there or as absent */

/* Readers go by a guarded clock, of which is known that it shows nothing that no clock has shown. */
static uint64_t latest_ms(const struct history *h, uint32_t node, uint64_t wall_ms) {
    for (uint32_t i = 0; i < h->nodes_count; i++) {
        bool asked = i == node || h->clock_was_off;
        if (asked && h->nodes[i].wall_ms_greatest > wall_ms) wall_ms = h->nodes[i].wall_ms_greatest;
    }
    return wall_ms;
}

void h_read_now(const struct history *h, uint32_t node, uint32_t key, uint64_t wall_ms, struct h_read *ret) {
    const struct h_row *row = history_row(h, node, key);
    const struct h_element *winner = h_winner(h, node, key, CELL_ROW, SLICE(NULL, 0));
    ret->node = node;
    ret->key = key;
    ret->winner = winner ? winner->op->change : NULL;
    ret->expires_ms = h_expire_ms(row);
    ret->wall_ms = latest_ms(h, node, wall_ms);
    h_view(h, node, key, &ret->expected);
    vv_copy(&ret->vv, &h->nodes[node].vv);
}

void h_read_finish(struct h_read *r) {
    buf_finish(&r->expected);
    vv_finish(&r->vv);
}

static const struct h_change *coverer(const struct h_key *k, const struct vv *vv, const struct h_change *v) {
    for (uint32_t i = 0; i < k->n; i++)
        if (k->changes[i]->op != CHANGE_RECORD && h_in(vv, k->changes[i]) && h_covers(k->changes[i], v->event->dot)) return k->changes[i];
    return NULL;
}

/* The same value, whatever its expiry. */
static bool shows(struct slice version, struct slice content) {
    if (version.n == 0 || content.n == 0) return version.n == content.n;
    if (content_expires_ms(version) == 0) return slice_equal(version, content);
    struct buf for_ever = {0};
    content_with_expiry(&for_ever, version, 0);
    bool same = slice_equal(buf_slice_of(&for_ever), content);
    buf_finish(&for_ever);
    return same;
}

/* Says what is wrong with a value that is not the expected one. */
static void explain(struct history *h, const struct h_read *r) {
    const struct h_key *k = &h->keys[r->key];
    int n = (int)(k->name.n < 60 ? k->name.n : 60);
    const char *name = (const char *)k->name.p;
    const struct h_change *written = NULL, *overwritten_by = NULL;
    for (uint32_t i = 0; i < k->n; i++) {
        const struct h_change *c = k->changes[i];
        if (c->op == CHANGE_REAP || c->op == CHANGE_RECORD || !shows(c->content, r->content)) continue;
        written = c;
        if (!h_in(&r->vv, c)) continue;
        overwritten_by = coverer(k, &r->vv, c);
        if (!overwritten_by) {
            history_fail(h, "I1", "node %u shows %s of %.*s, though %s wins", r->node, h_dot(h, c->event->dot), n, name,
                         r->winner ? h_dot(h, r->winner->event->dot) : "nothing");
            return;
        }
    }
    if (!written)
        history_fail(h, "I3", "node %u shows a value of %.*s that nobody wrote", r->node, n, name);
    else if (!overwritten_by)
        history_fail(h, "I3", "node %u shows %s of %.*s, which it has not applied", r->node, h_dot(h, written->event->dot), n, name);
    else
        history_fail(h, "I6", "node %u shows %s of %.*s again, which %s has %s", r->node, h_dot(h, written->event->dot), n, name,
                     h_dot(h, overwritten_by->event->dot), overwritten_by->op == CHANGE_PUT ? "overwritten" : "deleted");
}

static const char *printable(struct slice s, struct buf *room) {
    for (size_t i = 0; i < s.n && i < 300; i++) buf_u8(room, s.p[i] < ' ' || s.p[i] > '~' ? ' ' : s.p[i]);
    if (s.n == 0) buf_text(room, "nothing");
    buf_u8(room, 0);
    return (const char *)room->p;
}

static bool is_up(const struct h_read *r) { return r->expires_ms > 0 && r->expires_ms <= r->wall_ms + CLOCK_GUARD_MS; }

void check_read(struct history *h, const struct h_read *r) {
    if (slice_equal(buf_slice_of(&r->expected), r->content)) return;
    const struct h_key *k = &h->keys[r->key];
    int n = (int)(k->name.n < 60 ? k->name.n : 60);
    if (r->content.n == 0 && is_up(r)) return;
    if (k->merged) {
        struct buf shown = {0}, expected = {0};
        history_fail(h, "I1", "node %u shows %.*s as %s, not as %s", r->node, n, (const char *)k->name.p, printable(r->content, &shown),
                     printable(buf_slice_of(&r->expected), &expected));
        buf_finish(&shown);
        buf_finish(&expected);
    } else if (r->content.n > 0)
        explain(h, r);
    else
        history_fail(h, "I1", "node %u shows nothing of %.*s, though %s wins", r->node, n, (const char *)k->name.p, h_dot(h, r->winner->event->dot));
}

struct h_keys h_keys_now(const struct history *h, uint32_t node) {
    struct h_keys keys = {0};
    struct buf content = {0};
    for (uint32_t key = 0; key < h->keys_count; key++) {
        struct slice name = h->keys[key].name;
        if (name.n > 6 && memcmp(name.p, "truce:", 6) == 0) continue; /* definitions are no rows of clients */
        const struct h_row *row = history_row(h, node, key);
        if (!h_row_live(row)) continue;
        keys.live++;
        h_view(h, node, key, &content);
        if (content.n == 0) continue;
        keys.count++;
        keys.sum += hash64(name);
    }
    buf_finish(&content);
    return keys;
}

void check_keys(struct history *h, uint32_t node, const struct h_keys *expected, uint64_t count, const uint64_t *sum) {
    uint64_t has = sum ? expected->count : expected->live;
    if (count != has)
        history_fail(h, "I1", "node %u counts %llu rows, but has %llu", node, (unsigned long long)count, (unsigned long long)has);
    else if (sum && *sum != expected->sum)
        history_fail(h, "I1", "node %u lists other keys than it has", node);
}

void check_group_read(struct history *h, uint32_t node, const struct slice *values, uint32_t count) {
    for (uint32_t i = 1; i < count; i++)
        if (!slice_equal(values[i], values[0]))
            history_fail(h, "I5", "node %u shows \"%.*s\" and \"%.*s\" in one read of rows that are only written together", node,
                         (int)(values[0].n < 40 ? values[0].n : 40), (const char *)values[0].p, (int)(values[i].n < 40 ? values[i].n : 40),
                         (const char *)values[i].p);
}
