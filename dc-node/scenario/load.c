/* Workloads: their clients, when they begin, and how they speak with the stage. */
#include "load_parts.h"

#include <stdlib.h>

#define BACK_OFF_US  10000u /* after a refusal, or where nobody answered */
#define AT_ONCE_US   1000u  /* where an answer takes no time, time would stand still */
#define CLIENTS_EACH 2u     /* at each node */

static const struct load_ops *ops_of(enum load_kind k) {
    switch (k) {
    case LOAD_REGISTERS: return &load_registers;
    case LOAD_COUNTERS: return &load_counters;
    case LOAD_SETS: return &load_sets;
    case LOAD_CARTS: return &load_carts;
    case LOAD_BANK: return &load_bank;
    case LOAD_RING: return &load_ring;
    case LOAD_SESSIONS: return &load_sessions;
    case LOAD_READS: return &load_reads;
    case LOAD_KINDS: break;
    }
    return NULL;
}

/* ---- names ---- */

const char *load_node_name(const struct load *l, uint32_t node) { return l->stage->scenario->cluster->nodes[node].name; }

const char *load_time(uint64_t us, char *ret) {
    snprintf(ret, 32, "%" PRIu64 ".%03u s", us / 1000000, (unsigned)(us / 1000 % 1000));
    return ret;
}

enum policy load_policy(const struct load *l) {
    const struct cluster *c = l->stage->scenario->cluster;
    size_t n = strcspn(l->options.prefix, ":");
    for (uint32_t i = 0; i < c->tables_count; i++)
        if (strlen(c->tables[i].name) == n && memcmp(c->tables[i].name, l->options.prefix, n) == 0) return c->tables[i].policy;
    return c->rest.policy;
}

void load_violated(struct load *l, const char *format, ...) {
    char text[1024];
    if (l->violation.n) return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_text(&l->violation, text);
}

/* ---- what a batch says ---- */

struct load_request {
    struct load_request *next, **link; /* of the client's */
    struct load_client *client;
    uint32_t index;
};

static void operation_over(struct load_client *c);

static void batch_over(struct load_client *c, uint64_t now_us) {
    c->replies = c->coming;
    c->replies_count = c->asked;
    c->coming = NULL;
    c->asked = c->returned = c->coming_cap = 0;
    c->returned_us = now_us;
    for (uint32_t i = 0; i < c->replies_count; i++)
        if (!c->replies[i] || c->replies[i]->type == REDIS_REPLY_ERROR) c->in_vain = true;
    c->load->book->ops->replies(c);
    for (uint32_t i = 0; i < c->replies_count; i++) freeReplyObject(c->replies[i]);
    free(c->replies);
    c->replies = NULL;
    if (c->asked == 0) operation_over(c);
}

redisReply *load_parse(struct slice resp) {
    void *reply = NULL;
    if (resp.n == 0) return NULL;
    redisReader *r = redisReaderCreate();
    r->maxbuf = 0;
    redisReaderFeed(r, (const char *)resp.p, resp.n);
    if (redisReaderGetReply(r, &reply) != REDIS_OK) reply = NULL;
    redisReaderFree(r);
    return reply;
}

static void on_done(void *arg, const struct stage_reply *r) {
    struct load_request *q = arg;
    struct load_client *c = q->client;
    c->coming[q->index] = load_parse(r->resp);
    *q->link = q->next;
    if (q->next) q->next->link = q->link;
    free(q);
    if (++c->returned == c->asked) batch_over(c, r->returned_us);
}

void client_word(struct load_client *c, const char *text) {
    buf_put(&c->words, text, strlen(text) + 1);
    c->words_count++;
}

void client_number(struct load_client *c, int64_t number) {
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    client_word(c, text);
}

void client_key(struct load_client *c, uint32_t key) {
    char text[LOAD_PREFIX_MAX + 16];
    snprintf(text, sizeof text, "%s:%u", c->load->options.prefix, key);
    client_word(c, text);
}

static uint32_t connection_at(struct load *l, uint32_t *connections, uint32_t node) {
    if (!connections[node]) connections[node] = l->stage->ops->client(l->stage, node) + 1;
    return connections[node] - 1;
}

void client_send(struct load_client *c) {
    struct load *l = c->load;
    struct slice *argv = xmalloc(c->words_count * sizeof *argv);
    const char *p = (const char *)c->words.p;
    for (uint32_t i = 0; i < c->words_count; i++, p += strlen(p) + 1) argv[i] = slice_text(p);
    if (c->asked == c->coming_cap) {
        c->coming_cap = c->coming_cap ? c->coming_cap * 2 : 8;
        c->coming = xrealloc(c->coming, c->coming_cap * sizeof(*c->coming));
    }
    struct load_request *q = xmalloc(sizeof *q);
    *q = (struct load_request){c->requests, &c->requests, c, c->asked};
    if (q->next) q->next->link = &q->next;
    c->requests = q;
    c->coming[c->asked++] = NULL;
    l->stage->ops->request(l->stage, connection_at(l, c->connections, c->node), argv, c->words_count, on_done, q);
    free(argv);
    buf_clear(&c->words);
    c->words_count = 0;
}

