#include "replay_step.h"
#include "../schemas/units.h"
#include "print.h"
#include "replay_print.h"

#include <ctype.h>
#include <hiredis/sds.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_US UINT64_C(10000000) /* of the cluster's time, for one answer */
#define LOOK_US     UINT64_C(100000)
#define KEYS_SHOWN  "1000"

static const char help[] = "  Enter             the next step\n"
                           "  run [N]           N steps, or all of them\n"
                           "  until 5s          all steps before that time\n"
                           "  us-1> GET a       a command at a node, or at a datacenter's first node that runs\n"
                           "  rows              every row, as readers see it\n"
                           "  status            how the nodes stand\n"
                           "  conflicts         the open conflicts\n"
                           "  quit              ends it here\n";

/* ---- asking a node ---- */
struct asked {
    struct stage *stage;
    struct buf resp;
    bool done;
};

static void answered(void *arg, const struct stage_reply *r) {
    struct asked *a = arg;
    buf_put(&a->resp, r->resp.p, r->resp.n);
    a->done = true;
    a->stage->ops->stop(a->stage);
}

static redisReply *read_reply(const struct buf *resp) {
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    if (resp->n > 0) {
        redisReaderFeed(reader, (const char *)resp->p, resp->n);
        redisReaderGetReply(reader, &reply);
    }
    redisReaderFree(reader);
    return reply;
}

/* NULL: no answer. freeReplyObject it. */
static redisReply *ask(struct stage *stage, uint32_t node, const struct slice *argv, uint32_t argc) {
    struct asked a = {.stage = stage};
    uint32_t client = stage->ops->client(stage, node);
    uint64_t until = stage->ops->now_us(stage) + PATIENCE_US;
    stage->ops->request(stage, client, argv, argc, answered, &a);
    while (!a.done && stage->ops->now_us(stage) < until && stage->ops->run(stage, until)) continue;
    if (!a.done) stage->ops->hang_up(stage, client);
    for (int i = 0; !a.done && i < 100; i++) stage->ops->run(stage, stage->ops->now_us(stage) + LOOK_US);
    redisReply *reply = read_reply(&a.resp);
    buf_finish(&a.resp);
    return reply;
}

static redisReply *ask_words(struct stage *stage, uint32_t node, const char *const *words, uint32_t count) {
    struct slice argv[8];
    for (uint32_t i = 0; i < count; i++) argv[i] = slice_text(words[i]);
    return ask(stage, node, argv, count);
}

static bool runs(struct stage *stage, uint32_t node) {
    struct stage_view v = {0};
    stage->ops->look(stage, node, &v);
    return v.role != ROLE_DOWN && v.role != ROLE_PAUSED;
}

/* A node by name, or a datacenter's first that runs; -1: there is none. */
static int find_node(const struct walk *w, struct stage *stage, const char *name, size_t n) {
    const struct cluster *c = w->scenario->cluster;
    int node = cluster_find(c, SLICE(name, n)), dc = cluster_find_dc(c, SLICE(name, n));
    if (node >= 0 || dc < 0) return node;
    for (uint32_t i = 0; i < c->nodes_count; i++)
        if (cluster_member_of(c, i, (uint32_t)dc) && runs(stage, i)) return (int)i;
    return -1;
}

static int any_node(const struct walk *w, struct stage *stage) {
    for (uint32_t i = 0; i < w->scenario->cluster->nodes_count; i++)
        if (runs(stage, i)) return (int)i;
    return -1;
}

/* ---- commands ---- */
static void show(const struct walk *w, struct buf *text) {
    show_text(w->out, text);
    buf_finish(text);
}

/* Takes the reply; NULL: none came. */
static void show_reply(const struct walk *w, redisReply *reply) {
    struct buf text = {0};
    if (reply != NULL)
        reply_print(reply, &text);
    else
        buf_text(&text, "(no answer)\n");
    show(w, &text);
    if (reply != NULL) freeReplyObject(reply);
}

static void at_node(const struct walk *w, struct stage *stage, const char *line) {
    size_t n = strcspn(line, "> ");
    int node = find_node(w, stage, line, n), argc = 0;
    const char *command = line + n + strspn(line + n, "> ");
    sds *words = node >= 0 ? sdssplitargs(command, &argc) : NULL;
    if (node < 0) {
        fprintf(w->out, "what is \"%.*s\"? Neither a command (help) nor a node or datacenter that runs\n", (int)n, line);
    } else if (words == NULL || argc == 0) {
        fprintf(w->out, "%.*s: expected a command, such as %.*s> GET a\n", (int)n, line, (int)n, line);
    } else {
        struct slice *argv = xcalloc((size_t)argc, sizeof *argv);
        for (int i = 0; i < argc; i++) argv[i] = SLICE(words[i], sdslen(words[i]));
        redisReply *reply = ask(stage, (uint32_t)node, argv, (uint32_t)argc);
        show_reply(w, reply);
        free(argv);
    }
    if (words != NULL) sdsfreesplitres(words, argc);
}

