/* Prints the status of nodes in every state that it has words for, one JSON text a line; engine_status_test.py holds them against the schema. */
#include "../../dc-node/sim/world.h"
#include <stdlib.h>

#define NODE(c, p) "{\"client\":\"h:" #c "\",\"peer\":\"h:" #p "\"}"

static void print_all(struct world *w, const struct cluster *c) {
    for (uint32_t i = 0; i < c->nodes_count; i++) {
        struct buf text = {0};
        if (!world_engine(w, i)) continue;
        engine_status(world_engine(w, i), &text);
        printf("%.*s\n", (int)text.n, (const char *)text.p);
        buf_finish(&text);
    }
}

static void between(struct world *w, uint32_t a, uint32_t b, void (*verb)(struct world *, uint32_t, uint32_t)) {
    verb(w, a, b);
    verb(w, b, a);
}

int main(void) {
    static struct cluster c;
    struct buf why = {0};
    bool good = cluster_parse("t",
                              slice_text("{\"cluster\":\"t\",\"memory_mb\":16,\"datacenters\":{\"ap\":{\"nodes\":{\"1\":" NODE(
                                  1, 2) "}},"
                                        "\"eu\":{\"nodes\":{\"1\":" NODE(3, 4) "}},\"us\":{\"nodes\":{\"1\":" NODE(5, 6) ",\"2\":" NODE(7, 8) "}}}}"),
                              &c, &why);
    if (!good) return 1;
    struct world_options o = world_calm(&c, 1);
    struct world *w = world_create(&o, NULL);
    for (uint32_t i = 0; i < c.nodes_count; i++) world_start(w, i);
    print_all(w, &c); /* nobody is known yet */
    world_run(w, 1000000);
    uint32_t ap = world_client(w, 0), us = world_client(w, 3);
    world_do(w, us, "SET a 1", NULL);
    world_run(w, 2000000);
    print_all(w, &c);
    between(w, 0, 1, world_cut);
    world_do(w, ap, "SET a ap", NULL);
    world_do(w, us, "SET a us", NULL);
    world_run(w, 3500000);
    print_all(w, &c); /* cut, seen by silence */
    world_run(w, 9000000);
    print_all(w, &c); /* no connection; relayed */
    world_skew(w, 0, 3600 * 1000, 0, false);
    between(w, 2, 3, world_clog);
    for (int i = 0; i < 2000; i++) world_do(w, ap, "INCR n", NULL);
    world_run(w, 10000000);
    print_all(w, &c); /* behind, a clock that is off */
    world_heal_all(w);
    world_kill(w, 1, CRASH_MACHINE);
    world_run(w, 12000000);
    print_all(w, &c);
    world_start(w, 1);
    world_run(w, 20000000);
    print_all(w, &c);
    world_destroy(w);
    return 0;
}
