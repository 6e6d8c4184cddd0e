#include "sides.h"

#include <stdlib.h>
#include <string.h>

#define SEPARATORS " \t,"

bool sides_enter(const struct cluster *c, const char *name, bool side[static NODES_MAX]) {
    int node = cluster_find(c, slice_text(name)), dc = cluster_find_dc(c, slice_text(name));
    if (node < 0 && dc < 0) return false;
    for (uint32_t i = 0; i < c->nodes_count; i++)
        if ((int)i == node || (node < 0 && (int)c->nodes[i].dc == dc)) side[i] = true;
    return true;
}

/* The names of one side; *ret_all: it is `*`. */
static bool enter_side(const struct cluster *c, char *names, bool side[static NODES_MAX], bool *ret_all, struct buf *why) {
    char *save = NULL;
    int count = 0;
    *ret_all = false;
    for (char *name = strtok_r(names, SEPARATORS, &save); name != NULL; name = strtok_r(NULL, SEPARATORS, &save), count++) {
        if (strcmp(name, "*") == 0) {
            *ret_all = true;
        } else if (!sides_enter(c, name, side)) {
            buf_printf(why, "there is no datacenter or node %s", name);
            return false;
        }
    }
    if (count == 0) buf_printf(why, "one side has no name; write 'eu | us ap', or 'eu > us' for one direction");
    return count > 0;
}

/* Two names without an operator, or one name against all others. */
static bool split_bare(char *text, char **ret_a, char **ret_b, struct buf *why) {
    static char everybody[] = "*";
    char *save = NULL;
    *ret_a = strtok_r(text, SEPARATORS, &save);
    *ret_b = strtok_r(NULL, SEPARATORS, &save);
    if (*ret_b == NULL) *ret_b = everybody;
    if (*ret_a == NULL)
        buf_printf(why, "between whom? Write two names, 'eu | us ap', or 'eu > us' for one direction");
    else if (strtok_r(NULL, SEPARATORS, &save) != NULL)
        buf_printf(why, "which of them are on which side? Write 'eu | us ap', in quotes");
    else
        return true;
    return false;
}

static bool oppose(const struct cluster *c, struct sides *s, bool all_a, bool all_b, struct buf *why) {
    uint32_t count_a = 0, count_b = 0;
    if (all_a && all_b) buf_printf(why, "only one side can be *");
    if (all_a && all_b) return false;
    for (uint32_t i = 0; i < c->nodes_count; i++) {
        if (all_a) s->a[i] = !s->b[i];
        if (all_b) s->b[i] = !s->a[i];
        if (s->a[i] && s->b[i]) {
            buf_printf(why, "%s is on both sides", c->nodes[i].name);
            return false;
        }
        count_a += s->a[i];
        count_b += s->b[i];
    }
    if (count_a == 0 || count_b == 0) buf_printf(why, "nobody is on the other side");
    return count_a > 0 && count_b > 0;
}

bool sides_parse(const struct cluster *c, char **words, int words_count, struct sides *ret, struct buf *why) {
    struct buf joined = {0};
    for (int i = 0; i < words_count; i++) buf_printf(&joined, "%s ", words[i]);
    buf_u8(&joined, 0);
    char *text = (char *)joined.p, *a = text, *b;
    struct sides sides = {0};
    bool all_a = false, all_b = false, ok = true;
    size_t at = strcspn(text, "|>");
    if (text[at] == '\0') {
        ok = split_bare(text, &a, &b, why);
    } else {
        sides.one_way = text[at] == '>';
        text[at] = '\0';
        b = text + at + 1;
        if (strpbrk(b, "|>") != NULL) buf_printf(why, "there is more than one | or >");
        ok = strpbrk(b, "|>") == NULL;
    }
    ok = ok && enter_side(c, a, sides.a, &all_a, why) && enter_side(c, b, sides.b, &all_b, why) && oppose(c, &sides, all_a, all_b, why);
    buf_finish(&joined);
    if (ok) *ret = sides;
    return ok;
}
