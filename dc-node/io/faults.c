#include "faults.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define DELAY_US_MAX  3600000000u
#define REPLAY_US_MAX 20000000u /* a frame comes again within this */
#define LENGTH_BYTES  4u        /* before each frame */

struct held_frame {
    struct held_frame *next;
    uint64_t due_us;
    size_t n;
    bool replayed; /* outlives its connection */
    uint8_t bytes[];
};

bool fault_none(const struct fault *f) {
    const struct slowness *s = &f->slow;
    return !f->cut_out && !f->clogged && !f->first && !s->latency_us && !s->jitter_us && !s->loss_ppm && !s->repeat_ppm && !s->corrupt_ppm &&
           !s->replay_ppm && !s->rate_bytes_per_s;
}

/* Drops what is on the way, but for what is to come again if `replayed_too` is not set. */
static void drop_held(struct fault *f, bool replayed_too) {
    struct held_frame **at = &f->first, *kept = NULL;
    while (*at) {
        struct held_frame *h = *at;
        if (h->replayed && !replayed_too) {
            kept = h;
            at = &h->next;
            continue;
        }
        *at = h->next;
        f->held_bytes -= h->n;
        free(h);
    }
    f->last = kept;
    f->latest_due_us = f->paced_until_us = 0;
}

void faults_init(struct faults *f, const struct cluster *c, uint32_t self, size_t held_bytes_max, uint64_t entropy) {
    *f = (struct faults){.cluster = c, .self = self, .held_bytes_max = held_bytes_max};
    prng_seed(&f->prng, entropy);
}

void faults_finish(struct faults *f) {
    for (uint32_t i = 0; i < NODES_MAX; i++) drop_held(&f->of[i], true);
}

void faults_forget(struct faults *f, uint32_t peer) { drop_held(&f->of[peer], false); }

/* ---- frames ---- */
/* The list is in order of time; mostly the newest is the last. */
static void enter(struct fault *f, struct held_frame *h) {
    f->held_bytes += h->n;
    if (f->last == NULL || f->last->due_us <= h->due_us) {
        *(f->last ? &f->last->next : &f->first) = h;
        f->last = h;
        return;
    }
    struct held_frame **at = &f->first;
    while ((*at)->due_us <= h->due_us) at = &(*at)->next;
    h->next = *at;
    *at = h;
}

/* What is held is due at once. */
static void let_go(struct fault *f) {
    struct held_frame *h = f->first;
    f->first = f->last = NULL;
    f->held_bytes = 0;
    f->latest_due_us = 0;
    for (struct held_frame *next; h; h = next) {
        next = h->next;
        h->next = NULL;
        if (!h->replayed) h->due_us = 0;
        enter(f, h);
    }
}

static struct held_frame *hold_copy(struct fault *f, struct slice frame, uint64_t due_us) {
    struct held_frame *h = xmalloc(sizeof *h + frame.n);
    *h = (struct held_frame){.due_us = due_us, .n = frame.n};
    memcpy(h->bytes, frame.p, frame.n);
    enter(f, h);
    return h;
}

/* When a frame that is sent now arrives. */
static uint64_t due(struct faults *all, struct fault *f, size_t bytes, uint64_t now_us) {
    if (f->clogged) return UINT64_MAX; /* what is on its way already arrives */
    uint64_t leaves_us = f->paced_until_us > now_us ? f->paced_until_us : now_us;
    if (f->slow.rate_bytes_per_s) f->paced_until_us = leaves_us += bytes * 1000000 / f->slow.rate_bytes_per_s;
    uint64_t due_us = leaves_us + f->slow.latency_us;
    if (f->slow.jitter_us) due_us += prng_below(&all->prng, (uint64_t)f->slow.jitter_us + 1);
    if (due_us < f->latest_due_us && !f->slow.reorder) due_us = f->latest_due_us; /* a connection keeps its order */
    if (due_us > f->latest_due_us) f->latest_due_us = due_us;
    return due_us;
}

static bool happens(struct faults *all, uint32_t ppm) { return ppm > 0 && prng_chance(&all->prng, ppm, 1000000); }

static void hold(struct faults *all, struct fault *f, struct slice frame, uint64_t now_us) {
    if (f->cut_out || happens(all, f->slow.loss_ppm) || f->held_bytes + frame.n > all->held_bytes_max) {
        f->dropped++;
        return;
    }
    if (happens(all, f->slow.repeat_ppm)) hold_copy(f, frame, due(all, f, frame.n, now_us));
    if (happens(all, f->slow.replay_ppm)) hold_copy(f, frame, now_us + prng_below(&all->prng, REPLAY_US_MAX))->replayed = true;
    struct held_frame *h = hold_copy(f, frame, due(all, f, frame.n, now_us));
    /* Not in its length: that would take what follows for itself, until it is whole. */
    if (happens(all, f->slow.corrupt_ppm) && h->n > LENGTH_BYTES)
        h->bytes[LENGTH_BYTES + prng_below(&all->prng, h->n - LENGTH_BYTES)] ^= (uint8_t)(1 + prng_below(&all->prng, 255));
}

