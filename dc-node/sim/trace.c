#include "world_state.h"

static const char *const input_names[] = {
#define X(name, doc) [INPUT_##name] = #name,
    ENGINE_INPUTS(X)
#undef X
};

static void begin(struct world *w, uint32_t node, uint8_t kind) {
    buf_clear(&w->scratch);
    buf_u64(&w->scratch, w->now_us);
    buf_u32(&w->scratch, node);
    buf_u8(&w->scratch, kind);
}

static void end(struct world *w) { w->trace = hash64_seeded(buf_slice_of(&w->scratch), w->trace); }

static void line(struct world *w, uint32_t node) {
    fprintf(w->trace_file, "%4llu.%06llu %-6s ", (unsigned long long)(w->now_us / 1000000), (unsigned long long)(w->now_us % 1000000),
            w->cluster->nodes[node].name);
}

static void print_bytes(FILE *f, struct slice s) {
    for (size_t i = 0; i < s.n && i < 400; i++) {
        if (s.p[i] >= 0x20 && s.p[i] < 0x7f)
            fputc(s.p[i], f);
        else
            fprintf(f, "\\x%02x", s.p[i]);
    }
    if (s.n > 400) fputs("...", f);
}

static void print_input(struct world *w, const struct node *n, const struct input *in) {
    FILE *f = w->trace_file;
    line(w, n->index);
    fprintf(f, "> %s", input_names[in->type]);
    if (in->type == INPUT_REQUEST) {
        fprintf(f, " %llu:", (unsigned long long)in->session);
        for (uint32_t i = 0; i < in->argc; i++) {
            fputc(' ', f);
            print_bytes(f, in->argv[i]);
        }
    }
    if (in->type == INPUT_LINK_UP || in->type == INPUT_LINK_DOWN) fprintf(f, " %s", w->cluster->nodes[in->peer].name);
    if (in->type == INPUT_FRAME) {
        uint8_t type = in->frame.n > 5 ? in->frame.p[5] : 0;
        const char *name = message_type_name((enum message_type)type);
        fprintf(f, " %s from %s, %zu bytes", name ? name : "?", w->cluster->nodes[in->peer].name, in->frame.n);
    }
    if (in->type == INPUT_HANDLED) {
        fprintf(f, " %llu: ", (unsigned long long)in->handler_run);
        print_bytes(f, in->answer);
    }
    fputc('\n', f);
}

void trace_input(struct world *w, const struct node *n, const struct input *in) {
    begin(w, n->index, (uint8_t)in->type);
    struct buf *b = &w->scratch;
    buf_u64(b, in->now.mono_us);
    buf_u64(b, in->now.wall_ms);
    buf_u64(b, in->session);
    buf_u32(b, in->peer);
    if (in->type == INPUT_DISK) buf_u8(b, (uint8_t)in->room);
    for (uint32_t i = 0; i < in->argc; i++) buf_slice(b, in->argv[i]);
    buf_slice(b, in->frame);
    if (in->type == INPUT_HANDLED) {
        buf_u64(b, in->handler_run);
        buf_slice(b, in->answer);
    }
    end(w);
    if (w->trace_file) print_input(w, n, in);
}

static void put_commit(struct world *w, const struct commit *c, const struct origins *t) {
    struct buf *b = &w->scratch;
    for (size_t i = 0; i < c->blocks_count; i++) buf_slice(b, c->blocks[i].bytes);
    for (size_t i = 0; i < c->losses_count; i++) {
        buf_slice(b, c->losses[i].name);
        buf_slice(b, c->losses[i].value);
    }
    for (size_t i = 0; i < c->metas_count; i++) {
        buf_slice(b, c->metas[i].name);
        buf_slice(b, c->metas[i].value);
    }
    for (size_t i = 0; i < c->trims_count; i++) {
        origin_encode(t, c->trims[i].origin, b);
        buf_u64(b, c->trims[i].upto);
    }
}

