#include "checks.h"

#define CLOCK_GUARD_MS 2000u /* near its end a row may read as there or as absent */

struct h_read h_read_now(const struct history *h, uint32_t node, uint32_t key, uint64_t wall_ms) {
    const struct h_row *row = history_row(h, node, key);
    struct h_read r = {.node = node, .key = key, .expected = h_winner(h, row), .expires_ms = h_expire_ms(row), .wall_ms = wall_ms};
    vv_copy(&r.vv, &h->nodes[node].vv);
    return r;
}

static const struct h_change *coverer(const struct h_key *k, const struct vv *vv, const struct h_change *v) {
    for (uint32_t i = 0; i < k->n; i++)
        if (h_in(vv, k->changes[i]) && h_covers(k->changes[i], v->event->dot)) return k->changes[i];
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
        if (c->op == CHANGE_REAP || !shows(c->content, r->content)) continue;
        written = c;
        if (!h_in(&r->vv, c)) continue;
        overwritten_by = coverer(k, &r->vv, c);
        if (!overwritten_by) {
            history_fail(h, "I1", "node %u shows %s of %.*s, though %s wins", r->node, h_dot(h, c->event->dot), n, name,
                         r->expected ? h_dot(h, r->expected->event->dot) : "nothing");
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

void check_read(struct history *h, const struct h_read *r) {
    struct slice expected = r->expected ? r->expected->content : SLICE(NULL, 0);
    if (shows(expected, r->content)) return;
    if (r->content.n > 0) {
        explain(h, r);
        return;
    }
    if (r->expires_ms > 0 && r->expires_ms <= r->wall_ms + CLOCK_GUARD_MS) return; /* its time is up */
    int n = (int)(h->keys[r->key].name.n < 60 ? h->keys[r->key].name.n : 60);
    history_fail(h, "I1", "node %u shows nothing of %.*s, though %s wins", r->node, n, (const char *)h->keys[r->key].name.p,
                 h_dot(h, r->expected->event->dot));
}

struct h_keys h_keys_now(const struct history *h, uint32_t node) {
    struct h_keys keys = {0};
    for (uint32_t key = 0; key < h->keys_count; key++) {
        const struct h_change *winner = h_winner(h, history_row(h, node, key));
        if (!winner || winner->content.n == 0) continue;
        keys.count++;
        keys.sum += hash64(h->keys[key].name);
    }
    return keys;
}

void check_keys(struct history *h, uint32_t node, const struct h_keys *expected, uint64_t count, const uint64_t *sum) {
    if (count != expected->count)
        history_fail(h, "I1", "node %u counts %llu rows, but has %llu", node, (unsigned long long)count, (unsigned long long)expected->count);
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
