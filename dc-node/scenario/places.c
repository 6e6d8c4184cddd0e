#include "places.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

struct place {
    uint32_t line;
    uint32_t parent, first, last, next; /* NONE: there is none */
    uint32_t listed, listed_count;      /* its children in `list`; of members of the whole alone */
    size_t key, key_n;                  /* in the text, as it is written; of members of objects */
    bool is_object;
};

struct places {
    char *text;
    struct place *all; /* in order of the document; the first is the whole */
    uint32_t count, cap;
    uint32_t *list;
};

/* ---- scanning: the text is known to be well formed ---- */
struct scan {
    struct places *p;
    size_t at, n;
    uint32_t line, parent;
    bool has_key; /* a key was read, and its value is to come */
    size_t key, key_n;
};

static uint32_t add(struct scan *s, bool is_object) {
    struct places *p = s->p;
    if (p->count == p->cap) {
        p->cap = p->cap == 0 ? 64 : 2 * p->cap;
        p->all = xrealloc(p->all, p->cap * sizeof *p->all);
    }
    uint32_t index = p->count++;
    p->all[index] = (struct place){.line = s->line, .parent = s->parent, .first = NONE, .last = NONE, .next = NONE, .is_object = is_object};
    if (s->has_key) p->all[index].key = s->key, p->all[index].key_n = s->key_n;
    s->has_key = false;
    if (s->parent == NONE) return index;
    struct place *parent = &p->all[s->parent];
    if (parent->first == NONE)
        parent->first = index;
    else
        p->all[parent->last].next = index;
    parent->last = index;
    return index;
}

static void scan_string(struct scan *s) {
    size_t from = ++s->at;
    const char *text = s->p->text;
    while (s->at < s->n && text[s->at] != '"') s->at += text[s->at] == '\\' ? 2 : 1;
    if (s->parent != NONE && s->p->all[s->parent].is_object && !s->has_key) {
        s->has_key = true;
        s->key = from;
        s->key_n = s->at - from;
    } else {
        add(s, false);
    }
    s->at++;
}

static void scan_scalar(struct scan *s) {
    add(s, false);
    while (s->at < s->n && strchr(",]} \t\r\n", s->p->text[s->at]) == NULL) s->at++;
}

/* There may be many steps: each is found at once. */
static void list_elements(struct places *p) {
    uint32_t n = 0;
    p->list = xmalloc((size_t)p->count * sizeof *p->list);
    for (uint32_t m = p->count == 0 ? NONE : p->all[0].first; m != NONE; m = p->all[m].next) {
        p->all[m].listed = n;
        for (uint32_t i = p->all[m].first; i != NONE; i = p->all[i].next) p->list[n++] = i;
        p->all[m].listed_count = n - p->all[m].listed;
    }
}

struct places *places_scan(struct slice json) {
    struct places *p = xcalloc(1, sizeof *p);
    p->text = xmalloc(json.n + 1);
    memcpy(p->text, json.p, json.n);
    p->text[json.n] = '\0';
    struct scan s = {.p = p, .n = json.n, .line = 1, .parent = NONE};
    while (s.at < s.n) {
        char c = p->text[s.at];
        if (c == '{' || c == '[') {
            s.parent = add(&s, c == '{');
        } else if (c == '}' || c == ']') {
            if (s.parent != NONE) s.parent = p->all[s.parent].parent;
        } else if (c == '"') {
            scan_string(&s);
            continue;
        } else if (c == '\n') {
            s.line++;
        } else if (strchr(" \t\r,:", c) == NULL) {
            scan_scalar(&s);
            continue;
        }
        s.at++;
    }
    list_elements(p);
    return p;
}

void places_destroy(struct places *p) {
    if (p == NULL) return;
    free(p->text);
    free(p->all);
    free(p->list);
    free(p);
}

/* ---- finding ---- */
/* The member whose key is the path, or its beginning up to a dot; *ret_rest is what follows. Of several the longest. */
static uint32_t find_member(const struct places *p, uint32_t object, const char *path, const char **ret_rest) {
    uint32_t found = NONE;
    size_t longest = 0;
    for (uint32_t i = p->all[object].first; i != NONE; i = p->all[i].next) {
        size_t n = p->all[i].key_n;
        if (strncmp(path, p->text + p->all[i].key, n) != 0 || (path[n] != '.' && path[n] != '\0')) continue;
        if (found != NONE && n <= longest) continue;
        found = i;
        longest = n;
    }
    if (found != NONE) *ret_rest = path + longest + (path[longest] == '.' ? 1 : 0);
    return found;
}

uint32_t places_line(const struct places *p, const char *path) {
    uint32_t at = 0, next;
    if (p == NULL || p->count == 0) return 0;
    while (path[0] != '\0' && p->all[at].is_object && (next = find_member(p, at, path, &path)) != NONE) at = next;
    return p->all[at].line;
}

uint32_t places_element(const struct places *p, const char *key, size_t index) {
    const char *rest;
    if (p == NULL || p->count == 0 || !p->all[0].is_object) return 0;
    uint32_t at = find_member(p, 0, key, &rest);
    if (at == NONE) return 0;
    const struct place *array = &p->all[at];
    return index < array->listed_count ? p->all[p->list[array->listed + index]].line : 0;
}
