/* The disks of the live stage: data directories are emptied, copied and put back; a disk is full, slow or fails. Where this program may mount, a node
 * whose disk is going to be full has a small file system of its own. */
#include "data_dir.h"
#include "live_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SMALL_DISK    "size=160m" /* holds the stores' first files, which are made large at once */
#define BALLAST       "ballast"
#define BACKUPS       "backups"
#define OPEN_DIRS_MAX 16

/* ---- small disks ---- */
static void find_full(const struct scenario *s, bool ret[static NODES_MAX]) {
    for (uint32_t i = 0; i < s->steps_count; i++)
        for (uint32_t n = 0; n < s->cluster->nodes_count; n++)
            if (s->steps[i].verb == STEP_DISK && s->steps[i].disk == DISK_FULL && s->steps[i].nodes[n]) ret[n] = true;
}

static bool write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) close(fd);
    return ok;
}

/* Without the right to make namespaces, in a user namespace of its own, where it is root so that programs it starts may too; from there nobody comes
 * back into the network that he left. */
static bool leave(struct live *l, int what) {
    char map[64];
    uid_t user = getuid();
    gid_t group = getgid();
    if (unshare(what) == 0) return true;
    if (errno != EPERM || unshare(CLONE_NEWUSER | what | (l->options.namespaces ? CLONE_NEWNET : 0)) != 0) return false;
    l->left_network = l->options.namespaces;
    snprintf(map, sizeof map, "0 %u 1", user);
    bool ok = write_text("/proc/self/setgroups", "deny") && write_text("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", group);
    return ok && write_text("/proc/self/gid_map", map);
}

bool live_hide(struct live *l, struct buf *why) {
    if (l->hidden) return true;
    l->hidden = leave(l, CLONE_NEWNS) && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    if (!l->hidden) buf_printf(why, "%s", strerror(errno));
    return l->hidden;
}

void live_disk_init(struct live *l, struct buf *why) {
    bool full[NODES_MAX] = {0};
    find_full(l->base.scenario, full);
    for (uint32_t i = 0; i < live_nodes(l); i++) {
        if (!full[i]) continue;
        char *dir = local_node_path(&l->local, i, NULL);
        bool ok = live_hide(l, why);
        l->nodes[i].small_disk = ok && dir_make(dir) && mount("truce", dir, "tmpfs", MS_NOATIME, SMALL_DISK) == 0;
        if (ok && !l->nodes[i].small_disk) buf_printf(why, "%s", strerror(errno));
        if (!l->nodes[i].small_disk) buf_printf(why, ": no file system can be mounted here, and a full disk is made inside the node");
        free(dir);
        if (!l->nodes[i].small_disk) return;
    }
}

/* What is kept is put where others see it. */
void live_disk_finish(struct live *l, bool keep) {
    uint32_t count = l->local.cluster ? live_nodes(l) : 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!l->nodes[i].small_disk) continue;
        struct buf ignored = {0};
        char *dir = local_node_path(&l->local, i, NULL), *outside = local_path(&l->local, "kept");
        char *log = local_node_path(&l->local, i, "log"), *log_outside = local_path(&l->local, "kept-log");
        if (keep) data_dir_copy(dir, outside, &ignored);
        bool with_log = keep && file_copy(log, log_outside);
        umount2(dir, MNT_DETACH);
        if (keep && rmdir(dir) == 0) rename(outside, dir);
        if (with_log) rename(log_outside, log);
        free(dir), free(outside), free(log), free(log_outside);
        buf_finish(&ignored);
    }
}

/* ---- a full one ---- */
/* Files that were made larger than what is in them would still take what is written. */
static int give_back_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
    if (kind != FTW_F) return 0;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    off_t end = (st->st_size + 4095) / 4096 * 4096;
    if (fd >= 0) fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, end, (off_t)1 << 40);
    if (fd >= 0) close(fd);
    return 0;
}

