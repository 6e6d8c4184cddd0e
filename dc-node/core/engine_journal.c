/* The conflict journal follows every change: episodes that begin, grow, close or come back, and versions that leave their rows (DESIGN, section 6).
 *
 * THE OUTCOME OF A LOSS, decided from what every datacenter knows when it applies the change:
 *   TYPE      the version was an element of a type that the row did not show
 *   HANDLED   a handler's answer took it
 *   RESOLVED  the table keeps conflicts for people (`record`, or `handler` before an answer), its versions were live together, and the change covers
 *             every one of them: who wrote had the conflict mark before their eyes
 *   REPLACED  it was what readers saw of the whole row, and the change covers every version there was: its writer had the same row before their eyes
 *             (whatever another had made of it meanwhile would not be covered)
 *   LOST      anything else: the writer saw another version win, or knew this one only by what the datacenter had
 */
#include "engine_journal.h"

/* ---- episodes that come back ---- */

static bool take(void *journal_row, enum cell_kind kind, struct slice name, struct dot member, struct blocks *ret) {
    const struct journal_row *row = journal_row;
    struct engine *e = row->engine;
    struct journal *j = &e->journal;
    struct journal_walk w;
    struct slice record_name, record;
    struct buf prefix = {0};
    bool found = false;
    journal_name_cell(row->key, (uint8_t)kind, name, &prefix);
    buf_u8(&prefix, JOURNAL_EPISODE);
    walk_begin(&w, e, buf_slice_of(&prefix), SLICE(NULL, 0), 8);
    while (!found && walk_next(&w, &record_name, &record)) {
        struct episode ep;
        if (!episode_decode(record, e->origins, &ep)) {
            journal_damaged(e);
            break;
        }
        found = block_holds(&ep.members, &ep.members.b[0], member);
        if (found) {
            blocks_copy(ret, &ep.members);
            GROW(j->taken, j->taken_count, j->taken_cap);
            j->taken[j->taken_count++] = (struct taken){(uint8_t)kind, name, ep.number};
        }
        episode_finish(&ep);
    }
    walk_finish(&w);
    buf_finish(&prefix);
    return found;
}

bool journal_take(void *journal_row, enum cell_kind kind, struct slice name, struct dot member, struct blocks *ret) {
    if (take(journal_row, kind, name, member, ret)) return true;
    struct engine *e = ((const struct journal_row *)journal_row)->engine;
    if (!e->journal.replaying) return false;
    /* The episode has been taken before the restart, and is part of one whose record the replay has already put again, as small as it was before
     * that. What the store has of it is whole. */
    size_t losses = e->losses_count, latest = e->journal.latest_count;
    e->losses_count = e->journal.latest_count = 0;
    bool found = take(journal_row, kind, name, member, ret);
    e->losses_count = losses;
    e->journal.latest_count = latest;
    return found;
}

/* ---- records of episodes ---- */

/* The cell whose episodes change, and by which event. */
struct place {
    struct slice key;
    uint8_t kind;
    struct slice name;
    struct dot by;
};

static struct buf *cleared(struct buf *b) {
    buf_clear(b);
    return b;
}

static struct slice episode_name(struct engine *e, const struct place *p, struct dot number) {
    journal_name_episode(p->key, p->kind, p->name, number, e->origins, cleared(&e->journal.name));
    return buf_slice_of(&e->journal.name);
}

/* When it began, by its record; else `otherwise`. */
static uint64_t began_ms(struct engine *e, const struct place *p, struct dot number, uint64_t otherwise) {
    struct episode ep;
    uint64_t ms = otherwise;
    if (!journal_get(e, episode_name(e, p, number), cleared(&e->journal.value))) return ms;
    if (!episode_decode(buf_slice_of(&e->journal.value), e->origins, &ep)) {
        journal_damaged(e);
        return ms;
    }
    if (ep.began_ms < ms) ms = ep.began_ms;
    episode_finish(&ep);
    return ms;
}

void journal_put_time(struct engine *e, struct slice name) {
    struct buf time = {0};
    journal_name_time(e->now.wall_ms, name, &time);
    journal_put(e, buf_slice_of(&time), slice_text("-"));
    buf_finish(&time);
}

static void put_pointer(struct engine *e, const struct place *p, struct dot from, struct dot to) {
    struct episode at = {.key = p->key, .kind = p->kind, .name = p->name, .number = to};
    journal_name_pointer(episode_id(p->key, p->kind, p->name, from, e->origins), cleared(&e->journal.name));
    pointer_encode(&at, e->origins, cleared(&e->journal.value));
    journal_put(e, buf_slice_of(&e->journal.name), buf_slice_of(&e->journal.value));
    if (!dot_equal(from, to)) journal_put_time(e, buf_slice_of(&e->journal.name));
}

