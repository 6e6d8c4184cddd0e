/* What clients do: commands, drawn. */
#include "workload_state.h"

#include <assert.h>
#include <string.h>

/* ---- words ---- */

static struct command *command_add(struct agent *a) {
    assert(a->count < COMMANDS_MAX);
    struct command *c = &a->commands[a->count++];
    struct buf bytes = c->bytes, reply = c->reply;
    struct h_read read = {.vv = c->read.vv, .expected = c->read.expected};
    *c = (struct command){.agent = a, .bytes = bytes, .reply = reply, .read = read};
    buf_clear(&c->bytes);
    buf_clear(&c->reply);
    return c;
}

void word(struct command *c, const char *text) {
    assert(c->words < WORDS_MAX);
    buf_put(&c->bytes, text, strlen(text));
    c->ends[c->words++] = (uint32_t)c->bytes.n;
}

struct command *say(struct agent *a, const char *first, const char *second) {
    struct command *c = command_add(a);
    word(c, first);
    if (second) word(c, second);
    return c;
}

void number_word(struct command *c, uint64_t number) {
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    word(c, text);
}

/* A value that is written once in the whole run, with padding. */
struct write *unique_word(struct command *c, const char *key, uint32_t transaction) {
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
    if (l->options.value_bytes_max > 0 && load_draw(l, 4) == 0) {
        size_t n = load_draw(l, l->options.value_bytes_max);
        memset(buf_reserve(&c->bytes, n), 'x', n);
        c->bytes.n += n;
    }
    c->ends[c->words++] = (uint32_t)c->bytes.n;
    c->write = l->writes_count;
    return w;
}

static void copy_word(struct command *c, uint32_t from) {
    size_t n = word_of(c, from).n;
    uint8_t *to = buf_reserve(&c->bytes, n);
    memcpy(to, word_of(c, from).p, n);
    c->bytes.n += n;
    c->ends[c->words++] = (uint32_t)c->bytes.n;
}

struct name {
    char text[32];
};
static struct name name_of(const char *kind, uint64_t number) {
    struct name n;
    snprintf(n.text, sizeof n.text, "%s:%llu", kind, (unsigned long long)number);
    return n;
}
static struct name any_name(struct agent *a, const char *kind) { return name_of(kind, load_draw(a->load, a->load->options.keys)); }

/* ---- strings ---- */

static void string_write(struct agent *a, const char *key) {
    struct workload *l = a->load;
    bool knows = l->options.contexts && a->context[0] && load_draw(l, 3) == 0;
    struct command *c = command_add(a);
    if (knows && load_draw(l, 4) == 0) {
        word(c, "TRUCE.RESOLVE");
        word(c, key);
        word(c, a->context);
    } else if (knows) {
        word(c, "TRUCE.WITH");
        word(c, a->context);
    }
    const char *verb = "SET";
    switch (load_draw(l, knows ? 3 : 8)) {
    case 0:
        word(c, "DEL");
        word(c, key);
        return;
    case 3: verb = "SETNX"; break;
    case 4: verb = "GETSET"; break;
    case 5: verb = load_draw(l, 3) > 0 ? "SET" : "APPEND"; break;
    default: break;
    }
    word(c, verb);
    word(c, key);
    unique_word(c, key, 0);
    if (strcmp(verb, "SET") != 0 || !l->options.expiries || load_draw(l, 3) > 0) return;
    word(c, "PX");
    number_word(c, 1 + load_draw(l, 4000));
}

static void change_expiry(struct agent *a, const char *key) {
    struct workload *l = a->load;
    if (load_draw(l, 2))
        number_word(say(a, "PEXPIRE", key), 1 + load_draw(l, 3000));
    else
        say(a, "PERSIST", key);
}

static void string_op(struct agent *a) {
    struct workload *l = a->load;
    struct name key = any_name(a, "s");
    switch (load_draw(l, 8)) {
    case 0:
        if (!l->options.contexts) break;
        say(a, "TRUCE.CONTEXT", key.text);
        a->finish = finish_context;
        return;
    case 1:
        if (!l->options.expiries) break;
        change_expiry(a, key.text);
        return;
    case 2: say(a, l->options.deletes_often ? "DEL" : "GETDEL", key.text); return;
    case 3:
    case 4: say(a, "GET", key.text)->check = CHECK_ROW; return;
    default: break;
    }
    string_write(a, key.text);
}

