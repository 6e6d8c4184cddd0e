/* `do`: a command at a node, its reply, and the event that it made where somebody wants to know. */
#include "play_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct doing {
    struct doing *next;
    struct play *play;
    const struct step *step;
    struct words words;   /* as it is sent; of a transaction EXEC */
    struct words *queued; /* a transaction's commands */
    uint32_t node, client;
    uint64_t ends_us; /* of its patience, of the play */
    bool open;
    struct vv before, after; /* of the node, where the step has a label */
};

static void doing_ends(struct doing *d) {
    d->open = false;
    d->play->doings_open--;
    play_wake(d->play);
}

bool play_do_open(const struct play *p, const struct step *s) {
    for (const struct doing *d = p->doings; d; d = d->next)
        if (d->step == s) return d->open;
    return false;
}

void play_do_finish(struct play *p) {
    while (p->doings) {
        struct doing *d = p->doings;
        p->doings = d->next;
        words_finish(&d->words);
        for (uint32_t i = 0; d->queued && i < d->step->transaction_count; i++) words_finish(&d->queued[i]);
        free(d->queued);
        vv_finish(&d->before);
        vv_finish(&d->after);
        free(d);
    }
}

/* ---- where ---- */

static int node_with(const struct play *p, const struct step *s, bool paused) {
    for (uint32_t i = 0; i < p->scenario->cluster->nodes_count; i++) {
        if (!s->nodes[i]) continue;
        enum stage_role r = play_role(p, i);
        if (r != ROLE_DOWN && (r == ROLE_PAUSED) == paused) return (int)i;
    }
    return -1;
}

/* A named connection stays where it is as long as it may. */
static int node_of(const struct play *p, const struct step *s) {
    for (uint32_t i = 0; s->client && i < p->clients_count; i++) {
        const struct playing_client *c = &p->clients[i];
        if (c->name && strcmp(c->name, s->client) == 0 && s->nodes[c->node] && play_role(p, c->node) != ROLE_DOWN) return (int)c->node;
    }
    for (uint32_t i = 0; s->at_leader && i < p->scenario->cluster->nodes_count; i++) {
        if (!s->nodes[i]) continue;
        int leader = play_leader(p, p->scenario->cluster->nodes[i].dc);
        if (leader >= 0) return leader;
        break;
    }
    int node = node_with(p, s, false);
    return node >= 0 ? node : node_with(p, s, true);
}

static uint32_t client_of(struct play *p, const char *name, uint32_t node) {
    for (uint32_t i = 0; i < p->clients_count; i++) {
        const struct playing_client *c = &p->clients[i];
        if (c->node == node && (name ? c->name && strcmp(c->name, name) == 0 : !c->name)) return c->client;
    }
    if (p->clients_count == p->clients_cap) {
        p->clients_cap = p->clients_cap ? p->clients_cap * 2 : 16;
        p->clients = xrealloc(p->clients, p->clients_cap * sizeof *p->clients);
    }
    p->clients[p->clients_count] = (struct playing_client){name, node, p->stage->ops->client(p->stage, node)};
    return p->clients[p->clients_count++].client;
}

/* ---- labels: which event it was ---- */

static const struct vv *find_label(const struct play *p, const char *name) {
    const json_t *index = json_object_get(p->label_names, name);
    return index ? &p->labels[json_integer_value(index)] : NULL;
}

static void join_known(struct play *p, const struct step *s, struct vv *context) {
    for (uint32_t i = 0; i < s->knows_count; i++) {
        const struct vv *l = find_label(p, s->knows[i]);
        if (l) vv_join(context, l);
    }
}

static void keep_label(struct doing *d, struct dot dot) {
    struct play *p = d->play;
    struct vv context = {0};
    if (d->step->knows_given)
        join_known(p, d->step, &context);
    else
        vv_copy(&context, &d->before);
    if (dot.n) vv_raise(&context, dot.origin, dot.n);
    if (p->labels_count == p->labels_cap) {
        p->labels_cap = p->labels_cap ? p->labels_cap * 2 : 16;
        p->labels = xrealloc(p->labels, p->labels_cap * sizeof *p->labels);
    }
    json_object_set_new(p->label_names, d->step->label, json_integer(p->labels_count));
    p->labels[p->labels_count++] = context;
}

