#include "workload.h"

#include "resp.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define COMMANDS_MAX 8
#define WORDS_MAX    12
#define GROUP_KEYS   3

/* A unique value on its way into a row. */
struct write {
    uint32_t key, from;   /* the key, and how many changes it had before */
    uint32_t transaction; /* writes of one transaction share it; 0: alone */
    char value[24];
    enum outcome outcome;
};

struct counter {
    char name[24];
    uint64_t ok, unknown;
};

struct agent;
struct command {
    struct agent *agent;
    struct buf bytes; /* of its words */
    uint32_t ends[WORDS_MAX], words;
    struct buf reply;
    bool returned, checked;
    struct h_read read;
    uint32_t write; /* index + 1; 0: writes nothing that is followed */
};

struct agent {
    struct workload *load;
    uint32_t node, client;
    struct command commands[COMMANDS_MAX];
    uint32_t count, returned;
    bool busy;
    bool reader;
    uint32_t next_read; /* of a reader: the key to go on with */
    bool transaction;   /* the commands stand between MULTI and EXEC */
    uint32_t watches;   /* commands before MULTI */
    bool group_read;
    struct counter *counter;
    char context[2048]; /* of an earlier read; empty: none */
    bool takes_context;
};

struct workload {
    struct world *world;
    struct history *history;
    struct workload_options options;
    struct prng prng;
    struct agent *agents;
    uint32_t agents_count, readers; /* the readers come last */
    bool going;
    uint32_t values, transactions;
    struct write *writes;
    uint32_t writes_count, writes_cap;
    struct counter counters[DCS_MAX];
    struct workload_counts counts;
    struct buf scratch;
};

static uint64_t draw(struct workload *l, uint64_t below) { return prng_below(&l->prng, below); }

/* ---- commands ---- */

static struct command *command_add(struct agent *a) {
    assert(a->count < COMMANDS_MAX);
    struct command *c = &a->commands[a->count++];
    c->agent = a;
    c->words = 0;
    buf_clear(&c->bytes);
    buf_clear(&c->reply);
    c->returned = c->checked = false;
    c->write = 0;
    return c;
}

static void word(struct command *c, const char *text) {
    assert(c->words < WORDS_MAX);
    buf_put(&c->bytes, text, strlen(text));
    c->ends[c->words++] = (uint32_t)c->bytes.n;
}

static struct command *say(struct agent *a, const char *first, const char *second) {
    struct command *c = command_add(a);
    word(c, first);
    if (second) word(c, second);
    return c;
}

/* A value that is written once in the whole run, with padding. */
static void unique_word(struct command *c, const char *key, uint32_t transaction) {
    struct workload *l = c->agent->load;
    if (l->writes_count == l->writes_cap) {
        l->writes_cap = l->writes_cap ? l->writes_cap * 2 : 256;
        l->writes = xrealloc(l->writes, l->writes_cap * sizeof *l->writes);
    }
    struct write *w = &l->writes[l->writes_count++];
    uint32_t index = history_key(l->history, slice_text(key));
    *w = (struct write){.key = index, .from = l->history->keys[index].n, .transaction = transaction, .outcome = OUTCOME_UNKNOWN};
    snprintf(w->value, sizeof w->value, "t%u;", ++l->values);
    buf_put(&c->bytes, w->value, strlen(w->value));
    if (l->options.value_bytes_max > 0 && draw(l, 4) == 0) {
        size_t n = draw(l, l->options.value_bytes_max);
        memset(buf_reserve(&c->bytes, n), 'x', n);
        c->bytes.n += n;
    }
    c->ends[c->words++] = (uint32_t)c->bytes.n;
    c->write = l->writes_count;
}

static void number_word(struct command *c, uint64_t number) {
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    word(c, text);
}

static void name_of(char *to, size_t n, const char *kind, uint64_t number) { snprintf(to, n, "%s:%llu", kind, (unsigned long long)number); }

/* ---- what an agent does ---- */

