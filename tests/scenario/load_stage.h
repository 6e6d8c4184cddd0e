/* A stage made by hand for the workloads' tests: two datacenters before one store that answers everything in order, and the ways in which it lies. */
#pragma once
#include "../../dc-node/scenario/load.h"

enum lie {
    LIE_NONE,
    LIE_STALE_READS,  /* the second node's GET gives what was there before */
    LIE_STALE_WRITES, /* ... and so does its SET ... GET */
    LIE_HALF_EXEC,    /* the last command of a transaction is answered, and not done */
    LIE_NO_WATCH,     /* EXEC does what it was told though a watched row has changed */
    LIE_FOREIGN,      /* GET gives what nobody wrote */
};

struct load_stage {
    struct stage base;
    struct scenario scenario;
    struct cluster *cluster;
    enum lie lie;
    uint32_t lose_every;   /* of so many requests one gets no answer, and the connection is gone; 0: never */
    uint32_t refuse_every; /* of so many writes outside of transactions one is refused */
    json_t *rows;          /* {"key": {"type", "value", "before", "version", "lost": [...]}} */
    /* private */
    uint64_t now_us, order, writes, requests;
    struct happening_of_test *happenings;
    struct client_of_test *clients;
    uint32_t clients_count;
    bool stop;
};

/* Nodes: eu-1, us-1. */
struct load_stage *load_stage_create(enum policy p);
void load_stage_destroy(struct load_stage *s);
json_t *load_stage_row(struct load_stage *s, const char *key); /* borrowed; NULL: none */