void client_wait_acked(struct load_client *c) {
    if (!c->load->options.ack) return;
    client_word(c, "WAIT");
    client_number(c, c->load->options.ack);
    client_word(c, "1000");
    client_send(c);
}

void client_say(struct load_client *c, ...) {
    va_list words;
    va_start(words, c);
    for (const char *w; (w = va_arg(words, const char *)) != NULL;) client_word(c, w);
    va_end(words);
    client_send(c);
}

void client_move(struct load_client *c, uint32_t node) { c->node = node; }

/* ---- which key ---- */

static uint32_t draw_zipf(struct load_client *c) {
    struct load *l = c->load;
    uint32_t keys = l->options.keys, low = 0, high = keys - 1;
    if (!l->zipf) {
        l->zipf = xmalloc(keys * sizeof *l->zipf);
        uint64_t sum = 0;
        for (uint32_t i = 0; i < keys; i++) l->zipf[i] = sum += (UINT64_C(1) << 32) / (i + 1);
    }
    uint64_t at = client_draw(c, l->zipf[keys - 1]);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (at < l->zipf[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

uint32_t client_draw_key(struct load_client *c) {
    uint32_t keys = c->load->options.keys, hot = keys / 10 ? keys / 10 : 1;
    switch (c->load->options.distribution) {
    case KEYS_UNIFORM: break;
    case KEYS_ZIPF: return draw_zipf(c);
    case KEYS_SEQUENCE: return (uint32_t)(c->load->sequence++ % keys);
    case KEYS_HOT:
        if (keys == hot || prng_chance(&c->prng, 9, 10)) return (uint32_t)client_draw(c, hot);
        return hot + (uint32_t)client_draw(c, keys - hot);
    }
    return (uint32_t)client_draw(c, keys);
}

/* ---- outcomes ---- */

enum load_outcome outcome_of(const redisReply *r) {
    static const char *const open[] = {"INDETERMINATE", "ERR the command was carried out"};
    if (!r) return WENT_UNKNOWN;
    if (r->type != REDIS_REPLY_ERROR) return WENT_OK;
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        if (strncmp(r->str, open[i], strlen(open[i])) == 0) return WENT_UNKNOWN;
    return WENT_FAILED;
}

enum load_outcome outcome_acked(const struct load_client *c, uint32_t reply, uint32_t wait) {
    enum load_outcome o = outcome_of(c->replies[reply]);
    if (o != WENT_OK || !c->load->options.ack) return o;
    const redisReply *r = c->replies[wait];
    return r && r->type == REDIS_REPLY_INTEGER && r->integer >= c->load->options.ack ? WENT_OK : WENT_UNKNOWN;
}

void client_count(struct load_client *c, enum load_outcome o) {
    struct load_counts *n = &c->load->counts;
    n->ok += o == WENT_OK;
    n->failed += o == WENT_FAILED;
    n->unknown += o == WENT_UNKNOWN;
}

void client_count_read(struct load_client *c, const redisReply *r) { c->load->counts.reads += r && r->type != REDIS_REPLY_ERROR; }

bool reply_is_text(const redisReply *r) { return r && (r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS); }
bool reply_says(const redisReply *r, const char *status) { return r && r->type == REDIS_REPLY_STATUS && strcmp(r->str, status) == 0; }

bool reply_number(const redisReply *r, int64_t *ret) {
    if (!r || (r->type != REDIS_REPLY_INTEGER && r->type != REDIS_REPLY_STRING && r->type != REDIS_REPLY_NIL)) return false;
    char *end = NULL;
    *ret = r->type == REDIS_REPLY_INTEGER ? r->integer : r->type == REDIS_REPLY_NIL ? 0 : strtoll(r->str, &end, 10);
    return r->type != REDIS_REPLY_STRING || (r->len > 0 && *end == 0);
}

/* ---- when ---- */

static uint64_t now_of(const struct load *l) { return l->stage->ops->now_us(l->stage); }
static bool over(const struct load *l) { return l->stopped || now_of(l) >= l->until_us; }

static void rest(struct load_client *c) {
    c->busy = false;
    c->load->busy--;
}

static void begin(void *arg, uint64_t number) {
    struct load_client *c = arg;
    struct load *l = c->load;
    if (over(l)) {
        rest(c);
        return;
    }
    c->begun_us = now_of(l);
    c->in_vain = false;
    c->phase = 0;
    l->book->ops->operation(c);
    assert(c->asked > 0);
}

static void begin_at(struct load_client *c, uint64_t at_us) {
    struct load *l = c->load;
    l->stage->ops->at(l->stage, at_us, begin, c, 0);
}

static void operation_over(struct load_client *c) {
    struct load *l = c->load;
    uint64_t now = now_of(l), next = now + (c->in_vain ? BACK_OFF_US : now == c->begun_us ? AT_ONCE_US : 0);
    if (l->options.rate) {
        c->due_us += UINT64_C(1000000) * l->clients_count / l->options.rate;
        if (c->due_us < next) c->due_us = next;
        next = c->due_us;
    }
    if (next < l->until_us)
        begin_at(c, next);
    else
        rest(c);
}

/* ---- books ---- */

static struct load_book *book_open(struct stage *s, const struct load_options *o) {
    for (struct load_book *b = s->books; b; b = b->next)
        if (b->kind == o->kind && strcmp(b->prefix, o->prefix) == 0) {
            b->refs++;
            return b;
        }
    struct load_book *b = xcalloc(1, sizeof *b);
    b->next = s->books;
    s->books = b;
    b->ops = ops_of(o->kind);
    b->kind = o->kind;
    b->prefix = xstrdup(o->prefix);
    b->refs = 1;
    b->ops->remember(b);
    return b;
}

static void book_close(struct stage *s, struct load_book *b) {
    if (--b->refs) return;
    struct load_book **at = &s->books;
    while (*at != b) at = &(*at)->next;
    *at = b->next;
    b->ops->forget(b);
    free(b->prefix);
    free(b);
}

/* ---- life ---- */

static void client_start(struct load_client *c, struct load *l, uint32_t number, uint32_t node) {
    c->load = l;
    c->number = number;
    c->node = node;
    c->connections = xcalloc(l->stage->scenario->cluster->nodes_count, sizeof *c->connections);
    c->busy = true;
    c->due_us = now_of(l) + (l->options.rate ? UINT64_C(1000000) * number / l->options.rate : 0);
}

struct load *load_start(struct stage *s, const struct step *step, uint64_t seed) {
    struct load *l = xcalloc(1, sizeof *l);
    uint32_t nodes[NODES_MAX], nodes_count = 0, number = s->scenario->cluster->nodes_count;
    for (uint32_t i = 0; i < number; i++)
        if (step->nodes[i]) nodes[nodes_count++] = i;
    assert(nodes_count > 0);
    l->stage = s;
    l->options = load_options_of(step->json);
    l->name = step->name ? step->name : load_kind_name(l->options.kind);
    l->until_us = step->length_us ? s->ops->now_us(s) + step->length_us : UINT64_MAX;
    l->clients_count = l->busy = l->options.clients ? l->options.clients : nodes_count * CLIENTS_EACH;
    l->clients = xcalloc(l->clients_count, sizeof *l->clients);
    l->rest_connections = xcalloc(number, sizeof *l->rest_connections);
    l->nodes = xmalloc(nodes_count * sizeof *l->nodes);
    memcpy(l->nodes, nodes, nodes_count * sizeof *nodes);
    l->nodes_count = nodes_count;
    l->book = book_open(s, &l->options);
    if (l->book->ops->join) l->book->ops->join(l);
    struct prng seeds;
    prng_seed(&seeds, seed ^ UINT64_C(0x6c6f6164));
    for (uint32_t i = 0; i < l->clients_count; i++) {
        client_start(&l->clients[i], l, i, nodes[i % nodes_count]);
        prng_seed(&l->clients[i].prng, prng_next(&seeds));
        if (l->book->ops->client_begin) l->book->ops->client_begin(&l->clients[i]);
        begin_at(&l->clients[i], l->clients[i].due_us);
    }
    return l;
}

void load_stop(struct load *l) { l->stopped = true; }
bool load_idle(const struct load *l) { return l->busy == 0; }
struct load_counts load_counts(const struct load *l) {
    return l->counts;
}

bool load_check(struct load *l, struct buf *why) {
    if (l->violation.n) {
        buf_printf(why, "%s: %.*s", l->name, (int)l->violation.n, (const char *)l->violation.p);
        return false;
    }
    struct buf what = {0};
    bool holds = l->book->ops->check(l, &what);
    if (!holds) buf_printf(why, "%s: %.*s", l->name, (int)what.n, (const char *)what.p);
    buf_finish(&what);
    return holds;
}

uint64_t load_session_violations(const struct load *l, struct buf *why) {
    if (l->session_violations && why) buf_printf(why, "%s: %.*s", l->name, (int)l->violation.n, (const char *)l->violation.p);
    return l->session_violations;
}

static void client_finish(struct load_client *c) {
    if (c->load->book->ops->client_end) c->load->book->ops->client_end(c);
    for (struct load_request *q = c->requests, *next; q; q = next) {
        next = q->next;
        free(q);
    }
    for (uint32_t i = 0; i < c->asked; i++) freeReplyObject(c->coming[i]);
    free(c->coming);
    free(c->connections);
    buf_finish(&c->words);
}

void load_destroy(struct load *l) {
    if (!l) return;
    for (uint32_t i = 0; i < l->clients_count; i++) client_finish(&l->clients[i]);
    book_close(l->stage, l->book);
    free(l->clients);
    free(l->nodes);
    free(l->rest_connections);
    free(l->zipf);
    buf_finish(&l->violation);
    free(l);
}