static void string_write(struct agent *a, const char *key) {
    struct workload *l = a->load;
    bool knows = l->options.contexts && a->context[0] && draw(l, 3) == 0;
    struct command *c = command_add(a);
    if (knows) {
        word(c, "TRUCE.WITH");
        word(c, a->context);
    }
    switch (draw(l, knows ? 3 : 8)) {
    case 0:
        word(c, "DEL");
        word(c, key);
        return;
    case 3:
        word(c, "SETNX");
        word(c, key);
        unique_word(c, key, 0);
        return;
    case 4:
        word(c, "GETSET");
        word(c, key);
        unique_word(c, key, 0);
        return;
    case 5:
        if (draw(l, 3) > 0) break;
        word(c, "APPEND");
        word(c, key);
        unique_word(c, key, 0);
        return;
    default: break;
    }
    word(c, "SET");
    word(c, key);
    unique_word(c, key, 0);
    if (!l->options.expiries || draw(l, 3) > 0) return;
    word(c, "PX");
    number_word(c, 1 + draw(l, 4000));
}

static void string_op(struct agent *a) {
    struct workload *l = a->load;
    char key[32];
    name_of(key, sizeof key, "s", draw(l, l->options.keys));
    switch (draw(l, 8)) {
    case 0:
        if (l->options.contexts) {
            say(a, "TRUCE.CONTEXT", key);
            a->takes_context = true;
            return;
        }
        break;
    case 1:
        if (l->options.expiries) {
            if (draw(l, 2))
                number_word(say(a, "PEXPIRE", key), 1 + draw(l, 3000));
            else
                say(a, "PERSIST", key);
            return;
        }
        break;
    case 2: say(a, l->options.deletes_often ? "DEL" : "GETDEL", key); return;
    case 3:
    case 4: say(a, "GET", key)->checked = true; return;
    default: break;
    }
    string_write(a, key);
}

static void hash_op(struct agent *a) {
    struct workload *l = a->load;
    char key[32], field[32];
    name_of(key, sizeof key, "h", draw(l, l->options.keys));
    name_of(field, sizeof field, "f", draw(l, 4));
    struct command *c;
    switch (draw(l, 5)) {
    case 0: word(say(a, "HDEL", key), field); return;
    case 1: say(a, "HGETALL", key)->checked = true; return;
    default:
        c = say(a, "HSET", key);
        word(c, field);
        unique_word(c, key, 0);
        return;
    }
}

static void set_op(struct agent *a) {
    struct workload *l = a->load;
    char key[32];
    name_of(key, sizeof key, "m", draw(l, l->options.keys));
    switch (draw(l, 5)) {
    case 0: word(say(a, "SPOP", key), "2"); return;
    case 1: say(a, "SMEMBERS", key)->checked = true; return;
    case 2:
        if (l->options.deletes_often) {
            say(a, "DEL", key);
            return;
        } /* fall through */
    default: unique_word(say(a, "SADD", key), key, 0); return;
    }
}

static void counter_op(struct agent *a) {
    struct workload *l = a->load;
    a->counter = &l->counters[l->options.cluster->nodes[a->node].dc]; /* each DC has its own: nobody else increments it */
    say(a, "INCR", a->counter->name);
}

/* Rows that are only ever written together, with one value. */
static void group_op(struct agent *a) {
    struct workload *l = a->load;
    char keys[GROUP_KEYS][32];
    uint64_t group = draw(l, 2);
    for (int i = 0; i < GROUP_KEYS; i++) snprintf(keys[i], sizeof keys[i], "g:%llu:%d", (unsigned long long)group, i);
    struct command *c;
    switch (draw(l, 6)) {
    case 0:
    case 1:
        c = say(a, "MGET", NULL);
        for (int i = 0; i < GROUP_KEYS; i++) word(c, keys[i]);
        a->group_read = true;
        return;
    case 2:
        if (!l->options.transactions) break;
        say(a, "MULTI", NULL);
        for (int i = 0; i < GROUP_KEYS; i++) say(a, "GET", keys[i]);
        say(a, "EXEC", NULL);
        a->transaction = a->group_read = true;
        return;
    case 3:
        c = say(a, "DEL", NULL);
        for (int i = 0; i < GROUP_KEYS; i++) word(c, keys[i]);
        return;
    default: break;
    }
    c = say(a, "MSET", keys[0]);
    unique_word(c, keys[0], 0);
    size_t at = c->ends[1], n = c->ends[2] - at;
    for (int i = 1; i < GROUP_KEYS; i++) {
        word(c, keys[i]);
        uint8_t *to = buf_reserve(&c->bytes, n);
        memcpy(to, c->bytes.p + at, n);
        c->bytes.n += n;
        c->ends[c->words++] = (uint32_t)c->bytes.n;
    }
}