/* ---- hashes, sets, counters ---- */

static void small_number(struct command *c) {
    char text[24];
    snprintf(text, sizeof text, "%d", (int)load_draw(c->agent->load, 12) - 3);
    word(c, text);
}

static void hash_op(struct agent *a) {
    struct workload *l = a->load;
    struct name key = any_name(a, "h"), field = name_of("f", load_draw(l, 4));
    struct command *c;
    switch (load_draw(l, 8)) {
    case 0: word(say(a, "HDEL", key.text), field.text); return;
    case 1: say(a, "HGETALL", key.text)->check = CHECK_ROW; return;
    case 2:
        c = say(a, "HINCRBY", key.text);
        word(c, name_of("n", load_draw(l, 2)).text);
        small_number(c);
        return;
    case 3:
        if (load_draw(l, 2))
            word(say(a, "HDEL", key.text), name_of("n", load_draw(l, 2)).text);
        else
            say(a, "DEL", key.text);
        return;
    default:
        c = say(a, "HSET", key.text);
        word(c, field.text);
        unique_word(c, key.text, 0);
        if (load_draw(l, 4) > 0) return;
        word(c, name_of("f", load_draw(l, 4) + 4).text);
        copy_word(c, 3);
    }
}

static void set_op(struct agent *a) {
    struct workload *l = a->load;
    struct name key = any_name(a, "m"), member = name_of("x", load_draw(l, 4));
    switch (load_draw(l, 8)) {
    case 0: word(say(a, "SPOP", key.text), "2"); return;
    case 1: say(a, "SMEMBERS", key.text)->check = CHECK_ROW; return;
    case 2:
        if (l->options.deletes_often) {
            say(a, "DEL", key.text);
            return;
        } /* fall through */
    case 3: word(say(a, "SADD", key.text), member.text); return;
    case 4: word(say(a, "SREM", key.text), member.text); return;
    default: unique_word(say(a, "SADD", key.text), key.text, 0);
    }
}

/* Numbers that are set, counted on, deleted, and expire. */
static void number_op(struct agent *a) {
    struct workload *l = a->load;
    struct name key = name_of("n", load_draw(l, MIXED_KEYS));
    switch (load_draw(l, 8)) {
    case 0: say(a, "DEL", key.text); return;
    case 1: number_word(say(a, "SET", key.text), load_draw(l, 1000)); return;
    case 2: say(a, "GET", key.text)->check = CHECK_ROW; return;
    case 3:
        if (l->options.expiries) {
            number_word(say(a, "PEXPIRE", key.text), 1 + load_draw(l, 5000));
            return;
        } /* fall through */
    case 4: say(a, "INCR", key.text); return;
    default: small_number(say(a, "INCRBY", key.text));
    }
}

/* Rows of any type. */
static void mixed_op(struct agent *a) {
    struct workload *l = a->load;
    struct name key = name_of("x", load_draw(l, MIXED_KEYS));
    struct command *c;
    switch (load_draw(l, 7)) {
    case 0: say(a, "DEL", key.text); return;
    case 1: unique_word(say(a, "SET", key.text), key.text, 0); return;
    case 2: say(a, "INCR", key.text); return;
    case 3: unique_word(say(a, "SADD", key.text), key.text, 0); return;
    case 4: operation_read(a, operation_reads(l) - 1 - (uint32_t)load_draw(l, 3 * MIXED_KEYS)); return;
    default:
        c = say(a, "HSET", key.text);
        word(c, name_of("f", load_draw(l, 2)).text);
        unique_word(c, key.text, 0);
    }
}

/* Where rows merge, every DC increments each; else one alone. */
static struct command *increment(struct agent *a) {
    struct workload *l = a->load;
    uint32_t dcs = l->options.cluster->dcs_count;
    struct tally *tally = &l->tallies[l->tallies_shared ? load_draw(l, dcs) : l->options.cluster->nodes[a->node].dc];
    struct command *c = say(a, "INCRBY", tally->name);
    c->amount = 1 + load_draw(l, 3);
    number_word(c, c->amount);
    c->tally = tally;
    return c;
}

