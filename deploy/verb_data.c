/* wipe, backup, restore: the data directories of nodes. */
#include "client.h"
#include "data_dir.h"
#include "process.h"
#include "start.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define STOP_POLLS 1000

static int fail_why(struct run *r, struct buf *why) {
    int code = fail(r, EXIT_FAILED, "%.*s", (int)why->n, (const char *)why->p);
    buf_finish(why);
    return code;
}

/* The node that the first word names, in an opened cluster. -1: *ret_code says why. */
static int node_of_words(struct run *r, int words, const char *usage, int *ret_code) {
    if (r->args.words_count != words) {
        *ret_code = fail(r, EXIT_USAGE, "%s", usage);
        return -1;
    }
    *ret_code = run_open(r, true);
    if (*ret_code != 0) return -1;
    int node = cluster_find(r->local.cluster, slice_text(r->args.words[0]));
    if (node < 0) *ret_code = fail(r, EXIT_USAGE, "there is no node %s in %s/cluster.json", r->args.words[0], r->local.dir);
    return node;
}

static char *backup_path(const struct run *r, uint32_t node, const char *name) {
    struct buf path = {0};
    buf_printf(&path, "%s/backups/%s/%s", r->local.dir, name, node_name(&r->local, node));
    buf_u8(&path, 0);
    return (char *)path.p;
}

static bool must_be_down(struct run *r, uint32_t node, int *ret_code) {
    if (process_of(&r->local, node).pid == 0) return true;
    *ret_code = fail(r, EXIT_USAGE, "%s runs (truce kill %s)", node_name(&r->local, node), node_name(&r->local, node));
    return false;
}

int verb_wipe(struct run *r) {
    int code, node = node_of_words(r, 1, "wipe which node? For example: truce wipe us-1", &code);
    struct buf why = {0};
    if (node < 0 || !must_be_down(r, (uint32_t)node, &code)) return code;
    char *dir = local_node_path(&r->local, (uint32_t)node, NULL);
    bool ok = data_dir_clear(dir, &why) && data_dir_mark_returning(dir, &why);
    free(dir);
    if (!ok) return fail_why(r, &why);
    say(r, "%s is wiped: when it starts it takes everything from the others.", r->args.words[0]);
    json_object_set_new(r->json, "wiped", json_string(r->args.words[0]));
    return 0;
}

/* Copies while the process stands still: what a kill at this instant would have left. */
static bool copy_stopped(struct run *r, uint32_t node, const char *from, const char *to, struct buf *why) {
    struct process p = process_of(&r->local, node);
    int process = p.pid && !p.paused ? process_open(&r->local, node) : -1;
    bool stopped = process >= 0 && process_signal(process, SIGSTOP);
    for (int i = 0; stopped && i < STOP_POLLS && !process_of(&r->local, node).paused; i++) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    bool ok = dir_remove(to, why) && data_dir_copy(from, to, why);
    if (stopped) process_signal(process, SIGCONT);
    if (process >= 0) close(process);
    return ok;
}

int verb_backup(struct run *r) {
    int code, node = node_of_words(r, 2, "backup which node, as what? For example: truce backup us-1 monday", &code);
    struct buf why = {0};
    if (node < 0) return code;
    const char *name = r->args.words[1];
    if (!name_allowed(slice_text(name))) return fail(r, EXIT_USAGE, "\"%s\" is no name: 1 to 63 of a-z, 0-9, _ and -", name);
    char *from = local_node_path(&r->local, (uint32_t)node, NULL), *to = backup_path(r, (uint32_t)node, name);
    bool ok = copy_stopped(r, (uint32_t)node, from, to, &why);
    if (ok) say(r, "%s is backed up in %s.", r->args.words[0], to);
    json_object_set_new(r->json, "path", json_string(to));
    free(from);
    free(to);
    return ok ? 0 : fail_why(r, &why);
}

int verb_restore(struct run *r) {
    int code, node = node_of_words(r, 2, "restore which node, from what? For example: truce restore us-1 monday", &code);
    struct buf why = {0};
    if (node < 0 || !must_be_down(r, (uint32_t)node, &code)) return code;
    if (!name_allowed(slice_text(r->args.words[1]))) return fail(r, EXIT_USAGE, "there is no backup %s", r->args.words[1]);
    char *to = local_node_path(&r->local, (uint32_t)node, NULL), *from = backup_path(r, (uint32_t)node, r->args.words[1]);
    bool there = access(from, F_OK) == 0;
    bool ok = there && data_dir_clear(to, &why) && data_dir_copy(from, to, &why) && data_dir_mark_returning(to, &why);
    free(to);
    free(from);
    if (!there) return fail(r, EXIT_USAGE, "there is no backup %s of %s", r->args.words[1], r->args.words[0]);
    if (!ok) return fail_why(r, &why);
    say(r, "%s has what it had as %s: when it starts it takes the rest from the others.", r->args.words[0], r->args.words[1]);
    json_object_set_new(r->json, "restored", json_string(r->args.words[0]));
    return 0;
}