static bool fill(struct live *l, uint32_t node, struct buf *why) {
    char *dir = local_node_path(&l->local, node, NULL), *ballast = local_node_path(&l->local, node, BALLAST);
    struct statvfs v;
    nftw(dir, give_back_one, OPEN_DIRS_MAX, FTW_PHYS | FTW_MOUNT);
    int fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    off_t size = 0;
    /* A node that runs makes and removes files meanwhile. */
    bool ok = fd >= 0;
    for (int i = 0; ok && i < 10 && statvfs(dir, &v) == 0 && v.f_bavail > 0; i++) {
        off_t more = (off_t)v.f_bavail * (off_t)v.f_bsize;
        if (fallocate(fd, 0, size, more) == 0) size += more;
    }
    if (!ok) buf_printf(why, "%s: %s", ballast, strerror(errno));
    if (fd >= 0) close(fd);
    free(dir);
    free(ballast);
    return ok;
}

static void make_room(struct live *l, uint32_t node) {
    char *ballast = local_node_path(&l->local, node, BALLAST);
    unlink(ballast);
    free(ballast);
}

/* The node is told too: a page that is the log's already would still take some commits. */
static bool act_disk(struct live *l, const struct act *a, struct buf *why) {
    struct live_node *n = &l->nodes[a->node];
    bool ok = true;
    if (n->small_disk && n->disk == DISK_FULL && a->disk != DISK_FULL) make_room(l, a->node);
    if (n->small_disk && a->disk == DISK_FULL) ok = fill(l, a->node, why);
    static const char *const words[] = {"disk in order", "disk full", "disk slow", "disk failing"};
    n->disk = a->disk;
    n->disk_us = a->disk_us;
    live_note(l, MOMENT_NODE, a->node, "%s", words[a->disk]);
    if (n->pid == 0) return ok;
    if (a->disk == DISK_SLOW)
        live_order(l, a->node, "DISK SLOW %llu", (unsigned long long)((a->disk_us + 999) / 1000));
    else
        live_order(l, a->node, "DISK %s", a->disk == DISK_FULL ? "FULL" : a->disk == DISK_FAILING ? "FAIL" : "OK");
    return ok;
}

/* ---- whole directories ---- */
static char *backup_path(const struct live *l, uint32_t node, const char *name) {
    struct buf b = {0};
    buf_printf(&b, "%s/" BACKUPS "/%s/%s", l->local.dir, name, node_name(&l->local, node));
    buf_u8(&b, 0);
    return (char *)b.p;
}

/* Of a node that runs it is what a kill at this instant would have left. */
static bool back_up(struct live *l, const struct act *a, struct buf *why) {
    struct live_node *n = &l->nodes[a->node];
    bool running = n->pid && !n->paused;
    char *to = backup_path(l, a->node, a->name), *from = local_node_path(&l->local, a->node, NULL);
    bool ok = dir_remove(to, why) && (!running || live_pause(l, a->node, why)) && data_dir_copy(from, to, why);
    if (running) live_resume(l, a->node);
    free(to);
    free(from);
    return ok;
}

static bool put_back(struct live *l, const struct act *a, struct buf *why) {
    char *to = local_node_path(&l->local, a->node, NULL), *from = a->kind == STEP_RESTORE ? backup_path(l, a->node, a->name) : NULL;
    bool ok = l->nodes[a->node].pid == 0;
    if (!ok) buf_printf(why, "%s runs", node_name(&l->local, a->node));
    if (ok && from && access(from, F_OK) != 0) {
        buf_printf(why, "there is no backup %s of %s", a->name, node_name(&l->local, a->node));
        ok = false;
    }
    ok = ok && data_dir_clear(to, why) && (from == NULL || data_dir_copy(from, to, why)) && data_dir_mark_returning(to, why);
    free(to);
    free(from);
    return ok;
}

bool live_act_disk(struct live *l, const struct act *a, struct buf *why) {
    if (a->kind == STEP_DISK) return act_disk(l, a, why);
    bool ok = a->kind == STEP_BACKUP ? back_up(l, a, why) : put_back(l, a, why);
    if (ok) live_note(l, MOMENT_NODE, a->node, "%s", a->kind == STEP_BACKUP ? "backed up" : a->kind == STEP_WIPE ? "wiped" : "restored");
    return ok;
}