/* ---- definitions ---- */

/* An origin that some node had, or has. */
static void mark_op(struct agent *a) {
    const struct history *h = a->load->history;
    uint32_t count = origins_count(h->origins);
    if (count == 0) {
        say(a, "DBSIZE", NULL);
        return;
    }
    struct buf name = {0};
    uint64_t from = 1 + load_draw(a->load, 40), to = from + load_draw(a->load, 40);
    origin_format(origins_get(h->origins, (origin_ref)load_draw(a->load, count)), &name);
    buf_u8(&name, 0);
    struct command *c = say(a, "TRUCE.MARK", (const char *)name.p);
    number_word(c, from);
    number_word(c, to);
    buf_finish(&name);
}

static void define_op(struct agent *a) {
    static const char *const policies[] = {"lww", "priority", "record", "merge"}, *const tables[] = {"s", "h", "m", "n", "x", "g", "c"};
    struct workload *l = a->load;
    uint64_t kind = load_draw(l, 8);
    if (kind == 0) {
        mark_op(a);
        return;
    }
    if (kind == 1) {
        uint64_t dc = load_draw(l, l->options.cluster->dcs_count);
        number_word(say(a, "TRUCE.PRIORITY", l->options.cluster->dcs[dc].name), load_draw(l, 50));
        return;
    }
    uint64_t table = load_draw(l, sizeof tables / sizeof *tables), policy = load_draw(l, 3);
    struct name key = name_of(tables[table], 0);
    uint32_t index = history_key(l->history, slice_text(key.text));
    bool merges = l->history->keys[index].policy == POLICY_MERGE;
    bool of_any_form = l->options.forms_change && table < 5;
    if (of_any_form) policy = load_draw(l, 4);
    if (!of_any_form && merges) {
        say(a, "GET", key.text);
        return;
    }
    struct command *c = say(a, "TRUCE.TABLE", kind == 2 ? "RESET" : "SET");
    word(c, tables[table]);
    if (kind > 2) word(c, policies[policy]);
}

/* ---- several rows ---- */

/* Rows that are only ever written together, with one value. */
static void group_op(struct agent *a) {
    struct workload *l = a->load;
    struct name keys[GROUP_KEYS];
    uint64_t group = load_draw(l, 2);
    for (int i = 0; i < GROUP_KEYS; i++) snprintf(keys[i].text, sizeof keys[i].text, "g:%llu:%d", (unsigned long long)group, i);
    struct command *c;
    switch (load_draw(l, 6)) {
    case 0:
    case 1:
        c = say(a, "MGET", NULL);
        for (int i = 0; i < GROUP_KEYS; i++) word(c, keys[i].text);
        a->finish = finish_group_read;
        return;
    case 2:
        if (!l->options.transactions) break;
        say(a, "MULTI", NULL);
        for (int i = 0; i < GROUP_KEYS; i++) say(a, "GET", keys[i].text);
        say(a, "EXEC", NULL);
        a->finish = finish_group_read;
        return;
    case 3:
        c = say(a, "DEL", NULL);
        for (int i = 0; i < GROUP_KEYS; i++) word(c, keys[i].text);
        return;
    default: break;
    }
    c = say(a, "MSET", keys[0].text);
    unique_word(c, keys[0].text, 0);
    for (int i = 1; i < GROUP_KEYS; i++) {
        word(c, keys[i].text);
        copy_word(c, 2);
    }
}

/* Several rows in one transaction, sometimes after a WATCH. */
static void transaction_op(struct agent *a) {
    struct workload *l = a->load;
    uint32_t transaction = ++l->transactions;
    if (load_draw(l, 2)) {
        struct name watched = any_name(a, "s");
        say(a, "WATCH", watched.text);
        say(a, "GET", watched.text);
        a->watches = 2;
    }
    say(a, "MULTI", NULL);
    uint64_t first = load_draw(l, l->options.keys), rows = 1 + load_draw(l, 3);
    for (uint64_t i = 0; i < rows; i++) {
        struct name key = name_of("s", (first + i) % l->options.keys);
        unique_word(say(a, "SET", key.text), key.text, transaction);
    }
    say(a, "EXEC", NULL);
    a->finish = finish_transaction;
}