void faults_hold(struct faults *all, uint32_t peer, struct slice frames, uint64_t now_us) {
    struct reader r = reader_of(frames);
    while (r.p < r.end) {
        const uint8_t *begin = r.p;
        read_bytes(&r, read_u32(&r));
        if (r.bad) return;
        hold(all, &all->of[peer], SLICE(begin, r.p - begin), now_us);
    }
}

void faults_release(struct faults *all, uint64_t now_us, void (*send)(void *arg, uint32_t peer, struct slice frame), void *arg) {
    for (uint32_t peer = 0; peer < all->cluster->nodes_count; peer++) {
        struct fault *f = &all->of[peer];
        while (f->first && f->first->due_us <= now_us && f->first->due_us < UINT64_MAX) {
            struct held_frame *h = f->first;
            f->first = h->next;
            if (f->first == NULL) f->last = NULL;
            f->held_bytes -= h->n;
            send(arg, peer, SLICE(h->bytes, h->n));
            free(h);
        }
    }
}

uint64_t faults_wake_us(const struct faults *all) {
    uint64_t wake = UINT64_MAX;
    for (uint32_t peer = 0; peer < all->cluster->nodes_count; peer++) {
        const struct fault *f = &all->of[peer];
        if (f->first && f->first->due_us < wake) wake = f->first->due_us;
    }
    return wake;
}

/* ---- the command ---- */
static void heal(struct fault *f) {
    f->cut_in = f->cut_out = f->clogged = false;
    f->slow = (struct slowness){0};
    f->paced_until_us = f->latest_due_us = 0;
    let_go(f);
}

/* Digits, then one of the two units. *ret_small: it was the second. */
static bool number(struct slice s, const char *unit, uint64_t most, uint64_t *ret, bool *ret_small) {
    uint64_t v = 0;
    size_t i = 0;
    for (; i < s.n && i < 18 && s.p[i] >= '0' && s.p[i] <= '9'; i++) v = v * 10 + (s.p[i] - '0');
    *ret = v;
    *ret_small = unit != NULL && i < s.n && slice_is(SLICE(s.p + i, s.n - i), unit);
    return i > 0 && (i == s.n || *ret_small) && v <= most;
}

static bool number_small(struct slice s, const char *unit, uint64_t most, uint32_t *ret) {
    uint64_t v;
    bool small;
    if (!number(s, unit, most, &v, &small) || (!small && v > most / 1000)) return false;
    *ret = (uint32_t)(small ? v : v * 1000);
    return true;
}

bool faults_peers(const struct faults *all, struct slice name, bool star, bool ret[static NODES_MAX]) {
    const struct cluster *c = all->cluster;
    int node = cluster_find(c, name), dc = cluster_find_dc(c, name);
    bool every = star && slice_is(name, "*");
    if (node < 0 && dc < 0 && !every) return false;
    for (uint32_t i = 0; i < c->nodes_count; i++)
        ret[i] = i != all->self && (every || (node >= 0 ? i == (uint32_t)node : c->nodes[i].dc == (uint32_t)dc));
    return true;
}

static bool parse_cut(struct fault *to, const struct slice *argv, uint32_t argc) {
    bool in = true, out = true;
    if (argc > 1) return false;
    if (argc == 1 && slice_is(argv[0], "out"))
        in = false;
    else if (argc == 1 && slice_is(argv[0], "in"))
        out = false;
    else if (argc == 1 && slice_is(argv[0], "none"))
        in = out = false;
    else if (argc == 1 && !slice_is(argv[0], "both"))
        return false;
    to->cut_in = in;
    to->cut_out = out;
    return true;
}

static bool parse_slowness(struct slowness *to, struct slice what, struct slice how) {
    bool ignored;
    if (slice_is(what, "latency")) return number_small(how, "us", DELAY_US_MAX, &to->latency_us);
    if (slice_is(what, "jitter")) return number_small(how, "us", DELAY_US_MAX, &to->jitter_us);
    if (slice_is(what, "loss")) return number_small(how, "ppm", 1000000, &to->loss_ppm);
    if (slice_is(what, "repeat")) return number_small(how, "ppm", 1000000, &to->repeat_ppm);
    if (slice_is(what, "corrupt")) return number_small(how, "ppm", 1000000, &to->corrupt_ppm);
    if (slice_is(what, "replay")) return number_small(how, "ppm", 1000000, &to->replay_ppm);
    if (slice_is(what, "rate")) return number(how, NULL, UINT64_MAX, &to->rate_bytes_per_s, &ignored);
    to->reorder = slice_is(how, "yes");
    return slice_is(what, "reorder") && (to->reorder || slice_is(how, "no"));
}

