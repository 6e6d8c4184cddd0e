/* Data directories of nodes, as whole things: emptied, copied, marked. */
#pragma once
#include "../schemas/bytes.h"

/* Removes all that is in it but its log of lines for people. A directory that is not there is empty. False: *why. */
bool data_dir_clear(const char *dir, struct buf *why);
/* Copies the stores that are in it, and nothing else. The node that they belong to is not writing to them: it is down, or stopped by a signal, and
 * then the copy is what a kill would have left. `to` and what is above it are made. False: *why. */
bool data_dir_copy(const char *from, const char *to, struct buf *why);
/* Puts the file `returning` into it: what the node had, and others remember, may be missing here. False: *why. */
bool data_dir_mark_returning(const char *dir, struct buf *why);
/* The directory with all that is in it. A path that is not there is removed already. False: *why. */
bool dir_remove(const char *path, struct buf *why);
/* The directory and those above it. False: errno says why. */
bool dir_make(const char *path);
/* The bytes of one file. False: errno says why. */
bool file_copy(const char *from, const char *to);
