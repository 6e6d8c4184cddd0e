/* What the files that read and draw scenarios share: which keys steps have, and how they say what is wrong. */
#pragma once
#include "places.h"
#include "scenario.h"

#define SCENARIO_TIME_MAX  YEAR_US
#define SCENARIO_DELAY_MAX (UINT64_C(3600) * 1000000) /* of a link, a disk, a client */
#define SCENARIO_SKEW_MAX  (10 * YEAR_US)
#define SCENARIO_DRIFT_MAX 500000u
#define SCENARIO_EVERY_MIN 1000u

/* ---- keys ---- */
enum value_kind {
    VALUE_PLAIN, /* nothing in it is drawn */
    VALUE_TIME,
    VALUE_OFFSET, /* a time with a sign */
    VALUE_NUMBER,
    VALUE_SHARE,
    VALUE_RATE,
    VALUE_DRIFT,
    VALUE_DC,
    VALUE_NODES,   /* names of nodes and DCs, sides too: `any` in it is drawn */
    VALUE_COMMAND, /* {1..9} in it is drawn */
};
#define STEP_FAULTS    31 /* beside enum step_verb: what is drawn, and then is no step any more */
#define STEP_VERB_NONE 30

/* The step's verb, STEP_FAULTS, or STEP_VERB_NONE where it has none, or more than one. */
int step_verb_of(const json_t *step);
/* False: steps of this verb have no such key. */
bool step_key_find(int verb, const char *key, enum value_kind *ret);
/* All keys of all verbs, some more than once; NULL: there are no more. */
const char *step_key_at(size_t i);
/* The kind of a value in the head of the file: "links", NULL, "latency"; "cluster", "journal", "days". NULL: any key. */
bool head_value_find(const char *key, const char *key2, const char *key3, enum value_kind *ret);

/* ---- what is wrong, and where ---- */
struct reading {
    const struct scenario_file *file;
    struct buf *why;
    /* The step under way; number 0: the head. */
    uint32_t number, line;
    const char *verb; /* NULL: not known */
};
void reading_step(struct reading *r, size_t index, const json_t *step);
void reading_verb(struct reading *r, const json_t *step); /* its verb alone */
void reading_head(struct reading *r);
/* Both return false. `place`: in the head keys with dots between, in a step a key, or "" for its verb's own value. */
bool wrong(const struct reading *r, const char *place, const char *expected, const json_t *got);
bool wrong_because(const struct reading *r, const char *place, const char *expected, const char *got, ...) __attribute__((format(printf, 4, 5)));

/* In words that another has found: "rate: expected ...". */
bool wrong_said(const struct reading *r, struct slice said);

/* Steps of this verb have no such key. */
bool wrong_key(const struct reading *r, int verb, const char *key);

/* ---- values: NULL leaves *ret alone ---- */
bool want_time(const struct reading *r, const char *place, const json_t *v, uint64_t min_us, uint64_t max_us, uint64_t *ret_us);
bool want_flag(const struct reading *r, const char *place, const json_t *v, bool *ret);
/* A text of 1 to 63 of a-z 0-9 _ -. */
bool want_word(const struct reading *r, const char *place, const json_t *v, const char **ret);
/* A text that is not empty. */
bool want_text(const struct reading *r, const char *place, const json_t *v, const char **ret);
/* latency, jitter, loss ... of a link: those that are there replace what is in *o. `within`: the place of the object, "" in steps. */
bool want_link(const struct reading *r, const char *within, const json_t *object, struct link_options *o);
/* Names of nodes and DCs, or `*`. */
bool want_nodes(const struct reading *r, const struct cluster *c, const char *place, const json_t *v, bool ret[static NODES_MAX]);

/* ---- parts ---- */
bool step_parse(struct reading *r, struct scenario *s, const json_t *json, struct step *ret);
/* After all steps: names that steps use of each other. */
bool steps_check_names(struct reading *r, const struct scenario *s);
bool predicate_parse(const struct reading *r, const struct scenario *s, const json_t *step, const char *text, struct predicate *ret);
bool compares_parse(const struct reading *r, const json_t *step, struct compare ret[static COMPARISONS_MAX], uint32_t *ret_count);
/* A text of words, quoted as in redis-cli, that `do` or a predicate can be. */
bool command_valid(const struct reading *r, const json_t *v);

struct prng;
/* A step that `faults` gives, and when, counted from its beginning. */
struct drawn_step {
    uint64_t at_us;
    size_t order; /* of those at one time */
    json_t *step; /* owned */
};
struct drawn_steps {
    struct drawn_step *all; /* owned */
    size_t count, cap;
};
struct drawn_nodes { /* the file's nodes, before there is a cluster */
    struct {
        const char *dc;
        uint32_t number;
        uint32_t dc_index;
    } all[NODES_MAX];
    uint32_t count, dcs_count;
    const char *dcs[DCS_MAX];
    uint32_t dc_sizes[DCS_MAX];
};
/* In order of time. False: *why. */
bool draw_faults(struct reading *r, struct prng *prng, const struct drawn_nodes *nodes, const json_t *step, struct drawn_steps *ret);
void drawn_steps_finish(struct drawn_steps *d);
/* One of A..B, or the value itself; of a VALUE_TIME. False: not of that form. */
bool draw_time(struct prng *prng, const json_t *v, uint64_t max_us, uint64_t *ret_us);
