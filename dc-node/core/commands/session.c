#include "commands.h"
#include <string.h>

/* What a connection says of itself, and transactions. */

#define WAIT_MS_MAX INT64_C(31536000000) /* a year stands for anything longer */

void cmd_ping(struct call *c) {
    if (c->argc > 2)
        reply_wrong_arity(c);
    else if (c->argc == 2)
        reply_bulk(c->reply, arg(c, 1));
    else
        reply_simple(c->reply, "PONG");
}

void cmd_echo(struct call *c) { reply_bulk(c->reply, arg(c, 1)); }

void cmd_quit(struct call *c) {
    c->session->quit = true;
    reply_ok(c->reply);
}

/* ---- who the client is ---- */

static const struct cluster *cluster_of(const struct call *c) {
    struct engine_figures figures;
    engine_get_figures(c->engine, &figures);
    return figures.cluster;
}

/* How long it takes does not tell where the first difference is. */
static bool same_secret(struct slice given, const char *secret) {
    size_t n = strlen(secret);
    uint8_t difference = given.n != n;
    for (size_t i = 0; i < given.n; i++) difference |= (uint8_t)(given.p[i] ^ (uint8_t)secret[n ? i % n : 0]);
    return difference == 0;
}

/* There is one user, "default"; without a password in the cluster file any will do, as in Redis. False: the error is written. */
static bool authenticate(struct call *c, struct slice user, struct slice password) {
    const char *secret = cluster_of(c)->password;
    bool known = slice_equal(user, slice_text("default")) && (!*secret || same_secret(password, secret));
    if (known)
        c->session->authenticated = true;
    else
        reply_error(c->reply, "WRONGPASS invalid username-password pair or user is disabled.");
    return known;
}

void cmd_auth(struct call *c) {
    if (c->argc > 3) {
        reply_syntax(c);
        return;
    }
    if (c->argc == 2 && !*cluster_of(c)->password) {
        reply_error(c->reply, "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is "
                              "correct?");
        return;
    }
    if (c->argc == 2 ? authenticate(c, slice_text("default"), arg(c, 1)) : authenticate(c, arg(c, 1), arg(c, 2))) reply_ok(c->reply);
}

bool printable_word(struct slice s) {
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '!' || s.p[i] > '~') return false;
    return true;
}

bool set_session_name(struct call *c, struct slice name) {
    struct session *s = c->session;
    if (!printable_word(name)) {
        reply_error(c->reply, "ERR Client names cannot contain spaces, newlines or special characters.");
        return false;
    }
    if (name.n >= sizeof s->name) {
        reply_error(c->reply, "ERR Client names cannot be longer than %zu bytes.", sizeof s->name - 1);
        return false;
    }
    if (name.n) memcpy(s->name, name.p, name.n);
    s->name[name.n] = 0;
    return true;
}

static void reply_server(struct call *c) {
    reply_map(c->reply, 7);
    reply_text(c->reply, "server");
    reply_text(c->reply, "redis");
    reply_text(c->reply, "version");
    reply_text(c->reply, REDIS_VERSION);
    reply_text(c->reply, "proto");
    reply_integer(c->reply, c->session->protocol);
    reply_text(c->reply, "id");
    reply_integer(c->reply, (int64_t)c->session->id);
    reply_text(c->reply, "mode");
    reply_text(c->reply, "standalone");
    reply_text(c->reply, "role"); /* every node takes writes */
    reply_text(c->reply, "master");
    reply_text(c->reply, "modules");
    reply_array(c->reply, 0);
}