static bool is_new(const struct doing *d, struct dot dot) {
    const struct cluster *c = d->play->scenario->cluster;
    return strcmp(origins_get(d->play->origins, dot.origin)->dc, c->dcs[c->nodes[d->node].dc].name) == 0 && !vv_covers(&d->before, dot) &&
           vv_covers(&d->after, dot);
}

/* How many events of the DC came between; *ret is the last. */
static uint64_t new_events(const struct doing *d, struct dot *ret) {
    uint64_t count = 0;
    for (origin_ref o = 0; o < origins_count(d->play->origins); o++) {
        struct dot last = {o, vv_get(&d->after, o)};
        if (last.n == 0 || !is_new(d, last)) continue;
        count += last.n - vv_get(&d->before, o);
        *ret = last;
    }
    return count;
}

/* Of the dots that stand in what is known of the row, the latest that has come between. */
static void find_new_dot(const struct doing *d, const json_t *j, struct dot *ret) {
    struct dot dot;
    size_t i;
    const char *key;
    json_t *part, *all = (json_t *)(uintptr_t)j;
    json_array_foreach(all, i, part) find_new_dot(d, part, ret);
    json_object_foreach(all, key, part) {
        if (strcmp(key, "dot") != 0 || !json_is_string(part))
            find_new_dot(d, part, ret);
        else if (dot_parse(slice_text(json_string_value(part)), d->play->origins, &dot) && is_new(d, dot) && dot.n >= ret->n)
            *ret = dot;
    }
}

static void explained(void *arg, uint32_t number, struct slice resp) {
    struct doing *d = arg;
    struct dot dot = {0}, last = {0};
    json_t *reply = reply_json(resp, NULL, 0, NULL);
    json_t *row = json_is_string(reply) ? json_loads(json_string_value(reply), 0, NULL) : NULL;
    find_new_dot(d, row, &dot);
    new_events(d, &last);
    keep_label(d, dot.n ? dot : last);
    json_decref(row);
    json_decref(reply);
    doing_ends(d);
}

static void ask_on_the_side(struct doing *d, const char *const *words, uint32_t count, ask_done *done) {
    struct slice argv[4];
    for (uint32_t i = 0; i < count; i++) argv[i] = slice_text(words[i]);
    asks_send(&d->play->asks, play_ask_client(d->play, d->node), argv, count, ASK_PATIENCE_US, done, d, 0);
}

static bool take_token(struct doing *d, struct slice resp, struct vv *ret) {
    json_t *reply = reply_json(resp, NULL, 0, NULL);
    bool taken = json_is_string(reply) && vv_parse(slice_text(json_string_value(reply)), d->play->origins, ret);
    if (!taken)
        play_note(d->play, d->step, "%s does not tell what it has: the label %s stays unknown", play_node_name(d->play, d->node), d->step->label);
    json_decref(reply);
    return taken;
}

static void told_after(void *arg, uint32_t number, struct slice resp) {
    struct doing *d = arg;
    struct dot dot = {0};
    uint64_t count = take_token(d, resp, &d->after) ? new_events(d, &dot) : 0;
    if (count == 0 && d->after.len)
        play_note(d->play, d->step, "it made no event: the label %s %s", d->step->label,
                  d->step->knows_given ? "stands for what it knew" : "stays unknown");
    const struct words *command = d->queued ? &d->queued[0] : &d->words;
    uint32_t key = d->step->knows_given ? 3 : 1;
    if (count > 1 && key < command->argc) { /* others write too */
        struct slice argv[] = {slice_text("TRUCE.EXPLAIN"), command->argv[key], slice_text("JSON")};
        asks_send(&d->play->asks, play_ask_client(d->play, d->node), argv, 3, ASK_PATIENCE_US, explained, d, 0);
        return;
    }
    if (count || d->step->knows_given) keep_label(d, dot); /* what made no event hands on what it would have known */
    doing_ends(d);
}

