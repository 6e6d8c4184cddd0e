/* One command being executed, and the table of all commands. */
#pragma once
#include "../../schemas/cluster.h"
#include "prng.h"
#include "reply.h"
#include "txn.h"

struct engine;
struct session;

struct call {
    struct engine *engine;
    struct session *session;
    struct txn *txn;
    struct reply *reply;
    const struct slice *argv; /* argv[0] is the command's name */
    uint32_t argc;
    uint64_t now_ms;  /* what rows end by: the middle of the clocks in reach */
    uint64_t wall_ms; /* this node's clock */
    struct prng *prng;
    void (*running)(struct call *c); /* the command under way */
};
typedef void command_fn(struct call *c);

/* How a command is treated. */
enum command_flags {
    CMD_READ = 1 << 0,     /* looks at rows */
    CMD_WRITE = 1 << 1,    /* may change rows: runs at the leader */
    CMD_FAST = 1 << 2,     /* for COMMAND INFO only */
    CMD_NO_AUTH = 1 << 3,  /* allowed before AUTH */
    CMD_NO_MULTI = 1 << 4, /* not between MULTI and EXEC */
    CMD_NO_QUEUE = 1 << 5, /* runs at once between MULTI and EXEC: EXEC, DISCARD, WATCH, RESET, QUIT */
    CMD_ADMIN = 1 << 6,
    CMD_MAY_WRITE = 1 << 7, /* some of its forms write: command_writes() */
};

struct command {
    const char *name; /* lower case */
    command_fn *run;
    int32_t arity; /* as Redis: the name counts; negative: at least */
    uint32_t flags;
    int32_t first_key, last_key, key_step; /* as COMMAND INFO gives them; first_key 0: no keys */
    const char *group;                     /* "string", "hash", ... as COMMAND DOCS */
    const char *summary;                   /* one line, own words */
};
/* NULL: unknown. Letters of either case. */
const struct command *command_find(struct slice name);
/* Does this request change rows? Then it runs at the leader. */
bool command_writes(const struct command *cmd, const struct slice *argv, uint32_t argc);
extern const struct command commands[];
extern const uint32_t commands_count;

/* ---- what several command files use ---- */
/* The row's content when it is absent or of this type; else the WRONGTYPE reply is written and false returned. */
bool want_type(struct call *c, struct slice key, enum content_type type, struct slice *ret_content);
/* Whole argument as integer in range of int64; else the reply "ERR value is not an integer or out of range" is written. */
bool want_integer(struct call *c, struct slice arg, int64_t *ret);
bool parse_integer(struct slice s, int64_t *ret);    /* Redis' string2ll: no spaces, no plus, no leading zeros */
bool parse_double(struct slice s, long double *ret); /* Redis' getLongDoubleFromObject: no NaN, no trailing bytes */
/* After a txn_ change returned false: the error that names the row and the limit. */
void txn_refuse(struct call *c, struct slice key);
void reply_wrong_arity(struct call *c);
void reply_syntax(struct call *c);
/* "ERR unknown command 'x', with args beginning with: 'a' 'b' ". */
void reply_unknown_command(struct call *c);