/* Replaces what it has read, if nobody else did. */
static void watched_op(struct agent *a) {
    struct name key = any_name(a, "s");
    say(a, "WATCH", key.text);
    say(a, "GET", key.text);
    a->watches = 2;
    say(a, "MULTI", NULL);
    unique_word(say(a, "SET", key.text), key.text, 0)->watched = true;
    say(a, "EXEC", NULL);
    a->finish = finish_transaction;
}

/* ---- other ---- */

/* Reads and writes in one go: the replies must come in this order, though at a follower some are the leader's. */
static void pipeline_op(struct agent *a) {
    struct workload *l = a->load;
    uint64_t count = 2 + load_draw(l, COMMANDS_MAX - 2);
    for (uint64_t i = 0; i < count; i++) {
        struct name key = any_name(a, "s");
        struct command *c;
        switch (load_draw(l, 4)) {
        case 0: increment(a)->reply_type = ':'; break;
        case 1:
            c = say(a, "SET", key.text);
            unique_word(c, key.text, 0);
            c->reply_type = '+';
            break;
        case 2: say(a, "EXISTS", key.text)->reply_type = ':'; break;
        default: say(a, "GET", key.text)->reply_type = '$';
        }
    }
}

static void wait_op(struct agent *a) {
    struct workload *l = a->load;
    struct name key = any_name(a, "s");
    unique_word(say(a, "SET", key.text), key.text, 0);
    struct command *c = say(a, "WAIT", NULL);
    number_word(c, 1 + load_draw(l, 3));
    number_word(c, 10 + load_draw(l, 1000));
    a->finish = finish_wait;
}

static void rare_op(struct agent *a) {
    struct workload *l = a->load;
    if (load_draw(l, 4) == 0) {
        say(a, "TRUCE.VERIFY", NULL);
        a->finish = finish_verify;
        return;
    }
    if (l->options.flush_all && load_draw(l, 4) == 0)
        say(a, "FLUSHALL", NULL);
    else if (l->options.expiries || load_draw(l, 2))
        say(a, "DBSIZE", NULL)->check = CHECK_KEYS;
    else
        say(a, "KEYS", "*")->check = CHECK_KEYS;
}

void operation_draw(struct agent *a) {
    struct workload *l = a->load;
    uint64_t kind = load_draw(l, 100);
    a->finish = finish_commands;
    if (l->options.linear && load_draw(l, l->options.linear_mostly ? 10 : 2) > 0) {
        linear_draw(a);
        return;
    }
    if (l->options.policies_change && load_draw(l, 60) == 0) {
        define_op(a);
        return;
    }
    if (kind < 12)
        hash_op(a);
    else if (kind < 21)
        set_op(a);
    else if (kind < 24)
        mixed_op(a);
    else if (kind < 31)
        increment(a);
    else if (kind < 46 && !l->options.flush_all)
        group_op(a); /* FLUSHALL deletes in several steps */
    else if (kind < 52 && l->options.transactions)
        transaction_op(a);
    else if (kind < 57 && l->options.transactions)
        watched_op(a);
    else if (kind < 60)
        pipeline_op(a);
    else if (kind < 63)
        wait_op(a);
    else if (kind < 66)
        rare_op(a);
    else if (kind < 73)
        number_op(a);
    else
        string_op(a);
}

uint32_t operation_reads(const struct workload *l) { return 3 * l->options.keys + 4 * MIXED_KEYS; }

void operation_read(struct agent *a, uint32_t number) {
    static const char *const kinds[] = {"s", "h", "m"}, *const commands[] = {"GET", "HGETALL", "SMEMBERS"};
    uint32_t simple = 3 * a->load->options.keys;
    struct name key = name_of(kinds[number % 3], number / 3);
    const char *command = commands[number % 3];
    if (number >= simple) {
        number -= simple;
        command = number < MIXED_KEYS ? "GET" : commands[number % 3];
        key = name_of(number < MIXED_KEYS ? "n" : "x", number < MIXED_KEYS ? number : (number - MIXED_KEYS) / 3);
    }
    say(a, command, key.text)->check = CHECK_ROW;
    a->finish = finish_commands;
}
