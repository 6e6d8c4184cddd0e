/* What a change does to a row: whole rows here, merged ones in merge.c. */
#include "planted.h"
#include "row_build.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BELOW_MAX       16u
#define BELOW_BYTES_MAX (256u * 1024)

/* ---- news ---- */

void news_add_lost(struct row_news *n, const struct cell *c, const struct version *v, bool by_type) {
    ROW_GROW(n->lost, n->lost_count, n->lost_cap);
    n->lost[n->lost_count++] = (struct lost){.kind = c->kind, .name = c->name, .v = *v, .by_type = by_type};
}

/* A copy that stays as long as the news; its index, for the array may move. */
static uint32_t keep_stack(struct row_news *n, const struct blocks *s) {
    if (n->kept_count == n->kept_cap) {
        uint32_t cap = n->kept_cap ? n->kept_cap * 2 : 2;
        n->kept = xrealloc(n->kept, cap * sizeof *n->kept);
        memset(n->kept + n->kept_cap, 0, (cap - n->kept_cap) * sizeof *n->kept);
        n->kept_cap = cap;
    }
    blocks_copy(&n->kept[n->kept_count], s);
    return n->kept_count++;
}

static struct cell_news *add_news(struct row_news *n, const struct cell *c) {
    ROW_GROW(n->cells, n->cells_count, n->cells_cap);
    struct cell_news *cell = &n->cells[n->cells_count++];
    *cell = (struct cell_news){.kind = c->kind, .name = c->name};
    return cell;
}

static void point_at_kept(struct row_news *n) {
    uint32_t next = 0;
    for (uint32_t i = 0; i < n->cells_count; i++)
        if (n->cells[i].has_after) n->cells[i].after = &n->kept[next++];
}

static bool has_episode(const struct blocks *s) {
    for (uint32_t i = 0; i < s->n; i++)
        if (s->b[i].episode) return true;
    return false;
}

void news_of_form(const struct row *old, const struct cell *gone, struct row_news *news) {
    if (!cell_has_episode(old, gone)) return;
    struct cell_news *n = add_news(news, gone);
    n->before = &old->stacks[gone->stack - 1];
    n->open_before = cell_open(old, gone);
}

/* ---- the stack of a cell ---- */

static bool holds(const struct version *v, uint32_t count, struct dot d) {
    for (uint32_t i = 0; i < count; i++)
        if (dot_equal(v[i].dot, d)) return true;
    return false;
}

static void dots_of(const struct version *v, uint32_t count, struct dot *ret) {
    for (uint32_t i = 0; i < count; i++) ret[i] = v[i].dot;
}

/* Nothing is to be known but the versions themselves: what was there before was one version, is covered, and is stable. */
static bool needs_no_stack(const struct cell_step *s, const struct cell *after, const struct row_change *how) {
    if ((s->before && s->before->stack) || s->unseen_count) return false;
    if (!s->before || !s->before->count) return true;
    const struct version *v = cell_versions(s->old, s->before);
    if (holds(cell_versions(s->ret, after), after->count, v->dot)) return !s->arrives;
    return vv_covers(how->stable, v->dot);
}

static void tell_stack(const struct cell_step *s, const struct cell *after, const struct blocks *stack, struct row_news *news) {
    const struct version *now = cell_versions(s->ret, after);
    for (uint32_t i = 0; s->before && i < s->before->count; i++) {
        const struct version *v = &cell_versions(s->old, s->before)[i];
        if (!holds(now, after->count, v->dot) && blocks_episode_of(stack, v->dot)) news_add_lost(news, after, v, false);
    }
    bool before = !s->made && cell_has_episode(s->old, s->before);
    if (!before && !has_episode(stack)) return;
    struct cell_news *n = add_news(news, after);
    if (before) n->before = &s->old->stacks[s->before->stack - 1];
    n->has_after = true;
    n->open_before = !s->made && s->before && cell_open(s->old, s->before);
    n->open_after = cell_open(s->ret, after);
    keep_stack(news, stack);
}

struct closed_of_cell {
    const struct closed_row *row;
    const struct cell *cell;
};

static bool take_closed(void *arg, struct dot member, struct blocks *ret) {
    const struct closed_of_cell *c = arg;
    return c->row->take(c->row->arg, c->cell->kind, c->cell->name, member, ret);
}