static void put_flush(struct buf *b, const struct flush *f) {
    for (size_t i = 0; i < f->rows_count; i++) {
        buf_slice(b, stored_key(f->rows[i]));
        buf_slice(b, stored_value(f->rows[i]));
        buf_u64(b, f->rows[i]->facts.expires_ms);
        buf_u8(b, f->rows[i]->facts.tombstone);
    }
    buf_slice(b, buf_slice_of(&f->checkpoint));
}

static void print_updates(struct world *w, const struct node *n, const struct engine_updates *u) {
    FILE *f = w->trace_file;
    if (u->commit_needed) {
        line(w, n->index);
        fprintf(f, "< PERSIST %zu blocks, %zu losses, %zu metas, %zu trims\n", u->commit.blocks_count, u->commit.losses_count, u->commit.metas_count,
                u->commit.trims_count);
    }
    for (size_t i = 0; i < u->out_count; i++) {
        struct slice s = u->out[i].frames;
        for (struct reader r = reader_of(s); r.p < r.end && !r.bad;) {
            struct slice frame = read_bytes(&r, read_u32(&r));
            const char *name = frame.n > 1 ? message_type_name((enum message_type)frame.p[1]) : NULL;
            line(w, n->index);
            fprintf(f, "< SEND %s to %s, %zu bytes\n", name ? name : "?", w->cluster->nodes[u->out[i].peer].name, frame.n + 4);
        }
    }
    for (size_t i = 0; i < u->answers_count; i++) {
        line(w, n->index);
        fprintf(f, "< ANSWER %llu: ", (unsigned long long)u->answers[i].session);
        print_bytes(f, u->answers[i].reply);
        fputs(u->answers[i].close ? " and close\n" : "\n", f);
    }
    if (u->flush) {
        line(w, n->index);
        fprintf(f, "< FLUSH %zu rows\n", u->flush->rows_count);
    }
    for (size_t i = 0; i < u->handler_runs_count; i++) {
        line(w, n->index);
        fprintf(f, "< ASK handler %s, run %llu, %zu bytes\n", u->handler_runs[i].name, (unsigned long long)u->handler_runs[i].id,
                u->handler_runs[i].request.n);
    }
    if (u->fatal) {
        line(w, n->index);
        fprintf(f, "< FATAL %s\n", u->fatal);
    }
}

void trace_updates(struct world *w, const struct node *n, const struct engine_updates *u) {
    begin(w, n->index, 0x80);
    struct buf *b = &w->scratch;
    if (u->commit_needed) put_commit(w, &u->commit, engine_origins(n->engine));
    for (size_t i = 0; i < u->out_count; i++) {
        buf_u32(b, u->out[i].peer);
        buf_slice(b, u->out[i].frames);
    }
    for (size_t i = 0; i < u->answers_count; i++) {
        buf_u64(b, u->answers[i].session);
        buf_slice(b, u->answers[i].reply);
        buf_u8(b, u->answers[i].close);
    }
    for (size_t i = 0; i < u->unblocked_count; i++) buf_u64(b, u->unblocked[i]);
    if (u->flush) put_flush(b, u->flush);
    for (size_t i = 0; i < u->drops_count; i++) buf_u32(b, u->drops[i].peer);
    buf_u8(b, u->refuse_requests);
    buf_u8(b, u->shutdown);
    buf_u8(b, u->fatal != NULL);
    for (size_t i = 0; i < u->handler_runs_count; i++) {
        buf_u64(b, u->handler_runs[i].id);
        buf_slice(b, u->handler_runs[i].request);
    }
    end(w);
    if (w->trace_file) print_updates(w, n, u);
}

void trace_note(struct world *w, uint32_t node, const char *what, uint64_t number) {
    begin(w, node, 0x81);
    buf_text(&w->scratch, what);
    buf_u64(&w->scratch, number);
    end(w);
    if (!w->trace_file) return;
    line(w, node);
    fprintf(w->trace_file, "- %s %llu\n", what, (unsigned long long)number);
}
