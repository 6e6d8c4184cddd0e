/* The options of a workload step, read. */
#pragma once
#include "load.h"

#include <assert.h>

#define LOAD_KEYS_MAX     1000000u
#define LOAD_ACCOUNTS_MAX 60u /* so many rows are read in one transaction */
#define LOAD_PREFIX_MAX   64u

enum key_distribution {
    KEYS_UNIFORM,
    KEYS_ZIPF,     /* the n-th key is drawn 1/n as often as the first */
    KEYS_HOT,      /* nine of ten operations on one key in ten */
    KEYS_SEQUENCE, /* one after the other */
};

struct load_options {
    enum load_kind kind;
    enum key_distribution distribution;
    uint32_t clients; /* 0: two at each node */
    uint32_t rate;    /* 0: as fast as answers come */
    uint32_t keys, bytes, moves, ack;
    bool loses;
    const char *prefix; /* borrowed of the step */
};
/* Of a step that load_options_valid() has passed. */
struct load_options load_options_of(const json_t *step);