void step_stack(const struct cell_step *s, const struct row_change *how, struct row_news *news) {
    struct cell *after = &s->ret->cells[s->ret->cells_count - 1];
    if (needs_no_stack(s, after, how)) return;
    struct dot few[8], *dots = few;
    uint32_t count = s->before ? s->before->count : 0, most = count > after->count ? count : after->count;
    if (most > sizeof few / sizeof *few) dots = xmalloc(most * sizeof *dots);
    struct blocks *stack = row_add_stack(s->ret);
    after = &s->ret->cells[s->ret->cells_count - 1];
    cell_stack(s->old, s->before, stack);
    if (s->arrives) {
        if (count) dots_of(cell_versions(s->old, s->before), count, dots);
        struct closed_of_cell of_cell = {how->closed, after};
        struct closed_episodes closed = {take_closed, &of_cell};
        struct context of_this = how->context;
        of_this.unseen = s->unseen;
        of_this.unseen_count = s->unseen_count;
        blocks_arrive(stack, &of_this, dots, count, how->closed ? &closed : NULL, how->origins);
    }
    if (s->arrives || s->made || count != after->count) tell_stack(s, after, stack, news);
    dots_of(cell_versions(s->ret, after), after->count, dots);
    blocks_collect(stack, dots, after->count, how->stable);
    if (!stack->n || (after->count == 1 && blocks_are_of_one(stack, dots[0]))) row_drop_stack(s->ret);
    if (dots != few) free(dots);
}

/* ---- whole rows ---- */

static bool covers(const struct row_change *how, const struct version *v) {
    switch (conflict_planted) {
    case CONFLICT_BUG_NO_CONTEXT: return true;
    case CONFLICT_BUG_ANSWER_UNSEEN: return how->change->op == CHANGE_ANSWER || context_covers(&how->context, v->dot);
    default: return context_covers(&how->context, v->dot);
    }
}

static struct version version_of(const struct row_change *how) {
    return (struct version){.dot = how->context.self,
                            .stamp = how->stamp,
                            .content = how->change->content,
                            .generation = how->change->op == CHANGE_ANSWER ? how->change->generation : 0,
                            .inputs = how->change->op == CHANGE_ANSWER ? how->change->inputs : 0};
}

static size_t below_bytes(const struct row *r) {
    size_t n = 0;
    for (uint32_t i = 0; i < r->below_count; i++) n += r->below[i].v.content.n;
    return n;
}

static void remove_below(struct row *r, uint32_t i) {
    memmove(&r->below[i], &r->below[i + 1], (r->below_count - i - 1) * sizeof *r->below);
    r->below_count--;
}

/* What a base may yet be asked for: while the version above it is not stable, or its episode is open. Of too many the oldest stays, for an episode
 * begins there. */
static void keep_below(const struct row *old, const struct cell *before, const struct row_change *how, bool arrives, struct row *ret) {
    const struct cell *after = &ret->cells[0];
    bool open = cell_open(ret, after);
    for (uint32_t i = 0; i < old->below_count; i++)
        if (open || !vv_covers(how->stable, old->below[i].above)) row_add_below(ret, &old->below[i]);
    if (!how->keep_below || !arrives) return;
    if (!before || !before->count) row_add_below(ret, &(struct below){.above = how->context.self});
    for (uint32_t i = 0; before && i < before->count; i++) {
        const struct version *v = &cell_versions(old, before)[i];
        if (!holds(cell_versions(ret, after), after->count, v->dot)) row_add_below(ret, &(struct below){*v, how->context.self});
    }
    while (ret->below_count > BELOW_MAX || (ret->below_count > 1 && below_bytes(ret) > BELOW_BYTES_MAX)) remove_below(ret, 1);
}

static bool looked_at_these(const struct row *old, const struct change *c) {
    if (old->form != ROW_WHOLE || old->versions_count != c->unseen_count) return false;
    for (uint32_t i = 0; i < c->unseen_count; i++)
        if (!dot_equal(old->versions[i].dot, c->unseen[i])) return false;
    return true;
}