static void put_episode(struct engine *e, const struct place *p, const struct blocks *s, const struct row_block *b, bool open, uint64_t began) {
    struct row_block only = {.episode = true, .count = b->count};
    struct episode ep = {.key = p->key,
                         .kind = p->kind,
                         .name = p->name,
                         .number = block_number(s, b, e->origins),
                         .members = {.b = &only, .n = 1, .ranges = s->ranges + b->first, .ranges_count = b->count},
                         .open = open,
                         .began_ms = began,
                         .changed_ms = e->now.wall_ms};
    if (!open) ep.closed_by = p->by;
    episode_encode(&ep, e->origins, cleared(&e->journal.value));
    struct slice name = episode_name(e, p, ep.number);
    journal_put(e, name, buf_slice_of(&e->journal.value));
    if (!open) journal_put_time(e, name);
}

/* It is part of episode `into` now. */
static void absorb(struct engine *e, const struct place *p, struct dot number, struct dot into) {
    journal_put(e, episode_name(e, p, number), SLICE(NULL, 0));
    put_pointer(e, p, number, into);
    e->journal.entries--;
}

/* ---- the episodes of a cell ---- */

static const struct row_block *top_episode(const struct blocks *s) {
    for (uint32_t i = s ? s->n : 0; i > 0; i--)
        if (s->b[i - 1].episode) return &s->b[i - 1];
    return NULL;
}

static bool same_block(const struct blocks *s, const struct row_block *a, const struct blocks *u, const struct row_block *b) {
    if (a->count != b->count) return false;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct range *x = &s->ranges[a->first + i], *y = &u->ranges[b->first + i];
        if (x->origin != y->origin || x->after != y->after || x->upto != y->upto) return false;
    }
    return true;
}

static bool has_number(struct engine *e, const struct blocks *s, struct dot number) {
    for (uint32_t i = 0; s && i < s->n; i++)
        if (s->b[i].episode && dot_equal(block_number(s, &s->b[i], e->origins), number)) return true;
    return false;
}

static bool was_taken(const struct engine *e, const struct place *p, uint32_t i) {
    const struct taken *t = &e->journal.taken[i];
    return t->kind == p->kind && slice_equal(t->name, p->name);
}

/* The episodes that were there before and are not in `after` by their numbers are part of `into`. Returns how many it had before, of any number. */
static uint32_t absorb_all(struct engine *e, const struct place *p, const struct cell_news *n, struct dot into) {
    uint32_t had = 0;
    for (uint32_t i = 0; n->before && i < n->before->n; i++) {
        if (!n->before->b[i].episode) continue;
        struct dot number = block_number(n->before, &n->before->b[i], e->origins);
        if (!has_number(e, n->after, number)) absorb(e, p, number, into);
        had += !has_number(e, n->after, number) || dot_equal(number, into);
    }
    for (uint32_t i = 0; i < e->journal.taken_count; i++) {
        if (!was_taken(e, p, i)) continue;
        if (!has_number(e, n->after, e->journal.taken[i].number)) absorb(e, p, e->journal.taken[i].number, into);
        had++;
    }
    return had;
}

static uint64_t began_of_all(struct engine *e, const struct place *p, const struct cell_news *n, struct dot into) {
    uint64_t began = e->now.wall_ms;
    for (uint32_t i = 0; n->before && i < n->before->n; i++) {
        if (!n->before->b[i].episode) continue;
        struct dot number = block_number(n->before, &n->before->b[i], e->origins);
        if (dot_equal(number, into) || !has_number(e, n->after, number)) began = began_ms(e, p, number, began);
    }
    for (uint32_t i = 0; i < e->journal.taken_count; i++)
        if (was_taken(e, p, i)) began = began_ms(e, p, e->journal.taken[i].number, began);
    return began;
}

static void follow_cell(struct engine *e, const struct place *p, const struct cell_news *n) {
    const struct row_block *old = top_episode(n->before), *new = top_episode(n->after);
    if (n->open_before != n->open_after) e->count.open_conflicts += n->open_after ? 1 : UINT64_MAX;
    if (!new) { /* the row is of another form now, and has no such cell */
        if (old && n->open_before) put_episode(e, p, n->before, old, false, began_ms(e, p, block_number(n->before, old, e->origins), e->now.wall_ms));
        return;
    }
    if (old && n->open_before == n->open_after && same_block(n->before, old, n->after, new)) return;
    struct dot number = block_number(n->after, new, e->origins);
    uint64_t began = began_of_all(e, p, n, number);
    if (!absorb_all(e, p, n, number)) e->count.conflicts++;
    if (!journal_get(e, episode_name(e, p, number), cleared(&e->journal.value))) {
        e->journal.entries++;
        put_pointer(e, p, number, number);
    }
    put_episode(e, p, n->after, new, n->open_after, began);
}

