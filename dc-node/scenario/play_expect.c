/* `expect`, which is tried again until its time is over, and `never`, which is looked at beside the steps. */
#include "predicate.h"

#include "../../schemas/units.h"

#include <stdlib.h>
#include <string.h>

/* ---- expect ---- */

static void wake(void *arg, struct inquiry *q) { play_wake(q->play); }

static void drop(void *arg, struct inquiry *q) { inquiry_destroy(q); }

/* Asks, and waits. NULL: the play is over. */
static struct inquiry *inquire(struct play *p, const struct predicate *pred) {
    struct inquiry *q = inquiry_begin(p, pred, true, wake, NULL);
    while (q->pending && !p->over) play_run(p, play_now(p) + ASK_PATIENCE_US);
    if (!p->over) return q;
    q->done = drop; /* it ends when all that is under way is hung up */
    if (!q->pending) inquiry_destroy(q);
    return NULL;
}

void play_expect(struct play *p, const struct step *s) {
    uint64_t limit = play_now(p) + s->length_us;
    struct buf text = {0};
    bool holds = false;
    while (!p->over && !holds) {
        bool last = play_now(p) >= limit;
        struct inquiry *q = inquire(p, &s->predicate);
        if (!q) break;
        buf_clear(&text);
        holds = inquiry_holds(q, &text);
        inquiry_destroy(q);
        if (holds || last) break;
        uint64_t next = play_now(p) + RETRY_US;
        play_sleep(p, next < limit ? next : limit);
    }
    if (holds)
        record_printf(p->stage->record, play_moment(p, MOMENT_HOLDS, s, -1), "%.*s", (int)text.n, (const char *)text.p);
    else if (!p->over)
        play_fail(p, VERDICT_EXPECTATION, s, "%.*s", (int)text.n, (const char *)text.p);
    buf_finish(&text);
}

/* ---- never ---- */

struct never {
    struct never *next;
    struct play *play;
    const struct step *step;
    struct inquiry *inquiry; /* under way */
};

static void look(void *arg, uint64_t number);

static void judge(void *arg, struct inquiry *q) {
    struct never *n = arg;
    struct play *p = n->play;
    struct buf text = {0};
    n->inquiry = NULL;
    if (p->looking && !p->over && play_now(p) <= n->step->until_us && inquiry_holds_somewhere(q, &text)) {
        struct buf time = {0};
        format_time(play_now(p), &time);
        play_fail(p, VERDICT_EXPECTATION, n->step, "%.*s, %.*s after the beginning", (int)text.n, (const char *)text.p, (int)time.n,
                  (const char *)time.p);
        buf_finish(&time);
    }
    buf_finish(&text);
    inquiry_destroy(q);
}

static void look(void *arg, uint64_t number) {
    struct never *n = arg;
    struct play *p = n->play;
    const struct stage_ops *ops = p->stage->ops;
    if (!p->looking || p->over || play_now(p) > n->step->until_us) return;
    ops->at(p->stage, ops->now_us(p->stage) + (n->step->length_us ? n->step->length_us : RETRY_US), look, n, number + 1);
    if (n->inquiry) return; /* some node has not answered the last one */
    struct inquiry *q = inquiry_begin(p, &n->step->predicate, false, judge, n);
    if (q->pending)
        n->inquiry = q;
    else
        judge(n, q);
}

void play_never(struct play *p, const struct step *s) {
    struct never *n = xcalloc(1, sizeof *n);
    *n = (struct never){.next = p->nevers, .play = p, .step = s};
    p->nevers = n;
    look(n, 0);
}

void play_nevers_finish(struct play *p) {
    while (p->nevers) {
        struct never *n = p->nevers;
        p->nevers = n->next;
        free(n);
    }
}
