#include "../engine.h"
#include "commands.h"
#include <stdio.h>

void cmd_dbsize(struct call *c) { reply_integer(c->reply, (int64_t)txn_count(c->txn)); }

void cmd_time(struct call *c) {
    char text[24];
    reply_array(c->reply, 2);
    snprintf(text, sizeof text, "%llu", (unsigned long long)(c->wall_ms / 1000));
    reply_text(c->reply, text);
    snprintf(text, sizeof text, "%llu", (unsigned long long)(c->wall_ms % 1000 * 1000));
    reply_text(c->reply, text);
}

static void flush(struct call *c) {
    if (c->argc == 1 || (c->argc == 2 && (arg_is(c, 1, "sync") || arg_is(c, 1, "async"))))
        session_flush_all(c);
    else
        reply_syntax(c);
}

void cmd_flushall(struct call *c) { flush(c); }
void cmd_flushdb(struct call *c) { flush(c); }

/* All is on disk before it is acknowledged, so SAVE and NOSAVE, NOW and FORCE come to the same. There is no reply: the connection ends. */
void cmd_shutdown(struct call *c) {
    bool save = false, nosave = false, abort = false;
    for (uint32_t i = 1; i < c->argc; i++) {
        if (arg_is(c, i, "save")) {
            save = true;
        } else if (arg_is(c, i, "nosave")) {
            nosave = true;
        } else if (arg_is(c, i, "abort")) {
            abort = true;
        } else if (!arg_is(c, i, "now") && !arg_is(c, i, "force")) {
            reply_syntax(c);
            return;
        }
    }
    if ((abort && c->argc > 2) || (save && nosave)) {
        reply_syntax(c);
    } else if (abort) {
        reply_error(c->reply, "ERR No shutdown in progress.");
    } else {
        c->session->quit = true;
        engine_shutdown(c->engine);
    }
}

/* ---- TRUCE.* ---- */

void cmd_truce_status(struct call *c) {
    struct buf json = {0};
    engine_status(c->engine, &json);
    reply_bulk(c->reply, buf_slice_of(&json));
    buf_finish(&json);
}

void cmd_truce_token(struct call *c) { engine_reply_token(c); }
void cmd_truce_context(struct call *c) { engine_reply_context(c); }
void cmd_truce_handlers(struct call *c) { engine_reply_handlers(c); }
void cmd_truce_siblings(struct call *c) { engine_reply_siblings(c); }
void cmd_truce_with(struct call *c) { engine_with_context(c); }

/* The real node takes this command before the engine sees it. */
void cmd_truce_fault(struct call *c) { reply_error(c->reply, "ERR the world around this engine has no links to disturb"); }