void cmd_hello(struct call *c) {
    int64_t version = 0;
    if (c->argc >= 2) {
        if (!want_range(c, arg(c, 1), INT64_MIN, INT64_MAX, "Protocol version is not an integer or out of range", &version)) return;
        if (version < 2 || version > 3) {
            reply_error(c->reply, "NOPROTO unsupported protocol version");
            return;
        }
    }
    for (uint32_t i = 2; i < c->argc; i++) {
        uint32_t more = c->argc - 1 - i;
        if (arg_is(c, i, "auth") && more >= 2) {
            if (!authenticate(c, arg(c, i + 1), arg(c, i + 2))) return;
            i += 2;
        } else if (arg_is(c, i, "setname") && more >= 1) {
            if (!set_session_name(c, arg(c, ++i))) return;
        } else {
            struct slice option = arg(c, i);
            reply_error(c->reply, "ERR Syntax error in HELLO option '%.*s'", (int)(option.n < 128 ? option.n : 128), (const char *)option.p);
            return;
        }
    }
    if (!c->session->authenticated) {
        reply_error(c->reply,
                    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be "
                    "used to authenticate the client and select the RESP protocol version at the same time");
        return;
    }
    if (version) c->session->protocol = c->reply->protocol = (uint8_t)version;
    reply_server(c);
}

void cmd_reset(struct call *c) {
    struct session *s = c->session;
    session_discard(s);
    session_losses_off(c);
    s->multi = s->multi_failed = false;
    s->protocol = c->reply->protocol = 2;
    s->name[0] = 0;
    s->read_level = READ_LOCAL;
    s->authenticated = !*cluster_of(c)->password;
    reply_simple(c->reply, "RESET");
}

/* ---- transactions ---- */

void cmd_multi(struct call *c) {
    if (c->session->multi) {
        reply_error(c->reply, "ERR MULTI calls can not be nested");
        return;
    }
    c->session->multi = true;
    reply_ok(c->reply);
}

void cmd_exec(struct call *c) {
    if (!c->session->multi) {
        reply_error(c->reply, "ERR EXEC without MULTI");
    } else if (c->session->multi_failed) {
        session_discard(c->session);
        reply_error(c->reply, "EXECABORT Transaction discarded because of previous errors.");
    } else {
        session_exec(c);
    }
}

void cmd_discard(struct call *c) {
    if (!c->session->multi) {
        reply_error(c->reply, "ERR DISCARD without MULTI");
        return;
    }
    session_discard(c->session);
    reply_ok(c->reply);
}

void cmd_watch(struct call *c) {
    if (c->session->multi) {
        reply_error(c->reply, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    for (uint32_t i = 1; i < c->argc; i++) session_watch(c, arg(c, i));
    reply_ok(c->reply);
}

void cmd_unwatch(struct call *c) {
    session_unwatch(c->session);
    reply_ok(c->reply);
}

static bool want_timeout(struct call *c, struct slice text, uint64_t *ret_ms) {
    int64_t ms;
    if (!parse_integer(text, &ms)) {
        reply_error(c->reply, "ERR timeout is not an integer or out of range");
        return false;
    }
    if (ms < 0) {
        reply_error(c->reply, "ERR timeout is negative");
        return false;
    }
    *ret_ms = ms < WAIT_MS_MAX ? (uint64_t)ms : WAIT_MS_MAX;
    return true;
}

void cmd_wait(struct call *c) {
    int64_t replicas;
    uint64_t timeout_ms;
    if (!want_integer(c, arg(c, 1), &replicas) || !want_timeout(c, arg(c, 2), &timeout_ms)) return;
    session_wait(c, replicas < 0 ? 0 : replicas > UINT32_MAX ? UINT32_MAX : (uint32_t)replicas, timeout_ms);
}

void cmd_truce_wait(struct call *c) {
    int64_t dcs = 0;
    uint64_t timeout_ms;
    if (!want_timeout(c, arg(c, 2), &timeout_ms)) return;
    if (c->argc > 4) {
        reply_wrong_arity(c);
        return;
    }
    if (c->argc == 4 && !want_integer(c, arg(c, 3), &dcs)) return;
    if (dcs < 0 || dcs > DCS_MAX) {
        reply_error(c->reply, "ERR expected a number of other datacenters, 0 to %u", DCS_MAX);
        return;
    }
    session_wait_token(c, arg(c, 1), (uint32_t)dcs, timeout_ms);
}