static bool parse_slow(struct fault *to, const struct slice *argv, uint32_t argc) {
    if (argc == 0 || argc % 2 != 0) return false;
    for (uint32_t i = 0; i < argc; i += 2)
        if (!parse_slowness(&to->slow, argv[i], argv[i + 1])) return false;
    return true;
}

static json_t *fault_json(const struct faults *all, uint32_t peer) {
    const struct fault *f = &all->of[peer];
    const struct slowness *s = &f->slow;
    json_t *o = json_pack("{s:s, s:b, s:b, s:b}", "peer", all->cluster->nodes[peer].name, "cut_in", f->cut_in, "cut_out", f->cut_out, "clogged",
                          f->clogged);
    const struct {
        const char *name;
        uint64_t value;
    } figures[] = {
        {"latency_us", s->latency_us},   {"jitter_us", s->jitter_us},   {"loss_ppm", s->loss_ppm}, {"repeat_ppm", s->repeat_ppm},
        {"corrupt_ppm", s->corrupt_ppm}, {"replay_ppm", s->replay_ppm}, {"reorder", s->reorder},   {"rate_bytes_per_s", s->rate_bytes_per_s},
        {"held_bytes", f->held_bytes},   {"dropped_frames", f->dropped}};
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
        json_object_set_new(o, figures[i].name, json_integer((json_int_t)figures[i].value));
    return o;
}

static void list(const struct faults *all, struct buf *reply) {
    json_t *faults = json_array();
    for (uint32_t i = 0; i < all->cluster->nodes_count; i++) {
        const struct fault *f = &all->of[i];
        if (fault_none(f) && !f->cut_in) continue;
        json_array_append_new(faults, fault_json(all, i));
    }
    json_t *all_json = json_pack("{s:s, s:o}", "node", all->cluster->nodes[all->self].name, "faults", faults);
    char *text = json_dumps(all_json, JSON_COMPACT);
    buf_printf(reply, "$%zu\r\n%s\r\n", strlen(text), text);
    free(text);
    json_decref(all_json);
}

enum order { ORDER_CUT, ORDER_CLOG, ORDER_SLOW, ORDER_HEAL };

static void apply(struct fault *f, enum order order, const struct fault *wanted) {
    switch (order) {
    case ORDER_CUT:
        f->cut_in = wanted->cut_in;
        f->cut_out = wanted->cut_out;
        if (f->cut_out) drop_held(f, true); /* a cut drops what is on the link */
        break;
    case ORDER_CLOG:
        if (!wanted->clogged) let_go(f);
        f->clogged = wanted->clogged;
        break;
    case ORDER_SLOW: f->slow = wanted->slow; break;
    case ORDER_HEAL: heal(f); break;
    }
}

/* What argv[1] orders; false: it is no order, or malformed. */
static bool parse_order(const struct slice *argv, uint32_t argc, enum order *ret, struct fault *ret_wanted) {
    if (argc < 3) return false;
    ret_wanted->clogged = argc == 3;
    *ret = slice_is(argv[1], "cut") ? ORDER_CUT : slice_is(argv[1], "clog") ? ORDER_CLOG : slice_is(argv[1], "slow") ? ORDER_SLOW : ORDER_HEAL;
    switch (*ret) {
    case ORDER_CUT: return parse_cut(ret_wanted, argv + 3, argc - 3);
    case ORDER_SLOW: return parse_slow(ret_wanted, argv + 3, argc - 3);
    case ORDER_CLOG: return argc == 3 || (argc == 4 && slice_is(argv[3], "off"));
    default: return argc == 3 && slice_is(argv[1], "heal");
    }
}

bool faults_command(struct faults *all, const struct slice *argv, uint32_t argc, struct buf *reply) {
    struct fault wanted = {0};
    enum order order;
    bool peers[NODES_MAX] = {false};
    if (argc == 2 && slice_is(argv[1], "list")) {
        list(all, reply);
        return false;
    }
    if (!parse_order(argv, argc, &order, &wanted)) {
        buf_text(reply, "-ERR TRUCE.FAULT: expected CUT <dc|node> [OUT|IN|BOTH|NONE], CLOG <dc|node> [OFF], SLOW <dc|node> [LATENCY ms] [JITTER ms] "
                        "[LOSS permille] [RATE bytes_per_s] [REPEAT|CORRUPT|REPLAY permille] [REORDER yes|no], HEAL <dc|node|*>, "
                        "DISCONNECT <dc|node>, CLOCK, DISK or LIST\r\n");
        return false;
    }
    if (!faults_peers(all, argv[2], order == ORDER_HEAL, peers)) {
        buf_text(reply, "-ERR TRUCE.FAULT: no such datacenter or node\r\n");
        return false;
    }
    for (uint32_t i = 0; i < all->cluster->nodes_count; i++)
        if (peers[i]) apply(&all->of[i], order, &wanted);
    buf_text(reply, "+OK\r\n");
    return order != ORDER_SLOW;
}