static void row_cells(struct stage *stage, uint32_t node, const char *key, struct table *t) {
    redisReply *reply = ask_words(stage, node, (const char *[]){"TRUCE.EXPLAIN", key, "JSON"}, 3);
    json_t *row = reply != NULL && reply->str != NULL ? json_loadb(reply->str, reply->len, 0, NULL) : NULL;
    struct buf value = {0};
    print_value(json_object_get(row, "reads"), &value);
    table_cell(t, "  %s", key);
    table_cell(t, "%.*s", (int)(value.n < 60 ? value.n : 60), (const char *)value.p);
    table_cell(t, "%zu", json_array_size(json_object_get(row, "lost")));
    table_cell(t, "%s", json_is_true(json_object_get(row, "conflict")) ? "in conflict" : "");
    buf_finish(&value);
    json_decref(row);
    if (reply != NULL) freeReplyObject(reply);
}

static int by_text(const void *a, const void *b) { return strcmp((*(redisReply *const *)a)->str, (*(redisReply *const *)b)->str); }

static void show_rows(const struct walk *w, struct stage *stage) {
    const struct cluster *c = w->scenario->cluster;
    for (uint32_t dc = 0; dc < c->dcs_count; dc++) {
        int node = find_node(w, stage, c->dcs[dc].name, strlen(c->dcs[dc].name));
        redisReply *reply = node >= 0 ? ask_words(stage, (uint32_t)node, (const char *[]){"SCAN", "0", "COUNT", KEYS_SHOWN}, 4) : NULL;
        struct table t = {.columns = 4};
        struct buf text = {0};
        bool good = reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply->element[1]->type == REDIS_REPLY_ARRAY;
        redisReply *keys = good ? reply->element[1] : NULL;
        fprintf(w->out, "%s: %s\n", node >= 0 ? c->nodes[node].name : c->dcs[dc].name, node < 0 ? "no node runs" : good ? "" : "no answer");
        if (good && keys->elements > 0) qsort(keys->element, keys->elements, sizeof *keys->element, by_text);
        static const char *const heads[] = {"  ROW", "VALUE", "LOSERS", ""};
        for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) table_cell(&t, "%s", heads[i]);
        for (size_t i = 0; good && i < keys->elements; i++) row_cells(stage, (uint32_t)node, keys->element[i]->str, &t);
        if (good) table_print(&t, &text);
        show(w, &text);
        table_finish(&t);
        if (reply != NULL) freeReplyObject(reply);
    }
}

static void view_cells(const struct cluster *c, uint32_t node, const struct stage_view *v, struct table *t) {
    struct buf lag = {0};
    for (uint32_t dc = 0; dc < c->dcs_count; dc++) {
        if (v->backlog[dc] == 0) continue;
        buf_printf(&lag, "%s%llu of %s since ", lag.n > 0 ? ", " : "", (unsigned long long)v->backlog[dc], c->dcs[dc].name);
        print_time(v->lag_us[dc], &lag);
    }
    table_cell(t, "  %s", c->nodes[node].name);
    table_cell(t, "%s", stage_role_name(v->role));
    char events[32] = "", digest[32] = "", open[32] = "";
    if (v->role != ROLE_DOWN && v->role != ROLE_PAUSED) {
        snprintf(events, sizeof events, "%08llx", (unsigned long long)(v->vv_hash >> 32));
        snprintf(digest, sizeof digest, "%08llx", (unsigned long long)(v->digest >> 32));
        snprintf(open, sizeof open, "%llu", (unsigned long long)v->conflicts_open);
    }
    table_cell(t, "%s", events), table_cell(t, "%s", digest), table_cell(t, "%s", open);
    table_cell(t, "%.*s", (int)lag.n, lag.n > 0 ? (const char *)lag.p : "");
    buf_finish(&lag);
}

