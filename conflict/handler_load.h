/* Handlers from files: loading one, its identity, and whether it was admitted. Runs in child processes and in the `truce` command, never in a node.
 */
#pragma once
#include "handler.h"

struct loaded_handler {
    void *library;
    const struct truce_handler *handler;
    char path[512];
};
/* Checks ABI version, names and entry. False: one line in *why. */
bool handler_load(struct loaded_handler *ret, const char *path, struct buf *why);
void handler_unload(struct loaded_handler *h);

/* The name that a file NAME.so stands for. False: the file is not called so. */
bool handler_name_of_path(const char *path, char ret[static NAME_LEN_MAX + 1]);
/* hash64 of the file's bytes. */
bool handler_file_hash(const char *path, uint64_t *ret, struct buf *why);

/* The admission record beside it, x.so.admitted: JSON with the file's hash, the ABI version, what was checked and when. */
enum admission {
    ADMISSION_GRANTED,
    ADMISSION_NONE /* never checked */,
    ADMISSION_REFUSED /* the check found something: why */,
    ADMISSION_STALE /* the file is another now */
};
enum admission handler_admission(const char *path, uint64_t hash, struct buf *why);
char *handler_record_path(const char *path); /* the caller frees */

/* What is in a directory of handlers: NAME.so each. */
struct handler_file {
    char name[NAME_LEN_MAX + 1];
    char path[512];
    uint64_t hash;
    enum admission admission;
    bool wants_base;
    char why[256];
};
/* In order of name; returns how many (at most HANDLERS_MAX); -1: the directory cannot be read (a missing one is empty). wants_base comes from the
 * admission record. */
int handler_list(const char *directory, struct handler_file ret[HANDLERS_MAX], struct buf *why);
