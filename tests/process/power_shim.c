/* Put beneath a node by the tests of power cuts: notes in $POWER_SHIM_NOTES/NODE.synced how far each file under $POWER_SHIM_NOTES/NODE/ is synced, a
 * line `inode bytes` each, before the caller is told that it is. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int (*real_open)(const char *, int, ...);

static void *next_of(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) abort();
    return found;
}

static void find_open(void) {
    if (real_open == NULL) *(void **)&real_open = next_of("open64");
}

/* The file of notes for the file behind fd; false: it is none of a node. */
static bool notes_of(int fd, char *ret, size_t n) {
    const char *root = getenv("POWER_SHIM_NOTES");
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t got = readlink(link, path, sizeof path - 1);
    if (root == NULL || got <= 0) return false;
    path[got] = '\0';
    size_t root_n = strlen(root);
    char *node = path + root_n + 1, *end = NULL;
    if (strncmp(path, root, root_n) == 0 && path[root_n] == '/') end = strchr(node, '/');
    if (end == NULL) return false;
    *end = '\0';
    return snprintf(ret, n, "%s/%s.synced", root, node) < (int)n;
}

static void note(int fd, const struct stat *st, off_t bytes) {
    char notes[PATH_MAX], line[64];
    if (!S_ISREG(st->st_mode) || !notes_of(fd, notes, sizeof notes)) return;
    find_open();
    int to = real_open(notes, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    int n = snprintf(line, sizeof line, "%llu %lld\n", (unsigned long long)st->st_ino, (long long)bytes);
    if (to < 0 || write(to, line, (size_t)n) != n) abort();
    close(to);
}

/* What was there before the call is what is synced after it. */
static int synced(int fd, const char *name) {
    int (*real)(int);
    struct stat st;
    *(void **)&real = next_of(name);
    bool there = fstat(fd, &st) == 0;
    int result = real(fd);
    if (result == 0 && there) note(fd, &st, st.st_size);
    return result;
}

int fsync(int fd) { return synced(fd, "fsync"); }
int fdatasync(int fd) { return synced(fd, "fdatasync"); }

/* A new file may have the inode of one that is gone. */
static int opened(int fd, int flags) {
    struct stat st;
    if (fd >= 0 && (flags & O_CREAT) && fstat(fd, &st) == 0 && st.st_size == 0) note(fd, &st, 0);
    return fd;
}

#define OPENS(name)                                                                                                                                  \
    int name(const char *path, int flags, ...) {                                                                                                     \
        va_list more;                                                                                                                                \
        va_start(more, flags);                                                                                                                       \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                                                                      \
        va_end(more);                                                                                                                                \
        find_open();                                                                                                                                 \
        return opened(real_open(path, flags, mode), flags);                                                                                          \
    }
OPENS(open)
OPENS(open64)
