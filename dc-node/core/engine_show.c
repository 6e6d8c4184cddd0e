/* How versions, stamps, times and contexts are shown to people and to programs. */
#include "inbox.h"
#include <stdio.h>

/* ---- values ---- */

void inbox_format(uint8_t kind, struct slice c, struct buf *out) {
    struct slice name, value;
    if (kind == CELL_EXPIRY) {
        struct reader r = reader_of(c);
        uint64_t ms = c.n ? read_u64(&r) : 0;
        if (ms)
            inbox_format_time(ms, out);
        else
            buf_text(out, "(for ever)");
        return;
    }
    if (kind != CELL_ROW) {
        buf_put(out, c.p, c.n);
        return;
    }
    if (!c.n) {
        buf_text(out, "(deleted)");
        return;
    }
    if (content_type(c) == CONTENT_STRING) {
        struct slice s = content_string(c);
        buf_put(out, s.p, s.n);
        return;
    }
    bool hash = content_type(c) == CONTENT_HASH;
    struct content_columns each = content_columns(c);
    for (bool first = true; content_next(&each, &name, &value); first = false) {
        if (!first) buf_text(out, " ");
        buf_put(out, name.p, name.n);
        if (!hash) continue;
        buf_text(out, "=");
        buf_put(out, value.p, value.n);
    }
}

/* Days since 1970 as a date (Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days). */
static void civil_of(uint64_t days, unsigned *ret_year, unsigned *ret_month, unsigned *ret_day) {
    uint64_t z = days + 719468, era = z / 146097, doe = z % 146097;
    uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    *ret_day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    *ret_month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    *ret_year = (unsigned)(yoe + era * 400 + (*ret_month <= 2));
}

void inbox_format_time(uint64_t ms, struct buf *out) {
    unsigned year, month, day, of_day = (unsigned)(ms % 86400000);
    civil_of(ms / 86400000, &year, &month, &day);
    buf_printf(out, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", year, month, day, of_day / 3600000, of_day / 60000 % 60, of_day / 1000 % 60,
               of_day % 1000);
}

/* ---- into replies ---- */

static void reply_buf(struct reply *r, struct buf *text) {
    reply_bulk(r, buf_slice_of(text));
    buf_finish(text);
}

void inbox_reply_value(struct reply *r, uint8_t kind, struct slice content) {
    struct buf text = {0};
    inbox_format(kind, content, &text);
    reply_buf(r, &text);
}

void inbox_reply_dot(struct reply *r, const struct engine *e, struct dot d) {
    struct buf text = {0};
    if (!d.n) {
        reply_null(r);
        return;
    }
    dot_format(e->origins, d, &text);
    reply_buf(r, &text);
}

void inbox_reply_dc(struct reply *r, const struct engine *e, struct dot d) {
    if (d.n)
        reply_text(r, origins_get(e->origins, d.origin)->dc);
    else
        reply_null(r);
}

void inbox_reply_stamp(struct reply *r, stamp_t stamp) {
    struct buf text = {0};
    stamp_format(stamp, &text);
    reply_buf(r, &text);
}

void inbox_reply_time(struct reply *r, uint64_t ms) {
    struct buf text = {0};
    inbox_format_time(ms, &text);
    reply_buf(r, &text);
}

void inbox_reply_vv(struct reply *r, const struct engine *e, const struct vv *v) {
    struct buf text = {0};
    vv_format(v, e->origins, &text);
    reply_buf(r, &text);
}

void inbox_reply_policy(struct reply *r, const struct table_rule *table) {
    struct buf text = {0};
    policy_format(table->policy, &table->chain, &text);
    reply_buf(r, &text);
}

void inbox_reply_id(struct reply *r, const struct engine *e, const struct episode *ep) {
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)episode_id(ep->key, ep->kind, ep->name, ep->number, e->origins));
    reply_text(r, text);
}

bool inbox_parse_id(struct slice text, uint64_t *ret) {
    uint64_t id = 0;
    if (text.n != 16) return false;
    for (size_t i = 0; i < 16; i++) {
        uint8_t c = text.p[i] | 0x20;
        if (!((c >= '0' && c <= '9' && text.p[i] == c) || (c >= 'a' && c <= 'f'))) return false;
        id = id << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *ret = id;
    return true;
}

const char *inbox_kind_name(uint8_t kind) {
    static const char *const names[] = {"row", "string", "column", "member", "expiry", "types"};
    return kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}

/* ---- what a version holds, for programs ---- */

static const char *type_name(uint8_t kind, struct slice c) {
    if (kind != CELL_ROW) return kind == CELL_MEMBER ? "member" : kind == CELL_EXPIRY ? "expiry" : "register";
    if (!c.n) return "deleted";
    return content_type(c) == CONTENT_STRING ? "string" : content_type(c) == CONTENT_HASH ? "hash" : "set";
}

void inbox_reply_content(struct reply *r, uint8_t kind, struct slice c) {
    struct slice name, value;
    bool row = kind == CELL_ROW && c.n, columns = row && content_type(c) != CONTENT_STRING;
    reply_map(r, columns ? 3 : 2);
    reply_text(r, "type");
    reply_text(r, type_name(kind, c));
    reply_text(r, "expires_ms");
    reply_integer(r, row ? (int64_t)content_expires_ms(c) : 0);
    if (!columns) return;
    bool hash = content_type(c) == CONTENT_HASH;
    reply_text(r, hash ? "columns" : "members");
    reply_array(r, content_count(c) * (hash ? 2 : 1));
    struct content_columns each = content_columns(c);
    while (content_next(&each, &name, &value)) {
        reply_bulk(r, name);
        if (hash) reply_bulk(r, value);
    }
}
