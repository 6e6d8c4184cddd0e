#include "resp.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGV_KEPT 1024u /* a longer argv gives its memory back */

void resp_finish(struct resp_parser *p) {
    free(p->argv);
    free(p->ends);
    buf_finish(&p->inline_args);
    *p = (struct resp_parser){0};
}

static enum resp_result bad(struct resp_parser *p, const char *text) {
    snprintf(p->error, sizeof p->error, "Protocol error: %s", text);
    return RESP_BAD;
}

static enum resp_result more(struct resp_parser *p, size_t wanted) {
    p->wanted = wanted;
    return RESP_MORE;
}

static void argument_add(struct resp_parser *p, size_t begin, size_t end) {
    if (p->argc == p->ends_cap) {
        p->ends_cap = p->ends_cap ? 2 * p->ends_cap : 8;
        p->ends = xrealloc(p->ends, p->ends_cap * 2 * sizeof *p->ends);
    }
    p->ends[2 * p->argc] = begin;
    p->ends[2 * p->argc + 1] = end;
    p->argc++;
}

static enum resp_result command(struct resp_parser *p, const uint8_t *base) {
    if (p->argc > p->argv_cap) {
        p->argv_cap = p->ends_cap;
        p->argv = xrealloc(p->argv, p->argv_cap * sizeof *p->argv);
    }
    for (uint32_t i = 0; i < p->argc; i++) p->argv[i] = SLICE(base + p->ends[2 * i], p->ends[2 * i + 1] - p->ends[2 * i]);
    return RESP_COMMAND;
}

/* The previous command is done with. */
static void restart(struct resp_parser *p) {
    if (p->ends_cap > ARGV_KEPT) {
        free(p->argv);
        free(p->ends);
        p->argv = NULL;
        p->ends = NULL;
        p->argv_cap = p->ends_cap = 0;
    }
    if (p->inline_args.cap > RESP_LINE_BYTES_MAX)
        buf_finish(&p->inline_args);
    else
        buf_clear(&p->inline_args);
    p->argc = 0;
    p->at = 0;
    p->args_left = 0;
    p->bulk_bytes = -1;
}

/* ---- lines ---- */
/* A line that begins at `at` and ends with \r\n: *ret_end is where the \r stands. False: it is not there yet. As Redis, the \n is not looked at. */
static bool line_find(struct slice in, size_t at, size_t *ret_end) {
    const uint8_t *cr = at < in.n ? memchr(in.p + at, '\r', in.n - at) : NULL;
    if (cr == NULL || cr + 1 >= in.p + in.n) return false;
    *ret_end = (size_t)(cr - in.p);
    return true;
}

/* Redis' string2ll, within the limits that any number here has. */
static bool number_parse(struct slice s, int64_t *ret) {
    bool negative = s.n > 0 && s.p[0] == '-';
    size_t i = negative;
    if (s.n == i || s.n - i > 18) return false;
    if (s.p[i] == '0' && (s.n - i > 1 || negative)) return false;
    int64_t v = 0;
    for (; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return false;
        v = v * 10 + (s.p[i] - '0');
    }
    *ret = negative ? -v : v;
    return true;
}

/* ---- inline commands: Redis' sdssplitargs ---- */
static int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r') || c == 0; }

/* What follows a backslash within double quotes; returns how many bytes it took. */
static size_t escape(struct slice s, size_t at, struct buf *out) {
    if (s.p[at] == 'x' && at + 2 < s.n && hex_digit(s.p[at + 1]) >= 0 && hex_digit(s.p[at + 2]) >= 0) {
        buf_u8(out, (uint8_t)(hex_digit(s.p[at + 1]) << 4 | hex_digit(s.p[at + 2])));
        return 3;
    }
    static const char from[] = "nrtba", to[] = "\n\r\t\b\a";
    const char *known = s.p[at] ? strchr(from, s.p[at]) : NULL;
    buf_u8(out, known ? (uint8_t)to[known - from] : s.p[at]);
    return 1;
}

/* One argument from *at on, which is no space. False: a quote is not closed, or not followed by a space. */
static bool inline_argument(struct slice s, size_t *at, struct buf *out) {
    uint8_t quote = 0;
    while (*at < s.n) {
        uint8_t c = s.p[*at];
        if (!quote && is_space(c)) return true;
        ++*at;
        if (!quote && (c == '"' || c == '\'')) {
            quote = c;
        } else if (quote == '"' && c == '\\' && *at < s.n) {
            *at += escape(s, *at, out);
        } else if (quote == '\'' && c == '\\' && *at < s.n && s.p[*at] == '\'') {
            buf_u8(out, '\'');
            ++*at;
        } else if (quote && c == quote) {
            return *at == s.n || is_space(s.p[*at]);
        } else {
            buf_u8(out, c);
        }
    }
    return !quote;
}

