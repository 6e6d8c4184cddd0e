/* Probes: a batch is answered twice, with one thing changed, and the answers are compared. */
#include "admission.h"
#include <stdio.h>

void check_example_finish(struct check_example *e) {
    buf_finish(&e->first);
    buf_finish(&e->second);
    buf_finish(&e->why);
    *e = (struct check_example){0};
}

static void put(struct buf *to, const struct buf *from) { buf_put(to, from->p, from->n); }

/* The process did not end well: that is the finding, whatever was looked for. */
static bool ended_badly(const struct check_answers *a, enum check_condition c, struct check_example *ret) {
    if (a->end == CHECK_DONE) return false;
    *ret = (struct check_example){.at = a->at < a->n ? a->at : 0, .end = a->end, .signal = a->signal};
    snprintf(ret->how_first, sizeof ret->how_first, "%s", check_condition_words(c));
    put(&ret->why, &a->why);
    return true;
}

static bool misused(const struct check_answers *a, struct check_example *ret) {
    for (uint32_t i = 0; i < a->n; i++) {
        struct handler_answer answer;
        if (!handler_answer_decode(buf_slice_of(&a->first[i]), &answer) || answer.outcome != HANDLER_FAILED) continue;
        *ret = (struct check_example){.at = i};
        put(&ret->first, &a->first[i]);
        snprintf(ret->how_first, sizeof ret->how_first, "%s", check_condition_words(CHECK_FIRST));
        return true;
    }
    return false;
}

static void show_both(uint32_t at, const struct buf *first, const struct buf *second, enum check_condition c, struct check_example *ret) {
    *ret = (struct check_example){.at = at};
    put(&ret->first, first);
    put(&ret->second, second);
    snprintf(ret->how_first, sizeof ret->how_first, "%s", check_condition_words(CHECK_FIRST));
    snprintf(ret->how_second, sizeof ret->how_second, "%s", check_condition_words(c));
}

/* Under REPEATED the process's own answers are compared: whether another process answers otherwise is another question. */
static bool differs(const struct check_answers *a, const struct check_answers *b, enum check_condition c, struct check_example *ret) {
    for (uint32_t i = 0; i < a->n; i++) {
        if (c != CHECK_REPEATED && !slice_equal(buf_slice_of(&a->first[i]), buf_slice_of(&b->first[i]))) {
            show_both(i, &a->first[i], &b->first[i], c, ret);
            return true;
        }
        if (b->second[i].n > 0) {
            show_both(i, &b->first[i], &b->second[i], c, ret);
            return true;
        }
    }
    return false;
}

static bool leaks(const struct check_answers *b, struct check_example *ret) {
    for (uint32_t i = 0; i < b->n; i++) {
        if (b->leaked[i] == 0) continue;
        *ret = (struct check_example){.at = i, .leaked = b->leaked[i]};
        return true;
    }
    return false;
}

static bool probe_condition(const struct check_handler *h, enum check_condition c, const struct check_cases *cases, struct check_example *ret) {
    struct check_answers a, b = {0};
    check_run(h, CHECK_FIRST, cases, &a);
    bool found = ended_badly(&a, CHECK_FIRST, ret) || misused(&a, ret);
    if (!found && c != CHECK_FIRST) {
        check_run(h, c, cases, &b);
        found = ended_badly(&b, c, ret) || differs(&a, &b, c, ret) || leaks(&b, ret);
    }
    check_answers_finish(&a);
    check_answers_finish(&b);
    return found;
}

static bool probe_expect(const struct check_handler *h, const struct check_cases *cases, struct check_example *ret) {
    struct check_answers a;
    check_run(h, CHECK_FIRST, cases, &a);
    bool found = ended_badly(&a, CHECK_FIRST, ret);
    for (uint32_t i = 0; !found && i < cases->n; i++) {
        struct handler_answer answer;
        struct buf why = {0};
        if (cases->c[i].expect != NULL && handler_answer_decode(buf_slice_of(&a.first[i]), &answer) && !check_expected(&cases->c[i], &answer, &why)) {
            found = true;
            *ret = (struct check_example){.at = i, .why = why};
            put(&ret->first, &a.first[i]);
            snprintf(ret->how_first, sizeof ret->how_first, "%s", check_condition_words(CHECK_FIRST));
        } else {
            buf_finish(&why);
        }
    }
    check_answers_finish(&a);
    return found;
}

bool check_probe_run(const struct check_handler *h, struct check_probe p, const struct check_cases *cases, struct check_example *ret) {
    if (cases->n == 0) return false;
    if (p.kind == PROBE_REGROUP) return check_regroup(h, cases, ret);
    return p.kind == PROBE_EXPECT ? probe_expect(h, cases, ret) : probe_condition(h, p.condition, cases, ret);
}
