/* What happens to nodes' disks: copies of them, and disks that are full, slow, or fail. */
#include "world_state.h"

#include <stdlib.h>
#include <string.h>

static struct backup **find(struct world *w, uint32_t node, const char *name) {
    struct backup **at = &w->backups;
    while (*at && ((*at)->node != node || strcmp((*at)->name, name) != 0)) at = &(*at)->next;
    return at;
}

static void backup_free(struct backup *b) {
    sim_store_destroy(b->store);
    free(b);
}

void disks_finish(struct world *w) {
    while (w->backups) {
        struct backup *b = w->backups;
        w->backups = b->next;
        backup_free(b);
    }
}

static void replace(struct world *w, struct node *n, struct sim_store *store, uint32_t backup) {
    sim_store_destroy(n->store);
    n->store = store;
    n->returning = true;
    if (w->watcher.replaced) w->watcher.replaced(w->watcher.arg, n->index, backup);
}

bool world_wipe(struct world *w, uint32_t node) {
    struct node *n = &w->nodes[node];
    if (node_alive(n)) return false;
    trace_note(w, node, "wipe", 0);
    replace(w, n, sim_store_create(), 0);
    return true;
}

void world_backup(struct world *w, uint32_t node, const char *name) {
    struct backup **at = find(w, node, name);
    if (*at) {
        struct backup *old = *at;
        *at = old->next;
        backup_free(old);
    }
    size_t n = strlen(name) + 1;
    struct backup *b = xmalloc(sizeof *b + n);
    *b = (struct backup){.next = w->backups, .node = node, .number = ++w->backups_count, .store = sim_store_copy(w->nodes[node].store)};
    memcpy(b->name, name, n);
    w->backups = b;
    trace_note(w, node, "backup", hash64(slice_text(name)));
    if (w->watcher.backed_up) w->watcher.backed_up(w->watcher.arg, node, b->number);
}

bool world_restore(struct world *w, uint32_t node, const char *name) {
    struct node *n = &w->nodes[node];
    const struct backup *b = *find(w, node, name);
    if (node_alive(n) || !b) return false;
    trace_note(w, node, "restore", hash64(slice_text(name)));
    replace(w, n, sim_store_copy(b->store), b->number);
    return true;
}

void world_disk(struct world *w, uint32_t node, enum disk_state state, uint64_t us) {
    struct node *n = &w->nodes[node];
    if (n->disk == state && n->disk_us == us) return;
    n->disk = state;
    n->disk_us = us;
    trace_note(w, node, "disk", state);
    enum disk_room room = state == DISK_FULL ? (prng_chance(&w->disk, 1, 2) ? ROOM_LOW : ROOM_NONE) : ROOM_ENOUGH;
    if (room == n->room) return;
    n->room = room;
    if (room == ROOM_ENOUGH) sim_store_fill(n->store, room);
    if (node_alive(n)) node_input(w, n, (struct waiting_input){.type = INPUT_DISK});
}

void world_damage(struct world *w, uint32_t node, uint64_t n) {
    sim_store_damage(w->nodes[node].store, n);
    trace_note(w, node, "damage", n);
}

uint64_t disk_commit_us(struct world *w, const struct node *n) {
    return world_draw(&w->disk, n->disk == DISK_SLOW ? n->disk_us : w->options.disk_us_max);
}

void disk_meddle(struct world *w, struct node *n) {
    if (n->disk != DISK_FAILING) return;
    n->disk = DISK_OK;
    sim_store_fail_commits(n->store, 1, prng_chance(&w->disk, 1, 2));
}