static enum resp_result parse_inline(struct resp_parser *p, struct slice in, size_t *ret_used) {
    const uint8_t *newline = memchr(in.p, '\n', in.n);
    size_t line_n = newline ? (size_t)(newline - in.p) : in.n;
    if (line_n > RESP_LINE_BYTES_MAX) return bad(p, "too big inline request");
    if (newline == NULL) return more(p, 1);
    *ret_used = line_n + 1;
    struct slice line = SLICE(in.p, line_n > 0 && in.p[line_n - 1] == '\r' ? line_n - 1 : line_n);
    for (size_t at = 0;;) {
        while (at < line.n && is_space(line.p[at])) at++;
        if (at == line.n) break;
        size_t begin = p->inline_args.n;
        if (!inline_argument(line, &at, &p->inline_args)) return bad(p, "unbalanced quotes in request");
        argument_add(p, begin, p->inline_args.n);
    }
    buf_reserve(&p->inline_args, 1); /* never NULL */
    if (p->argc == 0) return RESP_COMMAND;
    command(p, p->inline_args.p);
    /* a browser that was made to send its request here */
    if (slice_is(p->argv[0], "post") || slice_is(p->argv[0], "host:")) return bad(p, "this is not HTTP");
    return RESP_COMMAND;
}

/* ---- arrays of bulk strings ---- */
static enum resp_result parse_count(struct resp_parser *p, struct slice in, size_t *ret_used) {
    size_t end;
    if (!line_find(in, 1, &end)) return in.n > RESP_LINE_BYTES_MAX ? bad(p, "too big mbulk count string") : more(p, 1);
    int64_t count;
    if (!number_parse(SLICE(in.p + 1, end - 1), &count) || count > RESP_ARGUMENTS_MAX) return bad(p, "invalid multibulk length");
    p->at = end + 2;
    *ret_used = p->at;
    p->args_left = count > 0 ? count : 0;
    return RESP_COMMAND;
}

static enum resp_result parse_length(struct resp_parser *p, struct slice in) {
    size_t end;
    if (p->at >= in.n) return more(p, 4);
    if (in.p[p->at] != '$') {
        char text[40];
        bool plain = in.p[p->at] >= ' ' && in.p[p->at] < 0x7f;
        snprintf(text, sizeof text, plain ? "expected '$', got '%c'" : "expected '$', got '\\x%02x'", in.p[p->at]);
        return bad(p, text);
    }
    if (!line_find(in, p->at, &end)) return in.n - p->at > RESP_LINE_BYTES_MAX ? bad(p, "too big bulk count string") : more(p, 1);
    if (!number_parse(SLICE(in.p + p->at + 1, end - p->at - 1), &p->bulk_bytes) || p->bulk_bytes < 0 || p->bulk_bytes > RESP_ARGUMENT_BYTES_MAX)
        return bad(p, "invalid bulk length");
    p->at = end + 2;
    if (p->at + (size_t)p->bulk_bytes > RESP_COMMAND_BYTES_MAX) return bad(p, "too big request");
    return RESP_COMMAND;
}

static enum resp_result parse_array(struct resp_parser *p, struct slice in, size_t *ret_used) {
    if (p->at == 0) {
        size_t used;
        enum resp_result r = parse_count(p, in, &used);
        if (r != RESP_COMMAND) return r;
        if (p->args_left == 0) {
            *ret_used = used; /* an empty command */
            return RESP_COMMAND;
        }
    }
    while (p->args_left > 0) {
        if (p->bulk_bytes < 0) {
            enum resp_result r = parse_length(p, in);
            if (r != RESP_COMMAND) return r;
        }
        size_t need = p->at + (size_t)p->bulk_bytes + 2;
        if (in.n < need) return more(p, need - in.n);
        argument_add(p, p->at, need - 2);
        p->at = need;
        p->bulk_bytes = -1;
        p->args_left--;
    }
    *ret_used = p->at;
    return command(p, in.p);
}

enum resp_result resp_parse(struct resp_parser *p, struct slice in, size_t *ret_used) {
    size_t skipped = 0;
    if (p->args_left == 0) restart(p);
    for (;;) {
        struct slice rest = SLICE(in.p + skipped, in.n - skipped);
        if (rest.n == 0 && p->at == 0) {
            *ret_used = skipped;
            return more(p, 1);
        }
        size_t used = 0;
        enum resp_result r = p->at > 0 || rest.p[0] == '*' ? parse_array(p, rest, &used) : parse_inline(p, rest, &used);
        *ret_used = skipped + used;
        if (r != RESP_COMMAND || p->argc > 0) return r;
        restart(p);
        skipped += used;
    }
}
