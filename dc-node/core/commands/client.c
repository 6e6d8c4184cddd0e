#include "commands.h"
#include <stdio.h>
#include <string.h>

/* CLIENT and its subcommands: what client libraries send when they connect, and what people look at. */

/* ---- telling ---- */

/* All fields of Redis 7: client libraries insist on them. What has no meaning here is 0. */
static void describe(struct buf *out, const struct session *s, uint64_t now_ms) {
    uint64_t age_s = now_ms > s->opened_ms ? (now_ms - s->opened_ms) / 1000 : 0;
    buf_printf(out, "id=%llu addr=%s laddr= fd=0 name=%s age=%llu idle=0 flags=%s db=0 sub=0 psub=0 ssub=0 multi=%d watch=%u",
               (unsigned long long)s->id, s->address, s->name, (unsigned long long)age_s, s->multi ? "x" : "N", s->multi ? (int)s->queue_count : -1,
               s->watches_count);
    buf_printf(out, " qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=%zu rbs=0 rbp=0 obl=%zu oll=0 omem=0 tot-mem=%zu events=rw cmd=NULL", s->queue_bytes,
               s->out.n, s->queue_bytes + s->out.cap);
    buf_printf(out, " user=default redir=-1 resp=%u lib-name=%s lib-ver=%s\n", s->protocol, s->lib_name, s->lib_version);
}

static void client_id(struct call *c) { reply_integer(c->reply, (int64_t)c->session->id); }

static void client_info(struct call *c) {
    struct buf text = {0};
    describe(&text, c->session, c->wall_ms);
    reply_verbatim(c->reply, "txt", buf_slice_of(&text));
    buf_finish(&text);
}

/* The sessions to list: all, or those with one of the numbers at arguments 3 and on. */
struct client_listing {
    struct call *c;
    bool by_id;
    struct buf text;
};

static bool listed(const struct client_listing *l, const struct session *s) {
    if (!l->by_id) return true;
    for (uint32_t i = 3; i < l->c->argc; i++) {
        int64_t id;
        if (parse_integer(arg(l->c, i), &id) && (uint64_t)id == s->id) return true;
    }
    return false;
}

static void list_session(void *of, const struct session *s) {
    struct client_listing *l = of;
    if (listed(l, s)) describe(&l->text, s, l->c->wall_ms);
}

/* Arguments of CLIENT LIST; false: the error is written. */
static bool parse_listing(struct call *c, struct client_listing *l, bool *ret_none) {
    *ret_none = false;
    if (c->argc == 4 && arg_is(c, 2, "type")) {
        struct slice type = arg(c, 3);
        if (slice_is(type, "normal")) return true;
        *ret_none = slice_is(type, "master") || slice_is(type, "slave") || slice_is(type, "replica") || slice_is(type, "pubsub");
        if (*ret_none) return true;
        reply_error(c->reply, "ERR Unknown client type '%.*s'", (int)(type.n < 128 ? type.n : 128), (const char *)type.p);
        return false;
    }
    l->by_id = c->argc > 3 && arg_is(c, 2, "id");
    if (!l->by_id && c->argc != 2) {
        reply_syntax(c);
        return false;
    }
    int64_t id;
    for (uint32_t i = 3; i < c->argc; i++)
        if (!want_range(c, arg(c, i), INT64_MIN, INT64_MAX, "Invalid client ID", &id)) return false;
    return true;
}

static void client_list(struct call *c) {
    struct client_listing l = {.c = c};
    bool none;
    if (!parse_listing(c, &l, &none)) return;
    if (!none) engine_each_session(c->engine, list_session, &l);
    reply_verbatim(c->reply, "txt", buf_slice_of(&l.text));
    buf_finish(&l.text);
}

static void client_getname(struct call *c) {
    if (*c->session->name)
        reply_text(c->reply, c->session->name);
    else
        reply_null(c->reply);
}

static void client_getredir(struct call *c) { reply_integer(c->reply, -1); }

