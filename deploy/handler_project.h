/* The project that `truce handler new` writes: source, test, build files and the header, enough to build it anywhere. */
#pragma once
#include "../schemas/bytes.h"

#include <jansson.h>

/* Writes it into `dir`, which is made; files that are there already are left alone, and that is a fault. The paths written are appended to `files`.
 * False: *why. */
bool handler_project(const char *name, const char *dir, json_t *files, struct buf *why);
