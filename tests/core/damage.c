#include "damage.h"
#include "../../conflict/row.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void put(struct sim_store *sim, struct slice key, struct slice row) {
    struct store *s = sim_store_base(sim);
    struct stored_row *stored = xcalloc(1, sizeof *stored + key.n + row.n);
    stored->hash = hash64(key);
    stored->key_bytes = (uint32_t)key.n;
    stored->row_bytes = (uint32_t)row.n;
    memcpy(stored->bytes, key.p, key.n);
    if (row.n) memcpy(stored->bytes + key.n, row.p, row.n);
    struct flush flush = {.rows = &stored, .rows_count = 1};
    cr_assert_eq(s->ops->get_checkpoint(s, &flush.checkpoint), 1);
    sim_store_flush_begin(sim, &flush);
    sim_store_flush_end(sim);
    free(stored);
    buf_finish(&flush.checkpoint);
}

static void get(struct sim_store *sim, struct slice key, struct buf *out) {
    struct store *s = sim_store_base(sim);
    cr_assert_eq(s->ops->get_row(s, hash64(key), key, out), 1, "%.*s is not in the store", (int)key.n, (const char *)key.p);
}

void damage_row(struct sim_store *s, const char *key, enum damage how) {
    struct origins *t = origins_create();
    struct buf old = {0}, bytes = {0}, content = {0};
    struct row row = {0};
    get(s, slice_text(key), &old);
    cr_assert(row_decode(buf_slice_of(&old), true, t, &row));
    content_make_string(&content, 0, slice_text("damaged"));
    cr_assert(row.versions_count || how == DAMAGE_LOST);
    if (row.versions_count) row.versions[0].content = row.form == ROW_WHOLE ? buf_slice_of(&content) : slice_text("damaged");
    if (how != DAMAGE_LOST) row_encode(&row, t, &bytes);
    put(s, slice_text(key), buf_slice_of(&bytes));
    row_finish(&row);
    buf_finish(&old);
    buf_finish(&bytes);
    buf_finish(&content);
    origins_destroy(t);
}

void damage_from(struct sim_store *s, const char *key, struct sim_store *other) {
    struct buf bytes = {0};
    get(other, slice_text(key), &bytes);
    put(s, slice_text(key), buf_slice_of(&bytes));
    buf_finish(&bytes);
}
