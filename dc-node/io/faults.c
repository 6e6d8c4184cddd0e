#include "faults.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define DELAY_MS_MAX 3600000u

struct held_frame {
    struct held_frame *next;
    uint64_t due_us;
    size_t n;
    uint8_t bytes[];
};

static void fault_clear(struct fault *f) {
    while (f->first) {
        struct held_frame *h = f->first;
        f->first = h->next;
        free(h);
    }
    f->last = &f->first;
    f->held_bytes = 0;
    f->latest_due_us = f->paced_until_us = 0;
}

void faults_init(struct faults *f, const struct cluster *c, uint32_t self, size_t held_bytes_max, uint64_t entropy) {
    *f = (struct faults){.cluster = c, .self = self, .held_bytes_max = held_bytes_max};
    prng_seed(&f->prng, entropy);
    for (uint32_t i = 0; i < NODES_MAX; i++) f->of[i].last = &f->of[i].first;
}

void faults_finish(struct faults *f) {
    for (uint32_t i = 0; i < NODES_MAX; i++) fault_clear(&f->of[i]);
}

void faults_forget(struct faults *f, uint32_t peer) { fault_clear(&f->of[peer]); }

/* ---- frames ---- */
static void hold(struct faults *all, struct fault *f, struct slice frame, uint64_t now_us) {
    if (f->cut_out || prng_chance(&all->prng, f->loss_permille, 1000) || f->held_bytes + frame.n > all->held_bytes_max) {
        f->dropped++;
        return;
    }
    uint64_t leaves_us = f->paced_until_us > now_us ? f->paced_until_us : now_us;
    if (f->rate_bytes_per_s) f->paced_until_us = leaves_us += frame.n * 1000000 / f->rate_bytes_per_s;
    uint64_t due_us = leaves_us + (uint64_t)f->latency_ms * 1000;
    if (f->jitter_ms) due_us += prng_below(&all->prng, (uint64_t)f->jitter_ms * 1000 + 1);
    if (due_us < f->latest_due_us) due_us = f->latest_due_us; /* a connection keeps its order */
    f->latest_due_us = due_us;
    struct held_frame *h = xmalloc(sizeof *h + frame.n);
    *h = (struct held_frame){.due_us = due_us, .n = frame.n};
    memcpy(h->bytes, frame.p, frame.n);
    *f->last = h;
    f->last = &h->next;
    f->held_bytes += frame.n;
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
        while (f->first && f->first->due_us <= now_us) {
            struct held_frame *h = f->first;
            f->first = h->next;
            if (f->first == NULL) f->last = &f->first;
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
    f->cut_in = f->cut_out = false;
    f->latency_ms = f->jitter_ms = f->loss_permille = 0;
    f->rate_bytes_per_s = f->paced_until_us = f->latest_due_us = 0;
    for (struct held_frame *h = f->first; h; h = h->next) h->due_us = 0;
}

static bool number(struct slice s, uint64_t most, uint64_t *ret) {
    uint64_t v = 0;
    if (s.n == 0 || s.n > 18) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return false;
        v = v * 10 + (s.p[i] - '0');
    }
    *ret = v;
    return v <= most;
}

/* Marks the peers that are meant; false: there is no such DC or node. */
static bool peers_of(const struct faults *all, struct slice name, bool star, bool ret[static NODES_MAX]) {
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
    else if (argc == 1 && !slice_is(argv[0], "both"))
        return false;
    to->cut_in = in;
    to->cut_out = out;
    return true;
}

static bool parse_slow(struct fault *to, const struct slice *argv, uint32_t argc) {
    if (argc == 0 || argc % 2 != 0) return false;
    for (uint32_t i = 0; i < argc; i += 2) {
        uint64_t v;
        bool loss = slice_is(argv[i], "loss"), rate = slice_is(argv[i], "rate"), latency = slice_is(argv[i], "latency");
        if (!number(argv[i + 1], loss ? 1000 : rate ? UINT64_MAX : DELAY_MS_MAX, &v)) return false;
        if (rate)
            to->rate_bytes_per_s = v;
        else if (loss || latency)
            *(loss ? &to->loss_permille : &to->latency_ms) = (uint32_t)v;
        else if (slice_is(argv[i], "jitter"))
            to->jitter_ms = (uint32_t)v;
        else
            return false;
    }
    return true;
}

static void list(const struct faults *all, struct buf *reply) {
    json_t *faults = json_array();
    for (uint32_t i = 0; i < all->cluster->nodes_count; i++) {
        const struct fault *f = &all->of[i];
        if (fault_none(f) && !f->cut_in) continue;
        json_array_append_new(faults,
                              json_pack("{s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "peer", all->cluster->nodes[i].name, "cut_in", f->cut_in,
                                        "cut_out", f->cut_out, "latency_ms", (json_int_t)f->latency_ms, "jitter_ms", (json_int_t)f->jitter_ms,
                                        "loss_permille", (json_int_t)f->loss_permille, "rate_bytes_per_s", (json_int_t)f->rate_bytes_per_s,
                                        "held_bytes", (json_int_t)f->held_bytes, "dropped_frames", (json_int_t)f->dropped));
    }
    json_t *all_json = json_pack("{s:s, s:o}", "node", all->cluster->nodes[all->self].name, "faults", faults);
    char *text = json_dumps(all_json, JSON_COMPACT);
    buf_printf(reply, "$%zu\r\n%s\r\n", strlen(text), text);
    free(text);
    json_decref(all_json);
}

static void apply(struct faults *all, const bool peers[static NODES_MAX], const struct fault *cut, const struct fault *slow) {
    for (uint32_t i = 0; i < all->cluster->nodes_count; i++) {
        struct fault *f = &all->of[i];
        if (!peers[i]) continue;
        if (cut) {
            f->cut_in = cut->cut_in;
            f->cut_out = cut->cut_out;
            if (f->cut_out) fault_clear(f); /* a cut drops what is on the link */
        } else if (slow) {
            f->latency_ms = slow->latency_ms;
            f->jitter_ms = slow->jitter_ms;
            f->loss_permille = slow->loss_permille;
            f->rate_bytes_per_s = slow->rate_bytes_per_s;
        } else {
            heal(f);
        }
    }
}

bool faults_command(struct faults *all, const struct slice *argv, uint32_t argc, struct buf *reply) {
    struct fault wanted = {0};
    bool peers[NODES_MAX] = {false};
    bool is_list = argc == 2 && slice_is(argv[1], "list"), is_heal = argc == 3 && slice_is(argv[1], "heal");
    bool is_cut = argc >= 3 && slice_is(argv[1], "cut") && parse_cut(&wanted, argv + 3, argc - 3);
    bool is_slow = argc >= 3 && slice_is(argv[1], "slow") && parse_slow(&wanted, argv + 3, argc - 3);
    if (is_list) {
        list(all, reply);
    } else if (!is_cut && !is_slow && !is_heal) {
        buf_text(reply, "-ERR TRUCE.FAULT: expected CUT <dc|node> [OUT|IN|BOTH], SLOW <dc|node> [LATENCY ms] [JITTER ms] [LOSS permille] "
                        "[RATE bytes_per_s], HEAL <dc|node|*> or LIST\r\n");
    } else if (!peers_of(all, argv[2], is_heal, peers)) {
        buf_text(reply, "-ERR TRUCE.FAULT: no such datacenter or node\r\n");
        return false;
    } else {
        apply(all, peers, is_cut ? &wanted : NULL, is_slow ? &wanted : NULL);
        buf_text(reply, "+OK\r\n");
    }
    return is_heal;
}