/* ---- the reply ---- */

static void hold_against(struct doing *d, const struct finding *f) {
    const struct compare *failed;
    const struct step *s = d->step;
    if (s->compare_count == 0 || compare_all(s->compare, s->compare_count, f, &failed)) return;
    struct buf is = {0}, wanted = {0};
    finding_format(f, &is);
    compare_format(failed, &wanted);
    play_fail(d->play, VERDICT_EXPECTATION, s, "%s gave %.*s at %s, expected %.*s", s->transaction ? "the transaction" : s->command, (int)is.n,
              (const char *)is.p, play_node_name(d->play, d->node), (int)wanted.n, (const char *)wanted.p);
    buf_finish(&is);
    buf_finish(&wanted);
}

static void tell_reply(struct doing *d, struct slice resp) {
    struct buf line = {0};
    reply_line(resp, &line);
    record_printf(d->play->stage->record, play_moment(d->play, MOMENT_REPLY, d->step, (int)d->node), "%.*s", (int)line.n, (const char *)line.p);
    buf_finish(&line);
}

static void put_reply(struct play *p, const struct step *s, json_t *reply) {
    char number[16];
    snprintf(number, sizeof number, "%u", s->number);
    json_object_set(p->outcome->replies, number, reply);
    if (s->save && !reply_error_text(reply)) json_object_set(p->saved, s->save, reply);
}

static void send_command(struct doing *d);

static void send_again(void *arg, uint64_t number) { send_command(arg); }

/* What it is to know has not come to this node: "try again", it says. */
static bool tries_again(struct doing *d, const json_t *reply) {
    struct play *p = d->play;
    const char *error = reply_error_text(d->queued && json_is_array(reply) ? json_array_get(reply, 0) : reply);
    if (!d->step->knows_given || !error || strncmp(error, "BEHIND", 6) != 0 || play_now(p) + RETRY_US >= d->ends_us) return false;
    p->stage->ops->at(p->stage, p->stage->ops->now_us(p->stage) + RETRY_US, send_again, d, 0);
    return true;
}

/* What the command itself says, without the context around it. */
static struct finding finding_of(const struct doing *d, struct slice resp) {
    uint32_t own = d->step->knows_given ? 2 : 0;
    struct finding f = {0};
    if (!d->queued) {
        f.value = reply_json(resp, d->words.argv + own, d->words.argc - own, &f.unordered);
        return f;
    }
    f.value = reply_json(resp, NULL, 0, NULL);
    for (uint32_t i = 0; i < d->step->transaction_count && i < json_array_size(f.value); i++) {
        const struct words *w = &d->queued[i];
        json_array_set_new(f.value, i, reply_of_command(json_incref(json_array_get(f.value, i)), w->argv + own, w->argc - own));
    }
    return f;
}

static void replied(void *arg, uint32_t number, struct slice resp) {
    struct doing *d = arg;
    struct finding f = finding_of(d, resp);
    if (!tries_again(d, f.value)) {
        tell_reply(d, resp);
        put_reply(d->play, d->step, f.value);
        hold_against(d, &f);
        if (d->step->label && !reply_error_text(f.value)) {
            ask_on_the_side(d, (const char *const[]){"TRUCE.TOKEN"}, 1, told_after);
        } else {
            if (d->step->label && d->step->knows_given) keep_label(d, (struct dot){0});
            doing_ends(d);
        }
    }
    finding_finish(&f);
}

/* ---- the request ---- */

static uint64_t patience_of(const struct doing *d) {
    uint64_t now = play_now(d->play);
    return now < d->ends_us ? d->ends_us - now : 0;
}

static void queued(void *arg, uint32_t number, struct slice resp) {} /* EXEC says if it was not */

