#include "plain.h"

#include "../../schemas/content.h"

#include <string.h>

#define BIT(kind) (uint8_t)(1u << (kind))
#define TYPED     (BIT(CELL_STRING) | BIT(CELL_FIELD) | BIT(CELL_MEMBER))
#define ALL_CELLS (uint8_t)(BIT(CELL_KINDS) - 1)

static bool holds(uint8_t set, int e) { return set >> e & 1; }

const char *act_name(enum act a) {
    static const char *const acts[] = {
        "PUT", "PUT same", "DELETE",     "ANSWER",          "SET",          "INCR", "HSET", "HINCR", "HDEL", "SADD", "SREM",
        "DEL", "EXPIRE",   "DEFINE lww", "DEFINE priority", "DEFINE record"};
    return acts[a];
}

bool act_merges(enum act a) { return a >= ACT_SET && a <= ACT_EXPIRE; }
bool act_defines(enum act a) { return a >= ACT_DEFINE_LWW; }

/* ---- what acts do ---- */

static bool writes_hash(int e) { return e % 2 == 1; }

static uint8_t cells_of_whole(const struct plain_history *h, int e, bool merged) {
    if (!merged) return BIT(CELL_ROW);
    if (h->acts[e] == ACT_DELETE) return 0;
    bool hash = h->acts[e] == ACT_PUT && writes_hash(e);
    return BIT(hash ? CELL_FIELD : CELL_STRING) | BIT(CELL_EXPIRY);
}

static struct effect typed(enum cell_kind kind) {
    static const enum content_type types[CELL_KINDS] = {[CELL_STRING] = CONTENT_STRING, [CELL_FIELD] = CONTENT_HASH, [CELL_MEMBER] = CONTENT_SET};
    return (struct effect){.type = types[kind], .covers = TYPED & (uint8_t)~BIT(kind), .resets = TYPED & (uint8_t)~BIT(kind)};
}

static struct effect effect_of_merge(enum act a) {
    struct effect e = {0};
    switch (a) {
    case ACT_SET: e = (struct effect){.clear = true, .type = CONTENT_STRING, .puts = BIT(CELL_STRING) | BIT(CELL_EXPIRY)}; break;
    case ACT_INCR:
        e = typed(CELL_STRING);
        e.counts = CELL_STRING;
        break;
    case ACT_HSET:
        e = typed(CELL_FIELD);
        e.puts = BIT(CELL_FIELD);
        e.resets |= BIT(CELL_FIELD);
        break;
    case ACT_HINCR:
        e = typed(CELL_FIELD);
        e.counts = CELL_FIELD;
        break;
    case ACT_HDEL:
        e = typed(CELL_FIELD);
        e.removes = BIT(CELL_FIELD);
        e.resets |= BIT(CELL_FIELD);
        break;
    case ACT_SADD:
        e = typed(CELL_MEMBER);
        e.puts = BIT(CELL_MEMBER);
        break;
    case ACT_SREM:
        e = typed(CELL_MEMBER);
        e.removes = BIT(CELL_MEMBER);
        break;
    case ACT_EXPIRE: e.puts = BIT(CELL_EXPIRY); break;
    default: e.clear = true;
    }
    return e;
}

struct effect effect_of(const struct plain_history *h, int e, bool merged) {
    enum act a = h->acts[e];
    if (act_defines(a)) return (struct effect){0};
    if (!act_merges(a)) return (struct effect){.clear = true, .puts = cells_of_whole(h, e, merged), .resets = ALL_CELLS};
    struct effect what = effect_of_merge(a);
    bool absent = holds(h->absent, e);
    if (absent && (a == ACT_HDEL || a == ACT_SREM || a == ACT_EXPIRE)) what = (struct effect){0}; /* nothing is there */
    if (absent) what.clear = true;
    if (what.clear) what.resets = ALL_CELLS;
    return what;
}

void plain_row(const struct plain_history *h, uint8_t set, struct plain_row *ret) {
    struct effect what[EVENTS];
    *ret = (struct plain_row){.set = set, .merged = h->merged_at_first};
    bool merges = false, whole = false;
    for (int e = 0; e < EVENTS; e++) {
        if (!holds(set, e) || act_defines(h->acts[e])) continue;
        merges |= act_merges(h->acts[e]);
        whole |= !act_merges(h->acts[e]);
    }
    if (merges || whole) ret->merged = merges && whole ? !h->merged_at_first : merges; /* both: the form has changed */
    for (int e = 0; e < EVENTS; e++) what[e] = effect_of(h, e, ret->merged);
    for (int kind = 0; kind < CELL_KINDS; kind++) {
        for (int e = 0; e < EVENTS; e++) {
            if (!holds(set, e)) continue;
            bool covered = false, reset = false;
            for (int f = 0; f < EVENTS; f++) {
                if (!holds(set, f) || !holds(h->knows[f], e)) continue;
                covered |= what[f].clear || ((what[f].puts | what[f].removes | what[f].covers) & BIT(kind));
                reset |= (what[f].resets & BIT(kind)) != 0;
            }
            if (what[e].puts & BIT(kind)) ret->ever[kind] |= BIT(e);
            if ((what[e].puts & BIT(kind)) && !covered) ret->live[kind] |= BIT(e);
            if (what[e].counts == kind && kind && !reset) ret->counted[kind] |= BIT(e);
        }
    }
}

