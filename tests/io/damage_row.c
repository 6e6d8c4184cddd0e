/* Makes a row in the data directory of a node that does not run other than its events made it, with checksums that are right: what no store can find.
 * damage-row DIR KEY [lost]: its first version has other content; or there is no such row. */
#include "../../conflict/row.h"
#include "store_help.h"

static int fail(const char *what, const char *why) {
    fprintf(stderr, "damage-row: %s: %s\n", what, why);
    return 1;
}

static bool damage(struct slice old, bool lost, struct buf *out) {
    struct origins *t = origins_create();
    struct row row = {0};
    struct buf content = {0};
    bool good = row_decode(old, true, t, &row) && (lost || row.versions_count);
    content_make_string(&content, 0, slice_text("damaged"));
    if (good && !lost) {
        row.versions[0].content = row.form == ROW_WHOLE ? buf_slice_of(&content) : slice_text("damaged");
        row_encode(&row, t, out);
    }
    row_finish(&row);
    buf_finish(&content);
    origins_destroy(t);
    return good;
}

static int put(struct store *s, struct slice key, struct slice bytes) {
    struct flush_waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0};
    struct stored_row *row = xcalloc(1, sizeof *row + key.n + bytes.n);
    row->hash = hash64(key);
    row->key_bytes = (uint32_t)key.n;
    row->row_bytes = (uint32_t)bytes.n;
    memcpy(row->bytes, key.p, key.n);
    if (bytes.n) memcpy(row->bytes + key.n, bytes.p, bytes.n);
    struct flush f = {.rows = &row, .rows_count = 1};
    int result = s->ops->get_checkpoint(s, &f.checkpoint) == 1 ? 0 : 1;
    if (result == 0) {
        store_flush_start(s, &f, flush_waiter_done, &w);
        result = flush_wait(&w);
    }
    buf_finish(&f.checkpoint);
    free(row);
    return result;
}

int main(int argc, char **argv) {
    if (argc != 3 && argc != 4) return fail("usage", "damage-row DIR KEY [lost]");
    struct store *s;
    struct buf why = {0}, old = {0}, bytes = {0};
    struct slice key = slice_text(argv[2]);
    if (store_open(&s, argv[1], &options_of_tests, &why) != 0) {
        buf_u8(&why, 0);
        return fail(argv[1], (const char *)why.p);
    }
    int result = s->ops->get_row(s, hash64(key), key, &old) == 1 ? 0 : fail(argv[2], "there is no such row");
    if (result == 0 && !damage(buf_slice_of(&old), argc == 4, &bytes)) result = fail(argv[2], "the row has no version");
    if (result == 0 && put(s, key, buf_slice_of(&bytes)) != 0) result = fail(argv[2], "the row could not be written");
    store_close(s);
    buf_finish(&why);
    buf_finish(&old);
    buf_finish(&bytes);
    return result;
}