/* ---- elements of several types ---- */

/* The elements that are there, as one block: the number of each origin's latest says how far. */
static void add_element(struct engine *e, struct blocks *s, struct dot d) {
    struct range *r = s->ranges, *end = s->ranges + s->ranges_count;
    while (r < end && r->origin != d.origin) r++;
    if (r == end) {
        GROW(s->ranges, s->ranges_count, s->ranges_cap);
        r = s->ranges + s->ranges_count++;
        *r = (struct range){d.origin, d.n - 1, d.n};
        for (; r > s->ranges && origins_compare(e->origins, r[-1].origin, r->origin) > 0; r--) {
            struct range swap = r[-1];
            r[-1] = *r;
            *r = swap;
        }
    }
    if (d.n - 1 < r->after) r->after = d.n - 1;
    if (d.n > r->upto) r->upto = d.n;
}

static void elements_of(struct engine *e, const struct row *row, struct blocks *ret) {
    for (uint32_t i = 0; i < row->cells_count; i++) {
        const struct cell *c = &row->cells[i];
        if (c->kind == CELL_EXPIRY) continue;
        for (uint32_t k = 0; k < c->count; k++) add_element(e, ret, cell_versions(row, c)[k].dot);
        for (uint32_t k = 0; k < c->counters_count; k++)
            if (counter_live(&cell_counters(row, c)[k]))
                add_element(e, ret, (struct dot){cell_counters(row, c)[k].origin, cell_counters(row, c)[k].n});
    }
    if (!ret->ranges_count) return;
    GROW(ret->b, ret->n, ret->cap);
    ret->b[ret->n++] = (struct row_block){true, 0, ret->ranges_count};
}

static void follow_types(struct engine *e, const struct place *p, const struct row_news *news, const struct row *before, const struct row *after) {
    struct blocks was = {0}, is = {0};
    if (news->types_before) elements_of(e, before, &was);
    if (news->types_after) elements_of(e, after, &is);
    struct cell_news n = {.kind = CELL_TYPES,
                          .before = was.n ? &was : NULL,
                          .after = is.n ? &is : NULL,
                          .open_before = news->types_before,
                          .open_after = news->types_after};
    follow_cell(e, p, &n);
    blocks_finish(&was);
    blocks_finish(&is);
}

/* ---- losses ---- */

const struct version *cell_read(const struct engine *e, const struct table_rule *table, const struct row *r, const struct cell *c) {
    enum policy p = c->kind == CELL_ROW ? table->policy : POLICY_MERGE;
    return c->count ? &cell_versions(r, c)[policy_winner(r, c, p, e->rules, e->origins)] : NULL;
}

static bool covers_all(const struct row *before, const struct row *after) {
    for (uint32_t i = 0; i < before->versions_count; i++)
        for (uint32_t k = 0; k < after->versions_count; k++)
            if (dot_equal(before->versions[i].dot, after->versions[k].dot)) return false;
    return true;
}

static uint8_t outcome_of(const struct engine *e, const struct lost *l, const struct table_rule *table, const struct row *before,
                          const struct row *after, const struct change *c) {
    if (l->by_type) return LOSS_TYPE;
    if (c->op == CHANGE_ANSWER) return LOSS_HANDLED;
    if (before->form != ROW_WHOLE || !covers_all(before, after)) return LOSS_LOST;
    bool for_people = table->policy == POLICY_RECORD || table->policy == POLICY_HANDLER;
    if (for_people && row_open(before)) return LOSS_RESOLVED;
    const struct cell *cell = row_cell(before, CELL_ROW, SLICE(NULL, 0));
    return cell && dot_equal(cell_read(e, table, before, cell)->dot, l->v.dot) ? LOSS_REPLACED : LOSS_LOST;
}

