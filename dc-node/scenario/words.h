/* The words of a command, quoted as redis-cli takes them; `$name` stands for a reply that was kept. */
#pragma once
#include "../../schemas/bytes.h"
#include <jansson.h>

struct words {
    struct slice *argv; /* owned, with their bytes */
    uint32_t argc;
};
void words_finish(struct words *w);
/* False: *why says "unbalanced quotes", "the command is empty", or "more than 256 words". */
bool words_split(const char *text, struct words *ret, struct buf *why);
/* In front of the others. */
void words_prepend(struct words *w, const struct slice *argv, uint32_t argc);
/* Puts kept replies in place: `$name`, of an object's member `$name.member`; `$$` is a dollar sign. Only names that are in `names` count, others
 * stay as they stand. False: there is no such reply; *why says so. */
bool words_expand(struct words *w, const json_t *names, const json_t *saved, struct buf *why);
