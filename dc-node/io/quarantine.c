#include "quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK          "damaged"
#define ASIDE         "set-aside"
#define RETURNING     "returning"
#define WORD          "set aside"
#define OPEN_MAX_DIRS 16

static const char *const databases[] = {"log.rocksdb", "rows.rocksdb"};

static bool path_of(char ret[static PATH_MAX], const char *dir, const char *name) {
    if (snprintf(ret, PATH_MAX, "%s/%s", dir, name) < PATH_MAX) return true;
    errno = ENAMETOOLONG;
    return false;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static bool remove_all(const char *path) { return nftw(path, remove_one, OPEN_MAX_DIRS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0 || errno == ENOENT; }

static bool sync_dir(const char *dir) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) close(fd);
    return good;
}

static bool write_durably(const char *dir, const char *name, const char *text) {
    char path[PATH_MAX];
    int fd = path_of(path, dir, name) ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
    size_t n = strlen(text);
    bool good = fd >= 0 && write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;
    if (fd >= 0) close(fd);
    return good && sync_dir(dir);
}

bool quarantine_mark(const char *data_dir, const char *why) {
    char aside[PATH_MAX];
    return path_of(aside, data_dir, ASIDE) && remove_all(aside) && write_durably(data_dir, MARK, why);
}

/* Missing: it was moved before a crash. */
static bool move_aside(const char *data_dir, const char *aside, const char *name) {
    char from[PATH_MAX], to[PATH_MAX];
    return path_of(from, data_dir, name) && path_of(to, aside, name) && (rename(from, to) == 0 || errno == ENOENT);
}

bool quarantine_carry_out(const char *data_dir, bool *ret_done) {
    char mark[PATH_MAX], aside[PATH_MAX];
    *ret_done = false;
    if (!path_of(mark, data_dir, MARK) || !path_of(aside, data_dir, ASIDE)) return false;
    if (access(mark, F_OK) != 0) return errno == ENOENT;
    if (!write_durably(data_dir, RETURNING, WORD)) return false; /* before anything is missing */
    if (mkdir(aside, 0700) != 0 && errno != EEXIST) return false;
    for (size_t i = 0; i < sizeof databases / sizeof databases[0]; i++)
        if (!move_aside(data_dir, aside, databases[i])) return false;
    *ret_done = sync_dir(aside) && sync_dir(data_dir) && move_aside(data_dir, aside, MARK) && sync_dir(data_dir);
    return *ret_done;
}

bool quarantine_lasts(const char *data_dir) {
    char path[PATH_MAX], text[sizeof WORD] = "";
    int fd = path_of(path, data_dir, RETURNING) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0) close(fd);
    return n == (ssize_t)strlen(WORD) && strcmp(text, WORD) == 0;
}
