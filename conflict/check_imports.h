/* What a handler's shared object asks of the world by name, and a pretended world in its place (the child side of the admission check). */
#pragma once
#include "../schemas/bytes.h"

/* group, what a handler must not do, in words */
#define IMPORT_GROUPS(X)                                                                                                                             \
    X(CLOCK, "reads a clock")                                                                                                                        \
    X(RANDOM, "draws random numbers, or numbers that depend on earlier calls")                                                                       \
    X(PLACE, "asks where it runs")                                                                                                                   \
    X(FILES, "reaches files, programs or the network")                                                                                               \
    X(THREADS, "starts something beside itself")                                                                                                     \
    X(WAITS, "waits")                                                                                                                                \
    X(PROCESS, "changes the process that it runs in")                                                                                                \
    X(KERNEL, "calls the kernel past the C library")
enum import_group {
#define X(name, words) IMPORT_##name,
    IMPORT_GROUPS(X)
#undef X
};

/* Calls each(arg, symbol, words) for every symbol that it imports and must not; `library` is of dlopen(). Each symbol once, in order of the file. */
void imports_banned(void *library, void (*each)(void *arg, const char *symbol, const char *words), void *arg);

/* From now on its calls of these functions reach pretended ones: a clock that stands elsewhere and leaps; another host, process, user, environment.
 */
void imports_pretend_clock(void *library);
void imports_pretend_place(void *library);