/* Several rows in one transaction, sometimes after a WATCH. */
static void transaction_op(struct agent *a) {
    struct workload *l = a->load;
    char key[32];
    uint32_t transaction = ++l->transactions;
    if (draw(l, 2)) {
        name_of(key, sizeof key, "s", draw(l, l->options.keys));
        say(a, "WATCH", key);
        say(a, "GET", key);
        a->watches = 2;
    }
    say(a, "MULTI", NULL);
    uint64_t first = draw(l, l->options.keys), rows = 1 + draw(l, 3);
    for (uint64_t i = 0; i < rows; i++) {
        name_of(key, sizeof key, "s", (first + i) % l->options.keys);
        unique_word(say(a, "SET", key), key, transaction);
    }
    say(a, "EXEC", NULL);
    a->transaction = true;
}

/* ---- sending, and what came back ---- */

static struct slice word_of(const struct command *c, uint32_t i) {
    uint32_t start = i > 0 ? c->ends[i - 1] : 0;
    return SLICE(c->bytes.p + start, c->ends[i] - start);
}

static void on_taken(void *arg, uint32_t node) {
    struct command *c = arg;
    struct workload *l = c->agent->load;
    if (!c->checked) return;
    vv_finish(&c->read.vv);
    c->read = h_read_now(l->history, node, history_key(l->history, word_of(c, 1)), world_wall_ms(l->world, node));
}

static void finish(struct agent *a);

static void on_done(void *arg, const struct reply_info *info) {
    struct command *c = arg;
    buf_clear(&c->reply);
    buf_put(&c->reply, info->reply.p, info->reply.n);
    c->returned = info->reply.n > 0;
    if (++c->agent->returned == c->agent->count) finish(c->agent);
}

static void send(struct agent *a) {
    a->returned = 0;
    a->busy = true;
    uint32_t count = a->count;
    for (uint32_t i = 0; i < count; i++) {
        struct command *c = &a->commands[i];
        struct slice argv[WORDS_MAX];
        for (uint32_t j = 0; j < c->words; j++) argv[j] = word_of(c, j);
        struct request_watcher watcher = {on_taken, on_done, c};
        world_request(a->load->world, a->client, argv, c->words, &watcher);
    }
}

static enum outcome outcome_of(const struct command *c) {
    struct slice r = buf_slice_of(&c->reply);
    if (!c->returned) return OUTCOME_UNKNOWN;
    if (r.n > 14 && memcmp(r.p, "-INDETERMINATE", 14) == 0) return OUTCOME_UNKNOWN;
    if (r.p[0] == '-') return OUTCOME_FAILED;
    return OUTCOME_OK;
}

static bool says(const struct command *c, const char *name) { return slice_is(word_of(c, 0), name); }

/* Of a write outside a transaction. */
static enum outcome write_outcome(const struct command *c) {
    enum outcome o = outcome_of(c);
    if (o == OUTCOME_OK && says(c, "SETNX") && c->reply.p[1] == '0') return OUTCOME_FAILED;
    return o;
}

static void count_outcome(struct workload *l, enum outcome o) {
    if (o == OUTCOME_OK) l->counts.ok++;
    if (o == OUTCOME_FAILED) l->counts.failed++;
    if (o == OUTCOME_UNKNOWN) l->counts.unknown++;
}

