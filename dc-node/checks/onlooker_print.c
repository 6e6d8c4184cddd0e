/* What a history holds, in words. */
#include "onlooker.h"

void onlooker_print_changes(const struct history *h, FILE *f) {
    for (uint32_t key = 0; key < h->keys_count; key++) {
        const struct h_key *k = &h->keys[key];
        fprintf(f, "%.*s:\n", (int)k->name.n, (const char *)k->name.p);
        for (uint32_t i = 0; i < k->n; i++) {
            const struct h_change *c = k->changes[i];
            fprintf(f, "  %s (%llu) %s", h_dot(h, c->event->dot), (unsigned long long)c->event->stamp, change_op_name(c->op));
            for (uint32_t j = 0; j < c->ops_count; j++)
                fprintf(f, " %u/%.*s:%u%s%s", c->ops[j].kind, (int)c->ops[j].name.n, (const char *)c->ops[j].name.p, c->ops[j].flags,
                        c->ops[j].known ? " known" : "", c->ops[j].by_type ? " type" : "");
            fprintf(f, "%s knows", c->clear ? " clear" : "");
            for (origin_ref o = 0; o < c->event->deps.len; o++)
                if (c->event->deps.n[o]) fprintf(f, " %s", h_dot(h, (struct dot){o, c->event->deps.n[o]}));
            for (uint32_t j = 0; j < c->unseen_count; j++) fprintf(f, " not %s", h_dot(h, c->unseen[j]));
            for (uint32_t j = 0; j < c->saw_count; j++) fprintf(f, " saw %s", h_dot(h, c->saw[j]->change->event->dot));
            fputc('\n', f);
        }
    }
    fprintf(f, "%s\n", h->failure);
}

void onlooker_print_rows(struct onlooker *l, uint32_t node, FILE *f) {
    struct history *h = l->history;
    struct engine *e = world_engine(l->world, node);
    uint64_t session = UINT64_MAX;
    struct now now = {.mono_us = UINT64_MAX / 4, /* the world ends here */ .wall_ms = world_wall_ms(l->world, node)};
    engine_step(e, &(struct input){.type = INPUT_OPEN, .now = now, .session = session, .address = "checker"});
    for (uint32_t key = 0; key < h->keys_count; key++) {
        struct slice argv[] = {slice_text("TRUCE.SIBLINGS"), h->keys[key].name};
        engine_step(e, &(struct input){.type = INPUT_REQUEST, .now = now, .session = session, .argv = argv, .argc = 2});
        const struct engine_updates *u = engine_updates(e);
        const struct h_row *row = history_row(h, node, key);
        fprintf(f, "%.*s:", (int)h->keys[key].name.n, (const char *)h->keys[key].name.p);
        for (uint32_t i = 0; i < row->n; i++) {
            const struct h_element *v = &row->v[i];
            fprintf(f, " %s (%llu) %u/%.*s %s", h_dot(h, v->op->change->event->dot), (unsigned long long)v->op->change->event->stamp, v->kind,
                    (int)v->name.n, (const char *)v->name.p,
                    v->counts                           ? "counts"
                    : v->kind != CELL_ROW || v->value.n ? "live"
                                                        : "tombstone");
        }
        fprintf(f, "\n  engine: ");
        for (size_t i = 0; i < u->answers_count; i++)
            for (size_t k = 0; k < u->answers[i].reply.n; k++)
                if (u->answers[i].session == session) fputc(u->answers[i].reply.p[k] < ' ' ? ' ' : u->answers[i].reply.p[k], f);
        fprintf(f, "\n");
    }
    fprintf(f, "%s\n", h->failure);
}

void onlooker_print_episode(struct onlooker *l, uint32_t node, const struct episode *ep, const struct origins *t, FILE *f) {
    fprintf(f, "node %u, %.*s, kind %u %.*s, %s:", node, (int)ep->key.n, (const char *)ep->key.p, ep->kind, (int)ep->name.n, (const char *)ep->name.p,
            ep->open ? "open" : "closed");
    for (uint32_t i = 0; i < ep->members.ranges_count; i++) {
        const struct range *x = &ep->members.ranges[i];
        struct dot upto = {history_ref(l->history, node, t, x->origin), x->upto};
        fprintf(f, " (%llu, %s]", (unsigned long long)x->after, h_dot(l->history, upto));
    }
    fputc('\n', f);
}