static void put_loss(struct engine *e, const struct place *p, const struct lost *lost, const struct table_rule *table, const struct row *after,
                     uint8_t outcome, struct slice policy) {
    struct loss l = {.key = p->key,
                     .kind = p->kind,
                     .name = p->name,
                     .loser = lost->v,
                     .by = p->by,
                     .policy = policy,
                     .outcome = outcome,
                     .wall_ms = e->now.wall_ms};
    const struct cell *c = lost->by_type ? NULL : row_cell(after, lost->kind, lost->name);
    if (c && c->count) {
        const struct version *w = cell_read(e, table, after, c);
        l.winner = w->content;
        l.winner_dot = w->dot;
        l.winner_stamp = w->stamp;
    } else if (lost->by_type) {
        l.winner_dot = p->by;
    }
    journal_name_loss(p->key, p->kind, p->name, lost->v.dot, e->origins, cleared(&e->journal.name));
    if (journal_just_put(e, buf_slice_of(&e->journal.name))) return; /* it left an episode, and a type that was hidden, in one */
    loss_encode(&l, e->origins, cleared(&e->journal.value));
    journal_put(e, buf_slice_of(&e->journal.name), buf_slice_of(&e->journal.value));
    journal_put_time(e, buf_slice_of(&e->journal.name));
    e->journal.entries++;
}

static void follow_losses(struct engine *e, struct slice key, const struct row_news *news, const struct table_rule *table, const struct row *before,
                          const struct row *after, const struct change *c, struct dot by) {
    struct buf policy = {0};
    policy_format(table->policy, &table->chain, &policy);
    for (uint32_t i = 0; i < news->lost_count; i++) {
        const struct lost *l = &news->lost[i];
        struct place p = {key, (uint8_t)l->kind, l->name, by};
        put_loss(e, &p, l, table, after, outcome_of(e, l, table, before, after, c), buf_slice_of(&policy));
    }
    buf_finish(&policy);
}

/* ---- a change ---- */

void journal_follow(struct engine *e, struct slice key, const struct row_news *news, const struct table_rule *table, const struct row *before,
                    const struct row *after, const struct change *c, struct dot by) {
    if (!news->cells_count && !news->lost_count && !news->types_before && !news->types_after) return;
    if (bug(e, BUG_NO_JOURNAL)) {
        e->count.conflicts++;
        return;
    }
    uint64_t conflicts = e->count.conflicts, open = e->count.open_conflicts, entries = e->journal.entries;
    for (uint32_t i = 0; i < news->cells_count; i++) {
        struct place p = {key, (uint8_t)news->cells[i].kind, news->cells[i].name, by};
        follow_cell(e, &p, &news->cells[i]);
    }
    if (news->types_before || news->types_after) follow_types(e, &(struct place){key, CELL_TYPES, SLICE(NULL, 0), by}, news, before, after);
    if (news->lost_count) follow_losses(e, key, news, table, before, after, c, by);
    losses_follow(e, key, news, table, before, after, by);
    if (conflicts != e->count.conflicts || open != e->count.open_conflicts || entries != e->journal.entries) journal_put_counts(e);
    e->journal.taken_count = 0;
}

/* ---- a transfer ---- */

void journal_put_joined(struct engine *e, const struct episode *ep) {
    struct place p = {ep->key, ep->kind, ep->name, ep->closed_by};
    bool there = journal_get(e, episode_name(e, &p, ep->number), cleared(&e->journal.value));
    struct buf record = {0};
    episode_encode(ep, e->origins, &record);
    if (!there) {
        e->journal.entries++;
        put_pointer(e, &p, ep->number, ep->number);
    }
    if (!there || !slice_equal(buf_slice_of(&record), buf_slice_of(&e->journal.value))) {
        struct slice name = episode_name(e, &p, ep->number);
        journal_put(e, name, buf_slice_of(&record));
        if (!ep->open) journal_put_time(e, name);
    }
    buf_finish(&record);
}

void journal_absorb(struct engine *e, const struct episode *into, struct dot number, bool own) {
    struct place p = {into->key, into->kind, into->name, into->closed_by};
    if (own)
        absorb(e, &p, number, into->number);
    else
        put_pointer(e, &p, number, into->number);
}

static struct dot any_dot(const struct row *r) {
    if (r->versions_count) return r->versions[0].dot;
    return r->counters_count ? (struct dot){r->counters[0].origin, r->counters[0].n} : (struct dot){ORIGIN_NONE, 0};
}

void journal_types_joined(struct engine *e, struct slice key, const struct row *before, const struct row *after) {
    struct row_news news = {.types_before = row_types_collide(before), .types_after = row_types_collide(after)};
    if (!news.types_before && !news.types_after) return;
    struct dot by = any_dot(after);
    struct place p = {key, CELL_TYPES, SLICE(NULL, 0), by.n ? by : any_dot(before)};
    follow_types(e, &p, &news, before, after);
}