/* ---- values: every event writes its own ---- */

struct slice plain_register(int e, char out[static 16]) {
    int n = snprintf(out, 16, e % 3 == 2 ? "x%d" : "%d", 100 + e);
    return SLICE(out, (size_t)n);
}
int64_t plain_amount(int e) { return e % 3 == 1 ? -(e + 1) : 10 * (e + 1); }

uint64_t plain_expiry_ms(const struct plain_history *h, int e) {
    if (h->acts[e] == ACT_EXPIRE) return UINT64_C(2000000000000) + (uint64_t)(e * 5 % 6);
    if (h->acts[e] == ACT_PUT_SAME || h->acts[e] == ACT_DELETE) return 0;
    return e % 4 == 1 || e % 4 == 2 ? UINT64_C(2000000001000) + (uint64_t)(e * 5 % 6) : 0;
}

void plain_content(const struct plain_history *h, int e, struct buf *out) {
    char text[16];
    buf_clear(out);
    switch (h->acts[e]) {
    case ACT_DELETE: break;
    case ACT_PUT_SAME:
    case ACT_ANSWER: content_make_string(out, plain_expiry_ms(h, e), h->acts[e] == ACT_ANSWER ? plain_register(e, text) : slice_text("same")); break;
    default:
        if (writes_hash(e)) {
            struct content_column column = {SLICE("f", 1), plain_register(e, text)};
            content_make(out, CONTENT_HASH, plain_expiry_ms(h, e), &column, 1);
        } else
            content_make_string(out, plain_expiry_ms(h, e), plain_register(e, text));
    }
}

/* ---- what readers see ---- */

int plain_last(const struct plain_history *h, uint8_t set, uint8_t marked) {
    int last = -1;
    for (int e = 0; e < EVENTS; e++) {
        if (!holds(set, e)) continue;
        if (last >= 0 && holds(marked, e) != holds(marked, last)) {
            if (holds(marked, last)) last = e; /* the marked come after the others, in rank */
        } else if (last < 0 || h->stamps[e] >= h->stamps[last])
            last = e; /* of equal stamps the greater origin */
    }
    return last;
}

static int highest(const struct plain_history *h, uint8_t set, const int *priorities, uint8_t marked) {
    int most = -1000;
    for (int e = 0; e < EVENTS; e++)
        if (holds(set, e) && priorities[e / 2] > most) most = priorities[e / 2];
    for (int e = 0; e < EVENTS; e++)
        if (priorities[e / 2] < most) set &= (uint8_t)~BIT(e);
    return plain_last(h, set, marked);
}

static uint64_t longest(const struct plain_history *h, uint8_t set) {
    uint64_t ms = 0;
    for (int e = 0; e < EVENTS; e++) {
        if (!holds(set, e)) continue;
        if (plain_expiry_ms(h, e) == 0) return 0;
        if (plain_expiry_ms(h, e) > ms) ms = plain_expiry_ms(h, e);
    }
    return ms;
}

static void view_of_whole(const struct plain_history *h, const struct plain_row *r, enum policy p, const int *priorities, uint8_t marked,
                          struct buf *out) {
    uint8_t live = r->live[CELL_ROW], rows = 0;
    for (int e = 0; e < EVENTS; e++)
        if (holds(live, e) && h->acts[e] != ACT_DELETE) rows |= BIT(e);
    int winner = p == POLICY_LWW ? plain_last(h, live, marked) : highest(h, live, priorities, marked);
    buf_clear(out);
    if (winner < 0 || h->acts[winner] == ACT_DELETE) return;
    struct buf content = {0};
    plain_content(h, winner, &content);
    content_with_expiry(out, buf_slice_of(&content), longest(h, rows));
    buf_finish(&content);
}