static void finish_transaction(struct agent *a) {
    struct workload *l = a->load;
    struct command *exec = &a->commands[a->count - 1];
    struct resp r[32];
    uint32_t n = resp_parse(buf_slice_of(&exec->reply), r, 32);
    enum outcome o = outcome_of(exec);
    if (o == OUTCOME_OK && (n == 0 || r[0].null)) o = OUTCOME_FAILED;
    count_outcome(l, o);
    for (uint32_t i = a->watches + 1, at = 1; i + 1 < a->count; i++, at++) {
        struct command *c = &a->commands[i];
        if (c->write == 0) continue;
        bool failed = o == OUTCOME_OK && at < n && r[at].type == '-';
        l->writes[c->write - 1].outcome = failed || (o == OUTCOME_OK && outcome_of(c) == OUTCOME_FAILED) ? OUTCOME_FAILED : o;
    }
    if (!a->group_read || o != OUTCOME_OK) return;
    struct slice values[GROUP_KEYS];
    for (uint32_t i = 0; i < GROUP_KEYS && i + 1 < n; i++) values[i] = r[i + 1].null ? SLICE(NULL, 0) : r[i + 1].text;
    if (n == GROUP_KEYS + 1) check_group_read(l->history, a->node, values, GROUP_KEYS);
}

static struct slice content_of_reply(struct workload *l, const struct command *c) {
    struct resp r[512];
    uint32_t n = resp_parse(buf_slice_of(&c->reply), r, 512);
    assert(n > 0 && n <= 512);
    buf_clear(&l->scratch);
    if (says(c, "GET")) {
        if (!r[0].null) content_make_string(&l->scratch, 0, r[0].text);
        return buf_slice_of(&l->scratch);
    }
    bool hash = says(c, "HGETALL");
    struct content_column columns[512];
    uint32_t count = 0;
    for (uint32_t i = 1; i < n; i += hash ? 2 : 1) columns[count++] = (struct content_column){r[i].text, hash ? r[i + 1].text : SLICE(NULL, 0)};
    content_make(&l->scratch, hash ? CONTENT_HASH : CONTENT_SET, 0, columns, count);
    return buf_slice_of(&l->scratch);
}

static void finish_command(struct agent *a, struct command *c) {
    struct workload *l = a->load;
    enum outcome o = write_outcome(c);
    count_outcome(l, o);
    if (c->write > 0) l->writes[c->write - 1].outcome = o;
    if (a->counter) {
        a->counter->ok += o == OUTCOME_OK;
        a->counter->unknown += o == OUTCOME_UNKNOWN;
    }
    if (o != OUTCOME_OK) return;
    if (c->checked) {
        l->counts.reads++;
        c->read.content = content_of_reply(l, c);
        check_read(l->history, &c->read);
    }
    if (a->group_read) {
        struct resp r[GROUP_KEYS + 1];
        struct slice values[GROUP_KEYS];
        if (resp_parse(buf_slice_of(&c->reply), r, GROUP_KEYS + 1) != GROUP_KEYS + 1) return;
        for (int i = 0; i < GROUP_KEYS; i++) values[i] = r[i + 1].null ? SLICE(NULL, 0) : r[i + 1].text;
        check_group_read(l->history, a->node, values, GROUP_KEYS);
    }
    if (a->takes_context) {
        struct resp r[1];
        resp_parse(buf_slice_of(&c->reply), r, 1);
        snprintf(a->context, sizeof a->context, "%.*s", r[0].text.n < sizeof a->context ? (int)r[0].text.n : 0, (const char *)r[0].text.p);
    }
}

static void next(struct world *w, void *arg, uint64_t number);

static void finish(struct agent *a) {
    struct workload *l = a->load;
    if (a->transaction)
        finish_transaction(a);
    else
        for (uint32_t i = 0; i < a->count; i++) finish_command(a, &a->commands[i]);
    a->busy = false;
    if (history_failed(l->history)) {
        world_stop(l->world);
        return;
    }
    uint64_t think = a->reader ? 0 : draw(l, l->options.think_us_max + 1);
    world_at(l->world, world_now_us(l->world) + think, next, a, 0);
}

static uint32_t rows_to_read(const struct workload *l) { return 3 * l->options.keys; }

static void read_next(struct agent *a) {
    static const char *const kinds[] = {"s", "h", "m"}, *const commands[] = {"GET", "HGETALL", "SMEMBERS"};
    struct workload *l = a->load;
    if (a->next_read >= rows_to_read(l)) return;
    char key[32];
    uint32_t kind = a->next_read % 3;
    name_of(key, sizeof key, kinds[kind], a->next_read / 3);
    a->next_read++;
    say(a, commands[kind], key)->checked = true;
    send(a);
}

