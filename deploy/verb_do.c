/* do: one Redis command at a DC or node. */
#include "client.h"
#include "print.h"
#include "run.h"

#include <hiredis/sds.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DO_TIMEOUT_MS 60000

/* As redis-cli: types and quotes for a person at a terminal, bare text for a program. */
static bool plain(const struct run *r) { return r->args.raw || !isatty(STDOUT_FILENO); }

static int run_command(struct run *r, uint32_t node, int argc, const char **argv, const size_t *lengths) {
    struct buf text = {0};
    redisReply *reply = node_ask(r->local.cluster, node, argc, argv, lengths, DO_TIMEOUT_MS, &text);
    if (reply == NULL) {
        fail(r, EXIT_FAILED, "%s: %.*s", node_name(&r->local, node), (int)text.n, (const char *)text.p);
        buf_finish(&text);
        return EXIT_FAILED;
    }
    bool error = reply->type == REDIS_REPLY_ERROR;
    json_object_set_new(r->json, "node", json_string(node_name(&r->local, node)));
    json_object_set_new(r->json, error ? "error" : "reply", reply_as_json(reply));
    if (plain(r))
        reply_print_raw(reply, &text);
    else
        reply_print(reply, &text);
    if (!r->args.json) fwrite(text.p, 1, text.n, stdout);
    freeReplyObject(reply);
    buf_finish(&text);
    return error ? EXIT_FAILED : 0;
}

int verb_do(struct run *r) {
    if (r->args.words_count < 2) return fail(r, EXIT_USAGE, "do where and what? For example: truce do us \"SET greeting hello\"");
    int code = run_open(r, false);
    if (code != 0) return code;
    struct buf why = {0};
    int node = node_to_ask(&r->local, r->args.words[0], &why);
    if (node < 0) fail(r, EXIT_USAGE, "%.*s", (int)why.n, (const char *)why.p);
    buf_finish(&why);
    if (node < 0) return EXIT_USAGE;
    if (r->args.words_count > 2) return run_command(r, (uint32_t)node, r->args.words_count - 1, (const char **)(r->args.words + 1), NULL);

    int argc = 0;
    sds *words = sdssplitargs(r->args.words[1], &argc);
    if (words == NULL || argc == 0) {
        sdsfreesplitres(words, argc);
        return fail(r, EXIT_USAGE, words ? "the command is empty" : "unbalanced quotes in the command");
    }
    size_t *lengths = xcalloc((size_t)argc, sizeof *lengths);
    for (int i = 0; i < argc; i++) lengths[i] = sdslen(words[i]);
    code = run_command(r, (uint32_t)node, argc, (const char **)words, lengths);
    free(lengths);
    sdsfreesplitres(words, argc);
    return code;
}
