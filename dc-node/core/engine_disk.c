/* A disk without room (DISK in engine.h): no event is made or taken until there is some again; the node goes on reading and sending. */
#include "state.h"
#include <stdio.h>

void disk_step(struct engine *e, const struct input *in) {
    bool again = e->room != ROOM_ENOUGH && in->room == ROOM_ENOUGH;
    e->room = in->room;
    if (!again) return;
    for (uint32_t i = 0; i < e->cluster->nodes_count; i++) e->links[i].scope = 0; /* what came meanwhile was not taken: subscribe again */
    handlers_sweep(e);
}

const char *disk_words(const struct engine *e, char *text, size_t n) {
    snprintf(text, n, "the disk of %s is full: it takes no writes until there is room again, and goes on reading and sending",
             e->cluster->nodes[e->self].name);
    return text;
}

void disk_refuse(struct engine *e, struct reply *reply) {
    char text[200];
    reply_error(reply, "DISKFULL %s", disk_words(e, text, sizeof text));
}

void disk_refuse_txn(struct engine *e, struct session *s, size_t reply_mark, const struct command *cmd) {
    struct reply reply = {.out = &s->out, .protocol = s->protocol};
    char text[200];
    txn_rollback(&e->txn, (struct txn_mark){0});
    s->out.n = reply_mark;
    if (strcmp(cmd->name, "exec") == 0)
        reply_error(&reply, "EXECABORT Transaction discarded because of: DISKFULL %s", disk_words(e, text, sizeof text));
    else
        disk_refuse(e, &reply);
}

void disk_alarms(struct engine *e, void (*each)(void *arg, const char *text), void *arg) {
    char text[200];
    if (e->room != ROOM_ENOUGH) each(arg, disk_words(e, text, sizeof text));
}
