#include "asks.h"

#include <stdlib.h>

struct ask {
    struct asks *asks; /* NULL: nobody wants to know any more */
    struct ask *next;
    uint64_t serial; /* timers know it by that: it may be gone when they ring */
    uint32_t client, number;
    ask_done *done;
    void *arg;
};

static void answered(void *arg, const struct stage_reply *r) {
    struct ask *k = arg;
    if (k->asks) {
        struct ask **at = &k->asks->first;
        while (*at != k) at = &(*at)->next;
        *at = k->next;
        k->done(k->arg, k->number, r->resp);
    }
    free(k);
}

static void out_of_patience(void *arg, uint64_t serial) {
    struct asks *a = arg;
    for (struct ask *k = a->first; k; k = k->next) {
        if (k->serial != serial) continue;
        a->stage->ops->hang_up(a->stage, k->client);
        return;
    }
}

void asks_send(struct asks *a, uint32_t client, const struct slice *argv, uint32_t argc, uint64_t patience_us, ask_done *done, void *arg,
               uint32_t number) {
    struct stage *s = a->stage;
    struct ask *k = xcalloc(1, sizeof *k);
    *k = (struct ask){.asks = a, .next = a->first, .serial = ++a->serial, .client = client, .number = number, .done = done, .arg = arg};
    a->first = k;
    s->ops->at(s, s->ops->now_us(s) + patience_us, out_of_patience, a, k->serial);
    s->ops->request(s, client, argv, argc, answered, k);
}

void asks_drain(struct asks *a) {
    for (unsigned tries = 0; a->first && tries < 100; tries++) {
        a->stage->ops->hang_up(a->stage, a->first->client);
        if (a->first && !a->stage->ops->run(a->stage, a->stage->ops->now_us(a->stage) + 1000)) return;
    }
}

void asks_finish(struct asks *a) {
    for (struct ask *k = a->first; k; k = k->next) k->asks = NULL;
    a->first = NULL;
}
