/* Files as they are read whole, and JSON texts; what is wrong with them is said with its place. */
#pragma once
#include "bytes.h"
#include <jansson.h>

/* Appends what the file holds. False: *why holds one line that begins with its path. */
bool file_read(const char *path, uint32_t mib_max, struct buf *out, struct buf *why);
/* No key stands twice; `name` stands for the file in messages. NULL: *why holds one line such as
 *   cluster.json:12:3: '}' expected near end of file */
json_t *file_json(const char *name, struct slice text, struct buf *why);
