#include "data_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_MAX_DIRS 16
#define COPY_BYTES    ((size_t)1 << 30)
#define LOG           "log"
#define RETURNING     "returning"

static char *join(const char *dir, const char *name) {
    struct buf b = {0};
    buf_printf(&b, "%s/%s", dir, name);
    buf_u8(&b, 0);
    return (char *)b.p;
}

bool dir_make(const char *dir) {
    char *path = xstrdup(dir);
    for (char *p = path + 1; *p; p++) {
        if (*p != '/') continue;
        *p = '\0';
        mkdir(path, 0777);
        *p = '/';
    }
    struct stat st;
    bool ok = mkdir(path, 0777) == 0 || (stat(path, &st) == 0 && S_ISDIR(st.st_mode));
    free(path);
    return ok;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) { return remove(path); }

bool dir_remove(const char *path, struct buf *why) {
    bool ok = nftw(path, remove_one, OPEN_MAX_DIRS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0 || errno == ENOENT;
    if (!ok) buf_printf(why, "%s: %s", path, strerror(errno));
    return ok;
}

/* Calls for each name in the directory until one fails. */
static bool each_name(const char *dir, bool (*call)(const char *dir, const char *name, const char *to, struct buf *why), const char *to,
                      struct buf *why) {
    DIR *d = opendir(dir);
    if (d == NULL) {
        if (errno == ENOENT) return true;
        buf_printf(why, "%s: %s", dir, strerror(errno));
        return false;
    }
    bool ok = true;
    for (struct dirent *e; ok && (e = readdir(d)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) ok = call(dir, e->d_name, to, why);
    closedir(d);
    return ok;
}

static bool clear_one(const char *dir, const char *name, const char *to, struct buf *why) {
    if (strcmp(name, LOG) == 0) return true;
    char *path = join(dir, name);
    bool ok = dir_remove(path, why);
    free(path);
    return ok;
}

bool data_dir_clear(const char *dir, struct buf *why) { return each_name(dir, clear_one, NULL, why); }

/* ---- copies ---- */
bool file_copy(const char *from, const char *to) {
    int in = open(from, O_RDONLY | O_CLOEXEC), out = in >= 0 ? open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;
    ssize_t n = out >= 0 ? 1 : -1;
    while (n > 0) n = copy_file_range(in, NULL, out, NULL, COPY_BYTES, 0);
    if (n < 0 && out >= 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP)) {
        char bytes[65536];
        for (n = 1; n > 0;)
            if ((n = read(in, bytes, sizeof bytes)) > 0 && write(out, bytes, (size_t)n) != n) n = -1;
    }
    if (out >= 0 && close(out) != 0) n = -1;
    if (in >= 0) close(in);
    return n == 0;
}

static bool copy_one(const char *dir, const char *name, const char *to, struct buf *why) {
    char *from = join(dir, name), *there = join(to, name);
    struct stat st;
    bool ok = lstat(from, &st) == 0;
    if (ok && S_ISDIR(st.st_mode)) {
        ok = dir_make(there) && each_name(from, copy_one, there, why);
    } else if (ok && S_ISREG(st.st_mode)) {
        ok = file_copy(from, there);
    }
    if (!ok && why->n == 0) buf_printf(why, "%s to %s: %s", from, there, strerror(errno));
    free(from);
    free(there);
    return ok;
}

static bool copy_store(const char *dir, const char *name, const char *to, struct buf *why) {
    size_t n = strlen(name), end = strlen(".rocksdb");
    return n < end || strcmp(name + n - end, ".rocksdb") != 0 || copy_one(dir, name, to, why);
}

bool data_dir_copy(const char *from, const char *to, struct buf *why) {
    if (dir_make(to)) return each_name(from, copy_store, to, why);
    buf_printf(why, "%s: %s", to, strerror(errno));
    return false;
}

bool data_dir_mark_returning(const char *dir, struct buf *why) {
    char *path = join(dir, RETURNING);
    int fd = dir_make(dir) ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666) : -1;
    bool ok = fd >= 0 && close(fd) == 0;
    if (!ok) buf_printf(why, "%s: %s", path, strerror(errno));
    free(path);
    return ok;
}
