/* The node's log: lines of time, level and words. */
#pragma once
#include <stdbool.h>

/* To the end of a file; NULL: standard error. False: errno says why. Before it is called lines go to standard error. */
bool log_open(const char *path);
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