static struct slice number_text(const struct plain_history *h, const struct plain_row *r, enum cell_kind kind, char out[static 16]) {
    int winner = plain_last(h, r->live[kind], 0);
    if (r->counted[kind] == 0) return plain_register(winner, out);
    int64_t sum = 0;
    if (winner >= 0 && winner % 3 != 2) sum = 100 + winner;
    for (int e = 0; e < EVENTS; e++)
        if (holds(r->counted[kind], e)) sum += plain_amount(e);
    return SLICE(out, (size_t)snprintf(out, 16, "%lld", (long long)sum));
}

static void view_of_merged(const struct plain_history *h, const struct plain_row *r, struct buf *out) {
    uint8_t of_type[CELL_KINDS] = {0}, all = 0;
    for (int kind = CELL_STRING; kind <= CELL_MEMBER; kind++) all |= of_type[kind] = r->live[kind] | r->counted[kind];
    buf_clear(out);
    int last = plain_last(h, all, 0);
    if (last < 0) return;
    char text[16];
    uint64_t expires_ms = longest(h, r->live[CELL_EXPIRY]);
    if (holds(of_type[CELL_STRING], last)) {
        content_make_string(out, expires_ms, number_text(h, r, CELL_STRING, text));
        return;
    }
    bool hash = holds(of_type[CELL_FIELD], last);
    struct content_column column = {hash ? SLICE("f", 1) : SLICE("m", 1), hash ? number_text(h, r, CELL_FIELD, text) : SLICE(NULL, 0)};
    content_make(out, hash ? CONTENT_HASH : CONTENT_SET, expires_ms, &column, 1);
}

void plain_view(const struct plain_history *h, const struct plain_row *r, enum policy p, const int *priorities, uint8_t marked, struct buf *out) {
    if (r->merged)
        view_of_merged(h, r, out);
    else
        view_of_whole(h, r, p, priorities, marked, out);
}

bool plain_differs(const struct plain_history *h, const struct plain_row *r) {
    struct buf first = {0}, other = {0};
    bool any = false, differs = false;
    for (int e = 0; e < EVENTS; e++) {
        if (!holds(r->live[CELL_ROW], e)) continue;
        plain_content(h, e, any ? &other : &first);
        differs |= any && !slice_equal(buf_slice_of(&first), buf_slice_of(&other));
        any = true;
    }
    buf_finish(&first);
    buf_finish(&other);
    return differs;
}

/* ---- episodes ---- */

uint32_t plain_episodes(const struct plain_history *h, uint8_t ever, uint8_t ret[static EVENTS]) {
    uint32_t n = 0;
    for (int e = 0; e < EVENTS; e++) {
        if (!holds(ever, e)) continue;
        uint8_t together = BIT(e), before = 0;
        while (together != before) {
            before = together;
            for (int a = 0; a < EVENTS; a++)
                for (int b = 0; b < EVENTS; b++)
                    if (holds(before, a) && holds(ever, b) && a != b && !holds(h->knows[a], b) && !holds(h->knows[b], a)) together |= BIT(b);
        }
        ever &= (uint8_t)~together;
        if (together & (together - 1)) ret[n++] = together;
    }
    return n;
}

/* ---- structures: who knew what ---- */

bool plain_is_closed(const struct plain_history *h) {
    for (int e = 0; e < EVENTS; e++)
        for (int d = 0; d < EVENTS; d++)
            if (holds(h->knows[e], d) && ((h->knows[d] & h->knows[e]) != h->knows[d] || holds(h->knows[d], e))) return false;
    return true;
}

bool plain_is_first_of_its_renamings(const struct plain_history *h) {
    static const uint8_t names[5][ORIGINS] = {{0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int p = 0; p < 5; p++) {
        uint8_t renamed[EVENTS][ORIGINS];
        for (int e = 0; e < EVENTS; e++)
            for (int o = 0; o < ORIGINS; o++) renamed[2 * names[p][e / 2] + e % 2][names[p][o]] = h->counts[e][o];
        if (memcmp(renamed, h->counts, sizeof renamed) < 0) return false;
    }
    return true;
}

void plain_set_stamps(struct plain_history *h, uint64_t which) {
    static const uint8_t offsets[4][ORIGINS] = {{0, 0, 0}, {0, 1, 2}, {2, 1, 0}, {1, 0, 2}};
    uint64_t depth[EVENTS];
    for (int e = 0; e < EVENTS; e++) depth[e] = 1;
    for (int round = 0; round < EVENTS; round++)
        for (int e = 0; e < EVENTS; e++)
            for (int d = 0; d < EVENTS; d++)
                if (holds(h->knows[e], d) && depth[d] >= depth[e]) depth[e] = depth[d] + 1;
    for (int e = 0; e < EVENTS; e++) h->stamps[e] = 16 * depth[e] + offsets[which % 4][e / 2];
}