static void next(struct world *w, void *arg, uint64_t number) {
    struct agent *a = arg;
    struct workload *l = a->load;
    a->count = a->watches = 0;
    a->transaction = a->group_read = a->takes_context = false;
    a->counter = NULL;
    if (a->reader) {
        read_next(a);
        return;
    }
    if (!l->going) return;
    switch (draw(l, 12)) {
    case 0:
    case 1: hash_op(a); break;
    case 2: set_op(a); break;
    case 3: counter_op(a); break;
    case 4:
    case 5: group_op(a); break;
    case 6:
        if (l->options.transactions) {
            transaction_op(a);
            break;
        } /* fall through */
    default: string_op(a);
    }
    send(a);
}

/* ---- life ---- */

static struct agent *agent_init(struct workload *l, uint32_t node) {
    struct agent *a = &l->agents[l->agents_count++];
    *a = (struct agent){.load = l, .node = node, .client = world_client(l->world, node)};
    return a;
}

struct workload *workload_create(struct world *w, struct history *h, uint64_t seed, const struct workload_options *o) {
    struct workload *l = xcalloc(1, sizeof *l);
    l->world = w;
    l->history = h;
    l->options = *o;
    prng_seed(&l->prng, seed ^ UINT64_C(0x776f726b));
    l->agents = xcalloc(o->agents + h->nodes_count, sizeof *l->agents);
    for (uint32_t i = 0; i < DCS_MAX; i++) name_of(l->counters[i].name, sizeof l->counters[i].name, "c", i);
    for (uint32_t i = 0; i < o->agents; i++) agent_init(l, i < h->nodes_count ? i : (uint32_t)draw(l, h->nodes_count));
    l->readers = h->nodes_count;
    for (uint32_t i = 0; i < l->readers; i++) {
        struct agent *a = agent_init(l, i);
        a->reader = true;
        a->next_read = rows_to_read(l);
    }
    return l;
}

void workload_destroy(struct workload *l) {
    if (!l) return;
    for (uint32_t i = 0; i < l->agents_count; i++)
        for (uint32_t j = 0; j < COMMANDS_MAX; j++) {
            buf_finish(&l->agents[i].commands[j].bytes);
            buf_finish(&l->agents[i].commands[j].reply);
            vv_finish(&l->agents[i].commands[j].read.vv);
        }
    free(l->agents);
    free(l->writes);
    buf_finish(&l->scratch);
    free(l);
}

void workload_go(struct workload *l) {
    l->going = true;
    for (uint32_t i = 0; i < l->options.agents; i++)
        world_at(l->world, world_now_us(l->world) + draw(l, l->options.think_us_max + 1), next, &l->agents[i], 0);
}

void workload_stop(struct workload *l) { l->going = false; }

void workload_read_all(struct workload *l) {
    for (uint32_t i = 0; i < l->readers; i++) {
        struct agent *a = &l->agents[l->agents_count - l->readers + i];
        a->next_read = 0;
        world_at(l->world, world_now_us(l->world), next, a, 0);
    }
}

bool workload_idle(const struct workload *l) {
    for (uint32_t i = 0; i < l->agents_count; i++)
        if (l->agents[i].busy || (l->agents[i].reader && l->agents[i].next_read < rows_to_read(l))) return false;
    return true;
}

void workload_check(struct workload *l, bool promised) {
    struct h_event *made = NULL;
    for (uint32_t i = 0; i < l->writes_count; i++) {
        struct write *w = &l->writes[i];
        struct h_event *e = check_write(l->history, w->key, w->from, slice_text(w->value), w->outcome, promised);
        bool together = i > 0 && w->transaction > 0 && l->writes[i - 1].transaction == w->transaction;
        if (together && e != made)
            history_fail(l->history, "I5", "%s and %s were written in one transaction, but not in one event", l->writes[i - 1].value, w->value);
        made = e;
    }
    for (uint32_t i = 0; i < DCS_MAX; i++)
        if (l->counters[i].ok + l->counters[i].unknown > 0)
            check_counter(l->history, slice_text(l->counters[i].name), l->counters[i].ok, l->counters[i].unknown, promised);
}

struct workload_counts workload_counts(const struct workload *l) {
    return l->counts;
}