static void send_command(struct doing *d) {
    struct asks *a = &d->play->asks;
    struct slice multi = slice_text("MULTI");
    if (d->queued) asks_send(a, d->client, &multi, 1, patience_of(d), queued, d, 0);
    for (uint32_t i = 0; d->queued && i < d->step->transaction_count; i++)
        asks_send(a, d->client, d->queued[i].argv, d->queued[i].argc, patience_of(d), queued, d, i);
    asks_send(a, d->client, d->words.argv, d->words.argc, patience_of(d), replied, d, 0);
}

static void told_before(void *arg, uint32_t number, struct slice resp) {
    struct doing *d = arg;
    take_token(d, resp, &d->before);
    send_command(d);
}

/* Waits for those that are under way. What made no event is left out. */
static void wait_for_known(struct play *p, const struct step *s) {
    for (uint32_t i = 0; i < s->knows_count; i++) {
        for (const struct doing *d = p->doings; d && p->doings_open && !p->over; d = d->next)
            while (d->open && d->step->label && strcmp(d->step->label, s->knows[i]) == 0 && play_run(p, play_now(p) + RETRY_US)) continue;
        if (!p->over && !find_label(p, s->knows[i])) play_note(p, s, "%s made no event that is known: the context is without it", s->knows[i]);
    }
}

static void put_context(struct doing *d) {
    struct vv context = {0};
    struct buf text = {0};
    join_known(d->play, d->step, &context);
    vv_format(&context, d->play->origins, &text);
    struct slice with[] = {slice_text("TRUCE.WITH"), buf_slice_of(&text)};
    if (!d->queued) words_prepend(&d->words, with, 2);
    for (uint32_t i = 0; d->queued && i < d->step->transaction_count; i++) words_prepend(&d->queued[i], with, 2);
    vv_finish(&context);
    buf_finish(&text);
}

static bool find_words(struct doing *d, const char *command, struct words *ret) {
    struct play *p = d->play;
    struct buf why = {0};
    bool found = words_split(command, ret, &why) && words_expand(ret, p->names, p->saved, &why);
    if (!found) play_fail(p, VERDICT_EXPECTATION, d->step, "%s: %.*s", command, (int)why.n, (const char *)why.p);
    buf_finish(&why);
    return found;
}

/* False: it cannot be sent, the play says why. */
static bool find_command(struct doing *d) {
    const struct step *s = d->step;
    bool found = true;
    if (s->transaction) {
        d->queued = xcalloc(s->transaction_count, sizeof *d->queued);
        words_prepend(&d->words, (const struct slice[]){slice_text("EXEC")}, 1);
        for (uint32_t i = 0; i < s->transaction_count && found; i++) found = find_words(d, s->transaction[i], &d->queued[i]);
    } else {
        found = find_words(d, s->command, &d->words);
    }
    if (found && s->knows_given) put_context(d);
    return found;
}

static void no_node(struct play *p, const struct step *s) {
    struct doing d = {.play = p, .step = s};
    struct finding f = {.value = reply_error_json(NO_ANSWER)};
    while (d.node + 1 < p->scenario->cluster->nodes_count && !s->nodes[d.node]) d.node++; /* the first that was meant */
    tell_reply(&d, SLICE(NULL, 0));
    put_reply(p, s, f.value);
    hold_against(&d, &f);
    finding_finish(&f);
}

void play_do(struct play *p, const struct step *s) {
    if (s->knows_given) wait_for_known(p, s);
    int node = p->over ? -1 : node_of(p, s);
    if (p->over) return;
    if (node < 0) {
        no_node(p, s);
        return;
    }
    struct doing *d = xcalloc(1, sizeof *d);
    *d = (struct doing){.next = p->doings, .play = p, .step = s, .node = (uint32_t)node, .open = true};
    d->client = client_of(p, s->client, d->node);
    d->ends_us = play_now(p) + (s->length_us ? s->length_us : PATIENCE_US);
    p->doings = d;
    p->doings_open++;
    if (!find_command(d))
        doing_ends(d);
    else if (s->label)
        ask_on_the_side(d, (const char *const[]){"TRUCE.TOKEN"}, 1, told_before);
    else
        send_command(d);
}