static void client_trackinginfo(struct call *c) {
    reply_map(c->reply, 3);
    reply_text(c->reply, "flags");
    reply_set(c->reply, 1);
    reply_text(c->reply, "off");
    reply_text(c->reply, "redirect");
    reply_integer(c->reply, -1);
    reply_text(c->reply, "prefixes");
    reply_array(c->reply, 0);
}

/* ---- setting ---- */

static void client_setname(struct call *c) {
    if (set_session_name(c, arg(c, 2))) reply_ok(c->reply);
}

static void client_setinfo(struct call *c) {
    struct slice option = arg(c, 2), value = arg(c, 3);
    bool is_name = slice_is(option, "lib-name");
    if (!is_name && !slice_is(option, "lib-ver")) {
        reply_error(c->reply, "ERR Unrecognized option '%.*s'", (int)(option.n < 128 ? option.n : 128), (const char *)option.p);
        return;
    }
    if (!printable_word(value)) {
        reply_error(c->reply, "ERR %s cannot contain spaces, newlines or special characters.", is_name ? "lib-name" : "lib-ver");
        return;
    }
    char *to = is_name ? c->session->lib_name : c->session->lib_version;
    size_t room = is_name ? sizeof c->session->lib_name : sizeof c->session->lib_version;
    snprintf(to, room, "%.*s", (int)(value.n < room ? value.n : room - 1), value.n ? (const char *)value.p : "");
    reply_ok(c->reply);
}

/* What takes ON or OFF and changes nothing here. */
static void client_switch(struct call *c) {
    if (arg_is(c, 2, "on") || arg_is(c, 2, "off"))
        reply_ok(c->reply);
    else
        reply_syntax(c);
}

static void client_reply(struct call *c) {
    if (arg_is(c, 2, "on"))
        reply_ok(c->reply);
    else if (arg_is(c, 2, "off") || arg_is(c, 2, "skip"))
        reply_error(c->reply, "ERR every command is answered here: CLIENT REPLY OFF and SKIP are not offered");
    else
        reply_syntax(c);
}

static void client_tracking(struct call *c) {
    if (arg_is(c, 2, "off"))
        reply_ok(c->reply);
    else if (arg_is(c, 2, "on"))
        reply_error(c->reply, "ERR CLIENT TRACKING is not offered: nobody would tell this client of changes");
    else
        reply_syntax(c);
}

static void client_caching(struct call *c) {
    reply_error(c->reply, "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled");
}

static void client_unblock(struct call *c) {
    int64_t id;
    if (c->argc > 4)
        reply_syntax(c);
    else if (c->argc == 4 && !arg_is(c, 3, "timeout") && !arg_is(c, 3, "error"))
        reply_error(c->reply, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    else if (want_integer(c, arg(c, 2), &id))
        reply_integer(c->reply, 0); /* nothing here waits that another client may wake */
}

static const struct subcommand client_commands[] = {
    {"caching", client_caching, 3, "Refused: tracking is not offered."},
    {"getname", client_getname, 2, "Gives the name of this connection."},
    {"getredir", client_getredir, 2, "Gives -1: tracking is not offered."},
    {"id", client_id, 2, "Gives the number of this connection."},
    {"info", client_info, 2, "Describes this connection."},
    {"list", client_list, -2, "Describes the connections of this node: [TYPE normal] or ID id [id ...]."},
    {"no-evict", client_switch, 3, "(ON|OFF) is accepted: connections are never evicted."},
    {"no-touch", client_switch, 3, "(ON|OFF) is accepted: reading never changes a row."},
    {"reply", client_reply, 3, "(ON) is accepted."},
    {"setinfo", client_setinfo, 4, "(LIB-NAME|LIB-VER) value: the library behind this connection."},
    {"setname", client_setname, 3, "Names this connection."},
    {"tracking", client_tracking, -3, "(OFF) is accepted."},
    {"trackinginfo", client_trackinginfo, 2, "Tells that tracking is off."},
    {"unblock", client_unblock, -3, "Gives 0: nothing waits that could be woken."},
};

void cmd_client(struct call *c) { run_subcommand(c, client_commands, sizeof client_commands / sizeof *client_commands); }
