/* The checkpoint of a flush, and how a run begins: from the checkpoint, then the log from there. */
#include "state.h"
#include <stdio.h>

#define CHECKPOINT_VERSION 4
#define REPLAY_BYTES       (1024u * 1024)

/* Of the cluster file. Nodes that join while others run take what is stable first. */
static uint64_t members_hash(const struct engine *e) {
    const struct cluster *c = e->options.cluster;
    uint64_t h = 0;
    for (uint32_t i = 0; i < c->nodes_count; i++) h = hash64_seeded(slice_text(c->nodes[i].name), h);
    return h;
}

void engine_put_sources(struct engine *e, struct buf *out) {
    const struct vv *vv = transfer_vv(e);
    uint64_t n = 0;
    for (origin_ref o = 0; o < vv->len; o++) n += vv->n[o] > 0;
    buf_varint(out, n);
    for (origin_ref o = 0; o < vv->len; o++) {
        if (!vv->n[o]) continue;
        const struct source *src = transfer_source(e, o);
        origin_encode(e->origins, o, out);
        buf_u64(out, src->checksum);
        buf_u64(out, src->stamp);
        vv_encode(&src->deps, e->origins, out);
    }
}

/* u8 version, vv, u64 digest, u64 live rows, u64 journal entries, u64 last stamp, slice keys of definitions, u64 members, vv of what is stable among
 * them, sources, what pointers need, slice transfer. */
void engine_checkpoint(struct engine *e, struct buf *out) {
    struct vv claimed = {0};
    vv_copy(&claimed, transfer_vv(e));
    if (bug(e, BUG_VV_AHEAD) && e->own != ORIGIN_NONE) vv_raise(&claimed, e->own, vv_get(&claimed, e->own) + 1);
    buf_u8(out, CHECKPOINT_VERSION);
    vv_encode(&claimed, e->origins, out);
    vv_finish(&claimed);
    buf_u64(out, e->digest);
    buf_u64(out, e->live_rows);
    buf_u64(out, e->count.conflicts);
    buf_u64(out, e->clock.last);
    buf_slice(out, buf_slice_of(&e->definitions));
    buf_u64(out, members_hash(e));
    vv_encode(&e->stable, e->origins, out);
    engine_put_sources(e, out);
    pointers_checkpoint(e, out);
    transfer_checkpoint(e, out);
}

static int fail(struct buf *why, const char *what) {
    buf_text(why, what);
    return STORE_FAILED;
}

static int read_checkpoint(struct engine *e, struct slice bytes, struct buf *why) {
    struct reader r = reader_of(bytes);
    if (read_u8(&r) != CHECKPOINT_VERSION) return fail(why, "the checkpoint is of an unknown version");
    vv_decode(&r, e->origins, &e->vv);
    e->digest = read_u64(&r);
    e->live_rows = read_u64(&r);
    e->count.conflicts = read_u64(&r);
    e->clock.last = read_u64(&r);
    struct slice definitions = read_slice(&r);
    buf_put(&e->definitions, definitions.p, definitions.n);
    bool same_members = read_u64(&r) == members_hash(e);
    vv_decode(&r, e->origins, &e->stable);
    if (!same_members) vv_clear(&e->stable); /* a new member need not have it */
    for (uint64_t n = read_varint(&r); n > 0 && !r.bad; n--) {
        origin_ref o = origin_decode(&r, e->origins);
        if (o == ORIGIN_NONE) break;
        struct source *src = engine_source(e, o);
        src->checksum = read_u64(&r);
        src->stamp = read_u64(&r);
        vv_decode(&r, e->origins, &src->deps);
    }
    pointers_recover(e, &r);
    transfer_recover(e, &r);
    return read_done(&r) ? 0 : fail(why, "the checkpoint is malformed");
}

/* What is left of one origin's log. */
struct replay {
    origin_ref origin;
    uint64_t last;
    struct buf blocks;
    struct reader r;
    struct slice block; /* read, not yet wholly applied */
};

static bool next_block(struct engine *e, struct replay *p) {
    if (p->block.n) return true;
    if (p->r.p == p->r.end) {
        if (vv_get(&e->vv, p->origin) >= p->last) return false;
        buf_clear(&p->blocks);
        int n = e->store->ops->read_log(e->store, origins_get(e->origins, p->origin), vv_get(&e->vv, p->origin) + 1, REPLAY_BYTES, &p->blocks);
        if (n < 0) engine_fail(e, "%s", e->store->why);
        if (n <= 0) return false;
        p->r = reader_of(buf_slice_of(&p->blocks));
    }
    p->block = read_slice(&p->r);
    return p->block.n > 0;
}

/* Applies what can be applied of one origin; true: something was. */
static bool replay_some(struct engine *e, struct replay *p) {
    uint64_t before = vv_get(&e->vv, p->origin);
    const char *why = NULL;
    while (!e->updates.fatal && next_block(e, p)) {
        enum ingest result = engine_ingest(e, p->block, true, &why);
        if (result == INGEST_BAD) engine_fail(e, "the log is damaged after number %llu: %s", (unsigned long long)vv_get(&e->vv, p->origin), why);
        if (result != INGEST_OK) break;
        e->count.log_bytes += p->block.n;
        p->block.n = 0;
    }
    return vv_get(&e->vv, p->origin) > before;
}

