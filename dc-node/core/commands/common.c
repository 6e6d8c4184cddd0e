#include "commands.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- arguments ---- */

bool parse_integer(struct slice s, int64_t *ret) {
    size_t i = 0;
    bool negative = s.n > 0 && s.p[0] == '-';
    if (negative) i++;
    size_t digits = s.n - i;
    if (digits == 0 || digits > 19) return false;
    if (s.p[i] == '0' && (negative || digits > 1)) return false;
    uint64_t magnitude = 0;
    for (; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return false;
        magnitude = magnitude * 10 + (s.p[i] - '0'); /* 19 digits stay below 2^64 */
    }
    if (magnitude > (uint64_t)INT64_MAX + negative) return false;
    *ret = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

bool parse_double(struct slice s, long double *ret) {
    char text[DECIMAL_BYTES_MAX];
    if (s.n == 0 || s.n >= sizeof text) return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    if (text[0] == ' ' || (text[0] >= '\t' && text[0] <= '\r')) return false;
    char *end;
    errno = 0;
    long double v = strtold(text, &end);
    if ((size_t)(end - text) != s.n || isnan(v)) return false;
    if (errno == ERANGE && (isinf(v) || v == 0)) return false;
    *ret = v;
    return true;
}

bool want_range(struct call *c, struct slice s, int64_t min, int64_t max, const char *message, int64_t *ret) {
    int64_t v;
    if (!parse_integer(s, &v)) {
        reply_error(c->reply, "ERR %s", message ? message : "value is not an integer or out of range");
        return false;
    }
    if (v < min || v > max) {
        if (message)
            reply_error(c->reply, "ERR %s", message);
        else
            reply_error(c->reply, "ERR value is out of range, value must between %lld and %lld", (long long)min, (long long)max);
        return false;
    }
    *ret = v;
    return true;
}

bool want_integer(struct call *c, struct slice s, int64_t *ret) { return want_range(c, s, INT64_MIN, INT64_MAX, NULL, ret); }

bool want_type(struct call *c, struct slice key, enum content_type type, struct slice *ret_content) {
    struct slice content = txn_get(c->txn, key);
    if (content.n && content_type(content) != type) {
        reply_error(c->reply, "WRONGTYPE Operation against a key holding the wrong kind of value");
        return false;
    }
    *ret_content = content;
    return true;
}

const char *content_type_name(enum content_type type) {
    switch (type) {
    case CONTENT_STRING: return "string";
    case CONTENT_HASH: return "hash";
    case CONTENT_SET: return "set";
    case CONTENT_NONE: break;
    }
    return "none";
}

/* ---- error replies ---- */

struct command_name command_name(const struct call *c) {
    struct command_name name = {0};
    struct slice given = arg(c, 0);
    for (size_t i = 0; i < given.n && i + 1 < sizeof name.text; i++) {
        char letter = (char)given.p[i];
        name.text[i] = letter >= 'A' && letter <= 'Z' ? (char)(letter + ('a' - 'A')) : letter;
    }
    return name;
}

void reply_syntax(struct call *c) { reply_error(c->reply, "ERR syntax error"); }

void reply_wrong_arity(struct call *c) {
    struct command_name name = command_name(c);
    const char *code = strcmp(name.text, "exec") == 0 ? "EXECABORT Transaction discarded because of:" : "ERR";
    reply_error(c->reply, "%s wrong number of arguments for '%s' command", code, name.text);
}

void reply_unknown_command(struct call *c) {
    char args[256];
    size_t used = 0;
    args[0] = 0;
    for (uint32_t i = 1; i < c->argc && used < 128; i++) {
        struct slice a = arg(c, i);
        size_t room = 128 - used;
        used += (size_t)snprintf(args + used, sizeof args - used, "'%.*s' ", (int)(a.n < room ? a.n : room), (const char *)a.p);
    }
    struct slice name = arg(c, 0);
    reply_error(c->reply, "ERR unknown command '%.*s', with args beginning with: %s", (int)(name.n < 128 ? name.n : 128), (const char *)name.p, args);
}

void reply_expire_time(struct call *c) { reply_error(c->reply, "ERR invalid expire time in '%s' command", command_name(c).text); }

void txn_refuse(struct call *c, struct slice key) {
    const char *why = txn_refusal(c->txn);
    reply_error(c->reply, "ERR '%.*s' cannot take this change: %s", (int)(key.n < 128 ? key.n : 128), (const char *)key.p, why);
}

void refuse_after(struct call *c, size_t mark, struct slice key) {
    c->reply->out->n = mark;
    txn_refuse(c, key);
}

bool delete_row(struct call *c, struct slice key) {
    if (txn_delete(c->txn, key)) return true;
    txn_refuse(c, key);
    return false;
}

/* ---- commands of a container ---- */

static void reply_help(struct call *c, const char *container, const struct subcommand *list, size_t count) {
    char line[256];
    reply_array(c->reply, 1 + 2 * count + 2);
    snprintf(line, sizeof line, "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", container);
    reply_simple(c->reply, line);
    for (size_t i = 0; i < count; i++) {
        size_t n = 0;
        for (const char *p = list[i].name; *p && n + 1 < sizeof line; p++) line[n++] = (char)(*p >= 'a' && *p <= 'z' ? *p - ('a' - 'A') : *p);
        line[n] = 0;
        reply_simple(c->reply, line);
        snprintf(line, sizeof line, "    %s", list[i].summary);
        reply_simple(c->reply, line);
    }
    reply_simple(c->reply, "HELP");
    reply_simple(c->reply, "    Prints this help.");
}

void run_subcommand(struct call *c, const struct subcommand *list, size_t count) {
    struct command_name container = command_name(c);
    struct slice given = arg(c, 1);
    for (size_t i = 0; i < count; i++) {
        if (!slice_is(given, list[i].name)) continue;
        int32_t arity = list[i].arity;
        if (arity >= 0 ? c->argc != (uint32_t)arity : c->argc < (uint32_t)-arity)
            reply_error(c->reply, "ERR wrong number of arguments for '%s|%s' command", container.text, list[i].name);
        else
            list[i].run(c);
        return;
    }
    for (char *p = container.text; *p; p++)
        if (*p >= 'a' && *p <= 'z') *p = (char)(*p - ('a' - 'A'));
    if (slice_is(given, "help") && c->argc == 2)
        reply_help(c, container.text, list, count);
    else
        reply_error(c->reply, "ERR unknown subcommand '%.*s'. Try %s HELP.", (int)(given.n < 128 ? given.n : 128), (const char *)given.p,
                    container.text);
}