static void show_status(const struct walk *w, struct stage *stage) {
    static const char *const heads[] = {"  NODE", "ROLE", "EVENTS", "DIGEST", "CONFLICTS", "WAITS FOR"};
    struct table t = {.columns = sizeof heads / sizeof heads[0]};
    struct buf text = {0};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) table_cell(&t, "%s", heads[i]);
    for (uint32_t i = 0; i < w->scenario->cluster->nodes_count; i++) {
        struct stage_view v = {0};
        stage->ops->look(stage, i, &v);
        view_cells(w->scenario->cluster, i, &v, &t);
    }
    table_print(&t, &text);
    show(w, &text);
    table_finish(&t);
}

static void show_conflicts(const struct walk *w, struct stage *stage) {
    int node = any_node(w, stage);
    redisReply *reply = node >= 0 ? ask_words(stage, (uint32_t)node, (const char *[]){"TRUCE.CONFLICTS", "LIST"}, 2) : NULL;
    show_reply(w, reply);
}

/* ---- the walk ---- */
enum next { NEXT_ASK, NEXT_GO, NEXT_QUIT };

static bool is_command(const char *line, const char *name, const char **ret_rest) {
    size_t n = strlen(name);
    *ret_rest = line + n + strspn(line + n, " ");
    return strncmp(line, name, n) == 0 && (line[n] == '\0' || line[n] == ' ');
}

static enum next run_steps(struct walk *w, const char *count) {
    uint64_t n = UINT64_MAX;
    if (*count != '\0' && !parse_count(count, 1, SCENARIO_STEPS_MAX, &n)) {
        fprintf(w->out, "run: expected a number of steps, got \"%s\"\n", count);
        return NEXT_ASK;
    }
    w->skip = n == UINT64_MAX ? n : n - 1;
    return NEXT_GO;
}

static enum next take_line(struct walk *w, struct stage *stage, const char *line) {
    const char *rest;
    if (*line == '\0') return NEXT_GO;
    if (is_command(line, "quit", &rest) || is_command(line, "q", &rest)) return NEXT_QUIT;
    if (is_command(line, "run", &rest)) return run_steps(w, rest);
    if (is_command(line, "until", &rest)) {
        if (parse_time(rest, YEAR_US, &w->until_us)) return NEXT_GO;
        fprintf(w->out, "until: expected a time such as 5s, got \"%s\"\n", rest);
    } else if (is_command(line, "rows", &rest)) {
        show_rows(w, stage);
    } else if (is_command(line, "status", &rest)) {
        show_status(w, stage);
    } else if (is_command(line, "conflicts", &rest)) {
        show_conflicts(w, stage);
    } else if (is_command(line, "help", &rest)) {
        fputs(help, w->out);
    } else {
        at_node(w, stage, line);
    }
    return NEXT_ASK;
}

static bool read_line(struct walk *w) {
    if (w->terminal) fputs("> ", w->out);
    fflush(w->out);
    if (fgets(w->last, sizeof w->last, w->in) == NULL) return false;
    size_t n = strlen(w->last);
    while (n > 0 && isspace((unsigned char)w->last[n - 1])) w->last[--n] = '\0';
    return true;
}

static uint64_t play_time(struct stage *stage) {
    uint64_t now = stage->ops->now_us(stage), zero = stage->record != NULL ? stage->record->zero_us : 0;
    return now > zero ? now - zero : 0;
}

static void announce(const struct walk *w, struct stage *stage, const struct step *step) {
    struct buf b = {0};
    json_t *shown = json_copy((json_t *)(uintptr_t)step->json);
    json_object_del(shown, "place"); /* where it stands in the file */
    char *text = json_dumps(shown, JSON_COMPACT);
    print_time(play_time(stage), &b);
    fprintf(w->out, "-- next, at %.*s: step %u of %u: %s\n", (int)b.n, (const char *)b.p, step->number, w->scenario->steps_count,
            text != NULL ? text : step_verb_name(step->verb));
    buf_finish(&b);
    json_decref(shown);
    free(text);
}

bool walk_before_step(void *arg, struct stage *stage, const struct step *step) {
    struct walk *w = arg;
    if (w->skip > 0) {
        if (w->skip != UINT64_MAX) w->skip--;
        return true;
    }
    if (play_time(stage) < w->until_us) return true;
    announce(w, stage, step);
    for (enum next next = NEXT_ASK; next == NEXT_ASK;) {
        if (!read_line(w)) {
            w->skip = UINT64_MAX;
            return true;
        }
        next = take_line(w, stage, w->last);
        if (next == NEXT_QUIT) return false;
    }
    return true;
}
