/* The steps of a captured scenario while they are composed: what has been done so far in the replay, and what stands between its datacenters. */
#pragma once
#include "../topology/sides.h"
#include "capture_steps.h"

#include <string.h>

#define APART_MS  1  /* between writes of different nodes: their stamps must differ */
#define BRINGS_MS 5  /* a write is in the other datacenters after so long, where nothing stands between */
#define CALM_MS   50 /* before a fault: what is under way arrives */
#define HELD_MS   50 /* between steps while something is held back: links that are silent for long count as cut */

struct composing {
    struct capture *c;
    const struct captured_rows *rows;
    struct command_maker *maker;
    uint64_t start_ms, now_ms; /* now: since the start, of the replay, at least */
    json_t *steps;
    size_t event;                  /* the next */
    const struct captured *before; /* the event that was the last step; NULL: something else was */
    uint64_t *done_ms;             /* by event: when it is done, of now_ms */
    char base_label[32];           /* of the last write of the base; empty: there is none */
    json_t *barriers;              /* names of tables that may refuse writes */
    bool running[NODES_MAX];
    bool inexact;

    /* Links: as they were ordered, and as they are in the replay, where what was healed stays cut until somebody needs it. By from * nodes + to. */
    bool *ordered, *cut;
    const struct incident **slow; /* those that still count */
    size_t slow_count;
    /* Between DCs, from and to. */
    size_t cut_since[DCS_MAX][DCS_MAX]; /* while they are cut: events from this one on did not come through */
    bool unsure[DCS_MAX][DCS_MAX];      /* it is not known what came since they are together again ... */
    size_t brought[DCS_MAX][DCS_MAX];   /* ... but events before this one did */
    struct held_backs held;
    size_t next_held;                    /* the next to begin */
    size_t held_from[DCS_MAX][DCS_MAX];  /* event */
    size_t held_until[DCS_MAX][DCS_MAX]; /* event + 1; 0: nothing is held back */
    bool clogged[DCS_MAX][DCS_MAX];
};

static inline const char *dc_name(const struct composing *p, uint32_t dc) { return p->c->cluster->dcs[dc].name; }
static inline bool is_verb(const struct incident *i, const char *verb) { return strcmp(i->verb, verb) == 0; }

/* A step, so long after the one before. Takes `step`. */
void put_step(struct composing *p, uint64_t after_ms, json_t *step);
/* So long until that time of the original, no less than `least`. */
uint64_t gap_until(const struct composing *p, uint64_t at_ms, uint64_t least);

/* ---- capture_links.c ---- */
bool dcs_cut(const struct composing *p, uint32_t from, uint32_t to); /* is everything cut from one DC to the other? */
/* Is all that DC `from` has made since event e kept from DC `to`, on any way? */
bool kept_apart(const struct composing *p, uint32_t from, uint32_t to, size_t e);
/* Event `known` of DC `from` has come to DC `to`: where that is not sure, links are healed and it is waited for. */
void bring(struct composing *p, uint32_t from, uint32_t to, size_t known);
/* The same for all that writers of a DC knew of another until event `end`, of what is made already; of these pairs, from and to, NULL: all. */
struct dc_pairs {
    bool is[DCS_MAX][DCS_MAX];
};
void bring_needed(struct composing *p, size_t end, const struct dc_pairs *pairs);
/* From here on it is not sure what has come to and from these DCs. */
void note_unsure(struct composing *p, const bool dcs[static DCS_MAX]);
void note_brought(struct composing *p); /* where nothing stands between, all that was made so far has come */
void begin_held(struct composing *p, size_t event);
void end_held(struct composing *p, size_t event);
void release_all(struct composing *p);
void heal_rest(struct composing *p); /* the replay's links are as they were ordered */
/* Before which event a cut took hold: before those, just before it was ordered, that nobody on the other side knows of until it is healed. */
size_t cut_position(const struct composing *p, const struct incidents *all, size_t index);
/* cut, heal, slow, clog: the index-th of all. */
void take_link_incident(struct composing *p, const struct incidents *all, size_t index);

/* ---- capture_faults.c ---- */
uint64_t incident_ms(const struct incident *i);
/* The first event after incident i; where there is none, all are before. */
size_t events_until(const struct composing *p, const struct incidents *all, size_t i);
void take_incident(struct composing *p, const struct incidents *all, size_t index);
/* What was done before the capture begins, as far as it still counts then. */
void take_earlier(struct composing *p, const struct incidents *all);
