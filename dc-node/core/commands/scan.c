#include "commands.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* KEYS, SCAN, HSCAN, SSCAN.
 *
 * A cursor is a place in the order of hashes, so the server remembers nothing, and a cursor is good on every node. It is the upper 53 bits of a hash:
 * clients in JavaScript read it as a number. What shares these bits is given whole, or again: SCAN may repeat, but not leave out. */

#define CURSOR_SHIFT  11
#define COLUMNS_WHOLE 512 /* a hash or set of no more columns is given in one reply, as Redis does */
#define COUNT_DEFAULT 10
#define KEYS_A_CALL   1024u

struct scan_options {
    uint64_t cursor;
    uint64_t count;
    bool filtered;
    struct slice pattern;
    const struct slice *type; /* NULL: any */
};

/* As strtoul reads it, in whole. */
static bool parse_cursor(struct call *c, struct slice s, uint64_t *ret) {
    char text[32];
    if (s.n < sizeof text && (s.n == 0 || s.p[0] > ' ')) {
        memcpy(text, s.n ? (const char *)s.p : "", s.n);
        text[s.n] = 0;
        char *end;
        errno = 0;
        unsigned long long v = strtoull(text, &end, 10);
        if (end == text + s.n && errno == 0) {
            *ret = v;
            return true;
        }
    }
    reply_error(c->reply, "ERR invalid cursor");
    return false;
}

static bool parse_options(struct call *c, uint32_t i, bool of_keys, struct scan_options *o) {
    int64_t count = COUNT_DEFAULT;
    for (; i < c->argc; i += 2) {
        if (i + 1 >= c->argc) {
            reply_syntax(c);
            return false;
        }
        if (arg_is(c, i, "count")) {
            if (!want_integer(c, arg(c, i + 1), &count)) return false;
            if (count >= 1) continue;
        } else if (arg_is(c, i, "match")) {
            o->pattern = arg(c, i + 1);
            o->filtered = !(o->pattern.n == 1 && o->pattern.p[0] == '*');
            continue;
        } else if (of_keys && arg_is(c, i, "type")) {
            o->type = &c->argv[i + 1];
            continue;
        }
        reply_syntax(c);
        return false;
    }
    o->count = (uint64_t)count;
    return true;
}

static bool wanted(const struct scan_options *o, struct slice name) { return !o->filtered || glob_match(o->pattern, name, false); }

static void reply_cursor(struct call *c, uint64_t cursor) {
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)cursor);
    reply_array(c->reply, 2);
    reply_text(c->reply, text);
}

/* ---- keys ---- */

/* Keys found, as bulk strings that wait for their count. */
struct found_keys {
    const struct scan_options *options;
    struct reply bulks;
    size_t count;
};

static void consider_key(void *of, struct slice key, struct slice content) {
    struct found_keys *found = of;
    const struct scan_options *o = found->options;
    if (!wanted(o, key)) return;
    if (o->type && !slice_is(*o->type, content_type_name(row_absent(content) ? CONTENT_NONE : content_type(content)))) return;
    reply_bulk(&found->bulks, key);
    found->count++;
}

static void reply_found(struct call *c, struct found_keys *found) {
    reply_array(c->reply, found->count);
    buf_put(c->reply->out, found->bulks.out->p, found->bulks.out->n);
    buf_finish(found->bulks.out);
}

void cmd_keys(struct call *c) {
    struct scan_options o = {.pattern = arg(c, 1)};
    o.filtered = !(o.pattern.n == 1 && o.pattern.p[0] == '*');
    struct buf bulks = {0};
    struct found_keys found = {.options = &o, .bulks = {.out = &bulks, .protocol = c->reply->protocol}};
    uint64_t from = 0;
    do from = txn_scan(c->txn, from, KEYS_A_CALL, consider_key, &found);
    while (from != 0);
    reply_found(c, &found);
}

void cmd_scan(struct call *c) {
    struct scan_options o = {0};
    if (!parse_cursor(c, arg(c, 1), &o.cursor) || !parse_options(c, 2, true, &o)) return;
    struct buf bulks = {0};
    struct found_keys found = {.options = &o, .bulks = {.out = &bulks, .protocol = c->reply->protocol}};
    uint64_t next = 0;
    if (o.cursor <= UINT64_MAX >> CURSOR_SHIFT) {
        next = o.cursor << CURSOR_SHIFT;
        /* The cursor has to move on, even where many hashes share its bits. */
        do next = txn_scan(c->txn, next, o.count < UINT32_MAX ? (uint32_t)o.count : UINT32_MAX, consider_key, &found);
        while (next != 0 && next >> CURSOR_SHIFT == o.cursor);
    }
    reply_cursor(c, next >> CURSOR_SHIFT);
    reply_found(c, &found);
}

/* ---- columns ---- */

static uint64_t place_of(struct slice name) { return hash64(name) >> CURSOR_SHIFT; }

/* The greatest of the `count` smallest places from the cursor on: a heap whose top is the greatest of those kept. */
static uint64_t last_place(struct slice content, uint64_t cursor, uint64_t count) {
    uint64_t *heap = xmalloc(count * sizeof *heap), n = 0;
    struct content_columns columns = content_columns(content);
    struct slice name;
    while (content_next(&columns, &name, NULL)) {
        uint64_t place = place_of(name), i;
        if (place < cursor || (n == count && place >= heap[0])) continue;
        if (n < count) {
            for (i = n++; i && heap[(i - 1) / 2] < place; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
        } else {
            uint64_t child;
            for (i = 0; (child = 2 * i + 1) < n; i = child) {
                if (child + 1 < n && heap[child + 1] > heap[child]) child++;
                if (heap[child] <= place) break;
                heap[i] = heap[child];
            }
        }
        heap[i] = place;
    }
    uint64_t last = n ? heap[0] : UINT64_MAX >> CURSOR_SHIFT;
    free(heap);
    return last;
}

static void scan_columns(struct call *c, enum content_type type) {
    struct scan_options o = {0};
    struct slice content, name, value = {0};
    if (!parse_cursor(c, arg(c, 2), &o.cursor) || !want_type(c, arg(c, 1), type, &content)) return;
    if (row_absent(content)) {
        reply_cursor(c, 0);
        reply_array(c->reply, 0);
        return;
    }
    if (!parse_options(c, 3, false, &o)) return;
    uint64_t columns_count = content_count(content), first = 0, last = UINT64_MAX, next = 0;
    if (columns_count > COLUMNS_WHOLE) {
        first = o.cursor;
        last = o.count < columns_count ? last_place(content, first, o.count) : UINT64_MAX;
    }
    struct slices found = {0};
    struct content_columns columns = content_columns(content);
    while (content_next(&columns, &name, &value)) {
        uint64_t place = columns_count > COLUMNS_WHOLE ? place_of(name) : 0;
        if (place > last) next = last + 1;
        if (place < first || place > last || !wanted(&o, name)) continue;
        slices_add(&found, name);
        if (type == CONTENT_HASH) slices_add(&found, value);
    }
    reply_cursor(c, next);
    reply_array(c->reply, found.n);
    for (size_t i = 0; i < found.n; i++) reply_bulk(c->reply, found.p[i]);
    slices_finish(&found);
}

void cmd_hscan(struct call *c) { scan_columns(c, CONTENT_HASH); }
void cmd_sscan(struct call *c) { scan_columns(c, CONTENT_SET); }