static int replay_log(struct engine *e, struct buf *why) {
    struct buf origins = {0};
    int n = e->store->ops->scan_log(e->store, &origins);
    if (n < 0) {
        buf_finish(&origins);
        return fail(why, e->store->why);
    }
    struct replay *replays = xcalloc((size_t)n + 1, sizeof *replays);
    struct reader r = reader_of(buf_slice_of(&origins));
    for (int i = 0; i < n; i++) {
        struct reader name = reader_of(read_slice(&r));
        replays[i].origin = origin_decode(&name, e->origins);
        read_u64(&r);
        replays[i].last = read_u64(&r);
        if (replays[i].origin == ORIGIN_NONE) engine_fail(e, "the log names an origin that is malformed");
    }
    for (bool progress = true; progress && !e->updates.fatal;) {
        progress = false;
        for (int i = 0; i < n; i++) progress |= replay_some(e, &replays[i]);
    }
    for (int i = 0; i < n && !e->updates.fatal; i++)
        if (vv_get(&e->vv, replays[i].origin) < replays[i].last) {
            buf_clear(&e->text);
            origin_format(origins_get(e->origins, replays[i].origin), &e->text);
            engine_fail(e, "the log is incomplete: of %.*s it ends at %llu, but what comes after %llu cannot be applied", (int)e->text.n,
                        (const char *)e->text.p, (unsigned long long)replays[i].last, (unsigned long long)vv_get(&e->vv, replays[i].origin));
        }
    for (int i = 0; i < n; i++) buf_finish(&replays[i].blocks);
    free(replays);
    buf_finish(&origins);
    return e->updates.fatal ? fail(why, e->updates.fatal) : 0;
}

/* The bug of going on under the incarnation that this directory used before. */
static void plant_old_incarnation(struct engine *e) {
    for (origin_ref o = 0; o < origins_count(e->origins); o++) {
        const struct origin *name = origins_get(e->origins, o);
        if (name->node != e->cluster->nodes[e->self].node || engine_source(e, o)->dc != (int32_t)e->self_dc) continue;
        e->incarnation = name->incarnation;
        vv_set(&e->vv, o, vv_get(&e->vv, o) - 1);
    }
}

/* A data directory belongs to one node of one cluster, and was begun with one set of tables: the first run writes whose it is. Rows have the form of
 * their tables, so other tables in the cluster file would be read wrongly; TRUCE.TABLE changes them in all datacenters at once. */
static int check_identity(struct engine *e, struct buf *why) {
    struct buf found = {0};
    buf_printf(&e->identity, "%s of cluster %s", e->cluster->nodes[e->self].name, e->cluster->name);
    size_t name_n = e->identity.n;
    buf_printf(&e->identity, "\ntables %016llx", (unsigned long long)e->cluster->definitions_hash);
    int there = e->store->ops->get_meta(e->store, slice_text(IDENTITY_NAME), &found);
    int result = there < 0 ? fail(why, e->store->why) : 0;
    if (there > 0 && !slice_equal(buf_slice_of(&found), buf_slice_of(&e->identity))) {
        const uint8_t *line = memchr(found.p, '\n', found.n);
        size_t found_n = line ? (size_t)(line - found.p) : found.n;
        if (slice_equal(SLICE(found.p, found_n), SLICE(e->identity.p, name_n)))
            buf_text(why,
                     "the cluster file has other tables or priorities than this data directory was begun with: put them back, and change them with "
                     "TRUCE.TABLE SET or TRUCE.PRIORITY");
        else
            buf_printf(why, "this is the data directory of %.*s, not of %.*s", (int)found_n, (const char *)found.p, (int)name_n,
                       (const char *)e->identity.p);
        result = STORE_FAILED;
    }
    if (there > 0) buf_clear(&e->identity);
    buf_finish(&found);
    return result;
}

int engine_recover(struct engine *e, struct buf *why) {
    struct buf checkpoint = {0};
    if (check_identity(e, why) != 0) return STORE_FAILED;
    int found = e->store->ops->get_checkpoint(e->store, &checkpoint);
    int result = found < 0 ? fail(why, e->store->why) : found ? read_checkpoint(e, buf_slice_of(&checkpoint), why) : 0;
    buf_finish(&checkpoint);
    vv_copy(&e->flushed_vv, &e->vv);
    rules_recover(e);
    if (e->updates.fatal) result = fail(why, e->updates.fatal);
    e->journal.replaying = true;
    if (result == 0) result = replay_log(e, why);
    e->journal.replaying = false;
    journal_recovered(e);
    if (bug(e, BUG_REUSE_INCARNATION)) plant_old_incarnation(e);
    return result;
}
