/* Homes: keys that are written in one datacenter (DESIGN, section 8). A write that comes in elsewhere goes to the leader of its home, over a channel
 * as a follower's go to its own (engine_forward.c), and is answered when it is applied here too. While the home is cut away the cluster file says,
 * key by key, whether to refuse or to write here. A transaction has one home. What nodes write of their own accord is written where they are. */
#include "state.h"

#define SHOWN_MAX 200u /* bytes of a key */

struct wish {
    const struct cluster_home *home; /* NULL: these keys are written anywhere */
    const struct cluster_home *other;
    struct slice key; /* of the home */
};

static void wish_for(const struct engine *e, const struct command *cmd, const struct slice *argv, uint32_t argc, struct wish *w) {
    int32_t last = cmd->last_key < 0 ? (int32_t)argc + cmd->last_key : cmd->last_key;
    for (int32_t i = cmd->first_key; i > 0 && i <= last && i < (int32_t)argc; i += cmd->key_step) {
        const struct cluster_home *h = cluster_home_of(e->cluster, argv[i]);
        if (!h) continue;
        if (w->home && w->home->dc != h->dc) w->other = h;
        if (w->home && (w->home->dc != h->dc || !w->home->writes_when_cut)) continue; /* the stricter of two counts */
        w->home = h;
        w->key = argv[i];
    }
}

static bool is(const struct command *cmd, const char *name) { return strcmp(cmd->name, name) == 0; }

/* What this request is about to write, to watch, or to read linearizably. The key is valid until args_of() is called again. */
static struct wish wish_of(struct engine *e, const struct session *s, const struct command *cmd, const struct slice *argv, uint32_t argc) {
    struct wish w = {0};
    bool linearizable = s->read_level == READ_LINEARIZABLE;
    if (!e->cluster->homes_count || (s->multi && (!is(cmd, "exec") || s->multi_failed))) return w;
    if (!s->multi) {
        if (command_writes(cmd, argv, argc) || is(cmd, "watch") || (linearizable && (cmd->flags & CMD_READ))) wish_for(e, cmd, argv, argc, &w);
        return w;
    }
    for (uint32_t i = 0; i < s->queue_count; i++) {
        const struct queued *q = &s->queue[i];
        if (linearizable || (q->command->flags & CMD_WRITE)) wish_for(e, q->command, args_of(e, buf_slice_of(&q->args), q->argc), q->argc, &w);
    }
    return w;
}

static bool is_cut_away(const struct engine *e, uint32_t dc) {
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++)
        if (e->cluster->nodes[i].dc == dc && link_reachable(e, i)) return false;
    return true;
}

static const char *dc_name(const struct engine *e, uint32_t dc) { return e->cluster->dcs[dc].name; }

static void refuse(struct engine *e, struct session_entry *se, const struct wish *w, const char *code, const char *words, const char *where) {
    struct reply reply = {.out = &se->s.out, .protocol = se->s.protocol};
    reply_error(&reply, "%s %.*s is written in %s, %s %s: nothing was written", code, (int)(w->key.n < SHOWN_MAX ? w->key.n : SHOWN_MAX),
                (const char *)w->key.p, dc_name(e, w->home->dc), words, where);
    if (se->s.multi) session_discard(&se->s);
}

enum home_way home_way(struct engine *e, struct session_entry *se, const struct command *cmd, const struct slice *argv, uint32_t argc,
                       uint32_t *ret_to) {
    struct wish w = wish_of(e, &se->s, cmd, argv, argc);
    if (!w.home) return HOME_ANYWHERE;
    bool away = w.home->dc != e->self_dc, cut = away && is_cut_away(e, w.home->dc), mixed = w.other || (away && se->s.watches_count);
    if (!mixed && !away) return HOME_ANYWHERE;
    if (!mixed && !cut) {
        *ret_to = e->leaders[w.home->dc];
        return HOME_THERE;
    }
    if (!mixed && w.home->writes_when_cut) return HOME_ANYWHERE;
    if (forward_refused(e, se, argv, argc)) return HOME_REFUSED; /* answers to those before it are to come */
    if (w.other)
        refuse(e, se, &w, "HOMES", "and something beside it in", dc_name(e, w.other->dc));
    else if (mixed)
        refuse(e, se, &w, "HOMES", "and what is watched beside it in", dc_name(e, e->self_dc));
    else
        refuse(e, se, &w, "HOMECUT", "which cannot be reached from", e->cluster->nodes[e->self].name);
    return HOME_REFUSED;
}

bool home_refuses(struct engine *e, struct session_entry *se, const struct command *cmd, const struct slice *argv, uint32_t argc) {
    struct wish w = wish_of(e, &se->s, cmd, argv, argc);
    if (!w.home || w.home->writes_when_cut || (w.home->dc == e->self_dc && !w.other)) return false;
    refuse(e, se, &w, "HOMES", "and this would be in", dc_name(e, w.other ? w.other->dc : e->self_dc));
    return true;
}
