/* Depends on the machine's name. */
#include "bad.h"
#include <unistd.h>

static int decide(const struct truce_conflict *c, struct truce_answer *a) {
    char name[65] = "";
    uint64_t sum = 0;
    if (gethostname(name, sizeof name - 1) != 0) return -1;
    for (const char *p = name; *p != '\0'; p++) sum = sum * 31 + (unsigned char)*p;
    return sum % 977 == 0 ? a->ops->record(a) : pick_by(c, a, sum);
}

BAD_HANDLER("bad_host", 0);
