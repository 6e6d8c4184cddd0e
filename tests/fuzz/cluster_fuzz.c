/* The input is a cluster file. */
#include "../../schemas/cluster.h"
#include "fuzz.h"
#include <string.h>

static void check_table(const struct cluster_table *t) {
    struct buf text = {0}, why = {0};
    enum policy p;
    struct handler_chain chain;
    policy_format(t->policy, &t->chain, &text);
    EXPECT(policy_parse(buf_slice_of(&text), &p, &chain, &why) && p == t->policy && chain.count == t->chain.count, "the same policy again");
    for (uint32_t i = 0; i < chain.count; i++) EXPECT(strcmp(chain.names[i], t->chain.names[i]) == 0, "the same handlers again");
    if (t->settings != NULL) {
        char *again = NULL;
        EXPECT(t->policy == POLICY_HANDLER, "settings for handlers only");
        EXPECT(settings_parse(slice_text(t->settings), &again, &why) && strcmp(again, t->settings) == 0, "the same settings again");
        free(again);
    }
    buf_finish(&text);
    buf_finish(&why);
}

static void check_taken(const struct cluster *c) {
    EXPECT(name_allowed(slice_text(c->name)), "an allowed name");
    EXPECT(c->dcs_count >= 1 && c->dcs_count <= DCS_MAX && c->nodes_count >= c->dcs_count && c->nodes_count <= NODES_MAX, "counts in their limits");
    for (uint32_t i = 0; i < c->nodes_count; i++) {
        const struct cluster_node *n = &c->nodes[i];
        EXPECT(cluster_find(c, slice_text(n->name)) == (int)i, "that a node is found by its name");
        EXPECT(n->client_port != 0 && n->peer_port != 0 && n->client_host[0] != '\0' && n->peer_host[0] != '\0', "endpoints");
    }
    check_table(&c->rest);
    for (uint32_t i = 0; i < c->tables_count; i++) check_table(&c->tables[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct cluster c;
    struct buf why = {0};
    if (cluster_parse("file", SLICE(data, size), &c, &why)) {
        check_taken(&c);
        cluster_finish(&c);
    } else {
        EXPECT(why.n > 6 && memcmp(why.p, "file:", 5) == 0, "a reason that begins with the file");
        EXPECT(memchr(why.p, '\n', why.n) == NULL, "one line");
    }
    buf_finish(&why);
    return 0;
}