static void copy_row(const struct row *old, struct row *ret) {
    row_clear(ret);
    ret->form = old->form;
    for (uint32_t i = 0; i < old->cells_count; i++) {
        const struct cell *c = &old->cells[i];
        row_add_cell(ret, c->kind, c->name);
        for (uint32_t k = 0; k < c->count; k++) row_add_version(ret, &cell_versions(old, c)[k]);
        for (uint32_t k = 0; k < c->counters_count; k++) row_add_counter(ret, &cell_counters(old, c)[k]);
        if (c->stack) blocks_copy(row_add_stack(ret), &old->stacks[c->stack - 1]);
    }
    for (uint32_t i = 0; i < old->below_count; i++) row_add_below(ret, &old->below[i]);
    ret->recorded = old->recorded;
    ret->recorded_why = old->recorded_why;
}

static void plant_eager(struct row *ret, const struct row_change *how) {
    if (conflict_planted != CONFLICT_BUG_EAGER_LWW) return;
    struct cell *c = &ret->cells[0];
    if (c->count < 2) return;
    uint32_t best = 0;
    for (uint32_t i = 1; i < c->count; i++)
        if (ret->versions[i].stamp > ret->versions[best].stamp ||
            (ret->versions[i].stamp == ret->versions[best].stamp && dot_compare(how->origins, ret->versions[i].dot, ret->versions[best].dot) > 0))
            best = i;
    ret->versions[0] = ret->versions[best];
    ret->versions_count = c->count = 1;
}

/* A cell of a merged row that a whole one replaces: what was in an episode, or what the client had not seen, goes into the journal. */
static void leave_form(const struct row *old, const struct cell *c, const struct row_change *how, struct row_news *news) {
    for (uint32_t k = 0; k < c->count && c->kind != CELL_EXPIRY; k++) {
        const struct version *v = &cell_versions(old, c)[k];
        bool in_episode = c->stack && blocks_episode_of(&old->stacks[c->stack - 1], v->dot);
        if (in_episode || !context_covers(&how->context, v->dot)) news_add_lost(news, c, v, false);
    }
    news_of_form(old, c, news);
}

static void whole_apply(const struct row *old, const struct row_change *how, struct row *ret, struct row_news *news) {
    const struct cell *before = old->form == ROW_WHOLE && old->cells_count ? &old->cells[0] : NULL;
    for (uint32_t i = 0; old->form == ROW_MERGED && i < old->cells_count; i++) leave_form(old, &old->cells[i], how, news);
    bool arrives = how->change->op != CHANGE_REAP;
    row_add_cell(ret, CELL_ROW, (struct slice){0});
    for (uint32_t i = 0; before && i < before->count; i++) {
        const struct version *v = &cell_versions(old, before)[i];
        if (!covers(how, v)) row_add_version(ret, v);
    }
    if (arrives) {
        struct version v = version_of(how);
        row_insert_version(ret, &v, how->origins);
    }
    plant_eager(ret, how);
    step_stack(&(struct cell_step){old, before, ret, arrives, how->context.unseen, arrives ? how->context.unseen_count : 0, false}, how, news);
    keep_below(old, before, how, arrives, ret);
    if (old->form == ROW_WHOLE && old->recorded && old->recorded == row_siblings_hash(ret, how->origins)) {
        ret->recorded = old->recorded;
        ret->recorded_why = old->recorded_why;
    }
    if (!ret->cells[0].count && !ret->cells[0].stack && !ret->below_count) ret->cells_count = 0;
}

void row_apply(const struct row *old, const struct row_change *how, struct row *ret, struct row_news *news) {
    assert(old != ret);
    assert(how->context.self.n >= 1);
    news->lost_count = news->cells_count = news->kept_count = 0;
    news->types_before = row_types_collide(old);
    if (how->change->op == CHANGE_RECORD) {
        copy_row(old, ret);
        bool first = !old->recorded || slice_compare(how->change->content, old->recorded_why) < 0; /* of two reasons the same one everywhere */
        if (looked_at_these(old, how->change) && first) {
            ret->recorded = row_siblings_hash(ret, how->origins);
            ret->recorded_why = how->change->content;
        }
    } else {
        row_clear(ret);
        if (how->change->op == CHANGE_MERGE) {
            ret->form = ROW_MERGED;
            merge_apply(old, how, ret, news);
        } else {
            whole_apply(old, how, ret, news);
        }
    }
    news->types_after = row_types_collide(ret);
    point_at_kept(news);
}
