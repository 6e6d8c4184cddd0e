#include "commands.h"
#include <string.h>

#define R CMD_READ
#define W CMD_WRITE
#define F CMD_FAST

const struct command commands[] = {
#define X(function, name, arity, flags, first, last, step, group, summary) {name, cmd_##function, arity, flags, first, last, step, group, summary},
    COMMANDS(X)
#undef X
};
const uint32_t commands_count = sizeof commands / sizeof *commands;

/* Order of `name`, letters of either case, against a lower-case word. */
static int name_compare(struct slice name, const char *word) {
    for (size_t i = 0; i < name.n; i++) {
        int a = name.p[i], b = (unsigned char)word[i];
        if (a >= 'A' && a <= 'Z') a += 'a' - 'A';
        if (b == 0) return 1;
        if (a != b) return a - b;
    }
    return word[name.n] ? -1 : 0;
}

const struct command *command_find(struct slice name) {
    uint32_t low = 0, high = commands_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = name_compare(name, commands[middle].name);
        if (order == 0) return &commands[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
