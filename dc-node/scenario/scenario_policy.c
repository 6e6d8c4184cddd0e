/* Another policy in place of a table's own: what if. */
#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* `TRUCE.TABLE SET|RESET table ...` sets the other policy instead. NULL: it is another command; the caller owns the text. */
static json_t *with_policy(const json_t *command, const char *table, struct slice policy) {
    const char *text = json_string_value(command), *rest;
    char verb[16], name[NAME_LEN_MAX + 2];
    int used = 0;
    if (text == NULL || strncasecmp(text, "TRUCE.TABLE ", 12) != 0 || sscanf(text + 12, "%15s %64s%n", verb, name, &used) != 2) return NULL;
    if (strcmp(name, table) != 0 || (strcasecmp(verb, "SET") != 0 && strcasecmp(verb, "RESET") != 0)) return NULL;
    rest = text + 12 + used;
    rest += strspn(rest, " ");
    rest += strcspn(rest, " "); /* the policy that was set */
    return json_sprintf("TRUCE.TABLE SET %s %.*s%s", table, (int)policy.n, (const char *)policy.p, rest);
}

/* A table may be defined while the scenario runs: then this other policy is what is defined. */
static void set_in_steps(json_t *steps, const char *table, struct slice policy) {
    json_t *step, *one;
    size_t i, k;
    json_array_foreach(steps, i, step) {
        json_t *command = json_object_get(step, "do"), *other = with_policy(command, table, policy);
        if (other != NULL) {
            json_object_set_new(step, "do", other);
            continue;
        }
        if (!json_is_array(command)) continue;
        json_array_foreach(command, k, one) {
            other = with_policy(one, table, policy);
            if (other != NULL) json_array_set_new(command, k, other);
        }
    }
}

bool scenario_set_policy(json_t *file, const char *table_and_policy, struct buf *why) {
    struct slice table, policy;
    enum policy parsed;
    struct handler_chain chain;
    char name[NAME_LEN_MAX + 1];
    const char *equals = strchr(table_and_policy, '=');
    buf_clear(why);
    table = SLICE(table_and_policy, equals == NULL ? 0 : (size_t)(equals - table_and_policy));
    policy = slice_text(equals == NULL ? "" : equals + 1);
    if (equals == NULL || table.n > NAME_LEN_MAX || (!slice_equal(table, slice_text("*")) && !name_allowed(table))) {
        buf_printf(why, "expected TABLE=POLICY, such as users=record, got \"%.100s\"", table_and_policy);
        return false;
    }
    if (!policy_parse(policy, &parsed, &chain, why)) return false;
    memcpy(name, table.p, table.n);
    name[table.n] = '\0';
    json_t *tables = json_object_get(file, "tables");
    if (tables == NULL && json_is_object(file)) {
        tables = json_object();
        json_object_set_new(file, "tables", tables);
    }
    json_t *there = json_object_get(tables, name);
    if (!json_is_object(there)) {
        there = json_object();
        json_object_set_new(tables, name, there);
        there = json_object_get(tables, name);
    }
    json_object_set_new(there, "conflict", json_stringn((const char *)policy.p, policy.n));
    if (parsed != POLICY_HANDLER) json_object_del(there, "settings"); /* they are the handlers' */
    set_in_steps(json_object_get(file, "steps"), name, policy);
    return true;
}
