#include "log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES_MAX 1024

static int log_fd = STDERR_FILENO;

bool log_open(const char *path) {
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : STDERR_FILENO;
    if (fd < 0) return false;
    log_fd = fd;
    return true;
}

static void put_line(const char *level, const char *format, va_list values) {
    char line[LINE_BYTES_MAX + 1];
    struct timespec t;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &utc);
    size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03ldZ %-7s ", t.tv_nsec / 1000000, level);
    int words = vsnprintf(line + n, LINE_BYTES_MAX - n, format, values);
    if (words > 0) n += (size_t)words < LINE_BYTES_MAX - n ? (size_t)words : LINE_BYTES_MAX - n - 1;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)line[i] < ' ') line[i] = ' '; /* names and reasons come from outside */
    line[n++] = '\n';
    if (write(log_fd, line, n) < 0) return; /* there is nobody left to tell */
}

#define LEVEL(name, text)                                                                                                                            \
    void name(const char *format, ...) {                                                                                                             \
        va_list values;                                                                                                                              \
        va_start(values, format);                                                                                                                    \
        put_line(text, format, values);                                                                                                              \
        va_end(values);                                                                                                                              \
    }
LEVEL(log_info, "info")
LEVEL(log_warning, "warning")
LEVEL(log_error, "error")
