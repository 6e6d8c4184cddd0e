#include "args.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct option_field {
    const char *name;
    bool wants_value;
    size_t offset;
} fields[] = {
#define X(name, wants_value, value, doc) {#name, wants_value, offsetof(struct args, name)},
    OPTIONS(X)
#undef X
};
#define FIELDS_COUNT (sizeof fields / sizeof fields[0])

void option_name(const char *field, char ret[static 32]) {
    size_t i = 0;
    for (; field[i] && i < 31; i++) ret[i] = field[i] == '_' ? '-' : field[i];
    ret[i] = '\0';
}

bool verb_takes(const struct verb *v, const char *option) {
    if (strcmp(option, "dir") == 0 || strcmp(option, "json") == 0) return true;
    size_t n = strlen(option);
    for (const char *p = v->options; *p; p += strcspn(p, " "), p += *p == ' ')
        if (strncmp(p, option, n) == 0 && (p[n] == ' ' || p[n] == '\0')) return true;
    return false;
}

const struct verb *verb_find(const char *name) {
    for (int i = 0; i < verbs_count; i++) {
        char own[32];
        option_name(verbs[i].name, own);
        if (strcmp(own, name) == 0) return &verbs[i];
    }
    return NULL;
}

/* Takes the option at argv[i]; returns how many arguments it took, 0 on a fault. */
static int take_option(char **argv, int argc, int i, struct args *ret, char why[static 256]) {
    const char *text = argv[i] + 2;
    size_t n = strcspn(text, "=");
    for (size_t f = 0; f < FIELDS_COUNT; f++) {
        char name[32];
        option_name(fields[f].name, name);
        if (strlen(name) != n || strncmp(name, text, n) != 0) continue;
        const char *value = fields[f].wants_value ? NULL : name;
        int taken = 1;
        if (text[n] == '=' && !fields[f].wants_value) {
            snprintf(why, 256, "--%s takes no value", name);
            return 0;
        }
        if (text[n] == '=') value = text + n + 1;
        if (value == NULL && i + 1 < argc) value = argv[i + 1], taken = 2;
        if (value == NULL) {
            snprintf(why, 256, "--%s wants a value", name);
            return 0;
        }
        if (fields[f].wants_value && ret->given_count == ARGS_GIVEN_MAX) {
            snprintf(why, 256, "more than %d options", ARGS_GIVEN_MAX);
            return 0;
        }
        if (fields[f].wants_value) {
            ret->given[ret->given_count].option = fields[f].name;
            ret->given[ret->given_count++].value = value;
        }
        if (!fields[f].wants_value) value = argv[i];
        memcpy((char *)ret + fields[f].offset, &value, sizeof value);
        return taken;
    }
    snprintf(why, 256, "unknown option %.100s", argv[i]);
    return 0;
}

static bool check_options(const struct args *a, char why[static 256]) {
    const struct verb *v = verb_find(a->verb);
    for (size_t f = 0; v != NULL && f < FIELDS_COUNT; f++) {
        const char *value;
        char name[32];
        memcpy(&value, (const char *)a + fields[f].offset, sizeof value);
        option_name(fields[f].name, name);
        if (value == NULL || verb_takes(v, name)) continue;
        snprintf(why, 256, "%.100s takes no --%s", a->verb, name);
        return false;
    }
    return true;
}

bool args_parse(int argc, char **argv, struct args *ret, char ret_why[static 256]) {
    *ret = (struct args){0};
    int words = 1;
    for (int i = 1; i < argc;) {
        if (strcmp(argv[i], "--") == 0) {
            for (i++; i < argc; i++) argv[words++] = argv[i];
        } else if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "--version") != 0) {
            int taken = take_option(argv, argc, i, ret, ret_why);
            if (taken == 0) return false;
            i += taken;
        } else {
            argv[words++] = argv[i++];
        }
    }
    ret->verb = words > 1 ? argv[1] : "help";
    if (strcmp(ret->verb, "--help") == 0 || strcmp(ret->verb, "-h") == 0) ret->verb = "help";
    if (strcmp(ret->verb, "--version") == 0) ret->verb = "version";
    ret->words = argv + 2;
    ret->words_count = words > 2 ? words - 2 : 0;
    if (verb_find(ret->verb) == NULL) {
        snprintf(ret_why, 256, "unknown verb %.100s", ret->verb);
        return false;
    }
    return check_options(ret, ret_why);
}
