#include "commands.h"
#include "commands/version.h"
#include <string.h>

/* COMMAND: what the table of commands says, in the forms of Redis 7. */

/* ---- COMMAND, COMMAND INFO ---- */

/* Words written as simple strings, behind their count. */
struct words {
    const char *word[12];
    size_t n;
};

static void word_if(struct words *w, bool wanted, const char *word) {
    if (wanted) w->word[w->n++] = word;
}

static void reply_words(struct call *c, const struct words *w) {
    reply_set(c->reply, w->n);
    for (size_t i = 0; i < w->n; i++) reply_simple(c->reply, w->word[i]);
}

static bool keys_move(const struct command *command) { return strcmp(command->name, "sintercard") == 0; }

static struct words flags_of(const struct command *command) {
    struct words w = {0};
    word_if(&w, command->flags & CMD_WRITE, "write");
    word_if(&w, command->flags & CMD_READ, "readonly");
    word_if(&w, command->flags & CMD_ADMIN, "admin");
    word_if(&w, command->flags & CMD_FAST, "fast");
    word_if(&w, command->flags & CMD_NO_AUTH, "no_auth");
    word_if(&w, command->flags & CMD_NO_MULTI, "no_multi");
    word_if(&w, keys_move(command), "movablekeys");
    return w;
}

static struct words categories_of(const struct command *command) {
    static const struct {
        const char *group, *category;
    } categories[] = {{"string", "@string"},   {"hash", "@hash"}, {"set", "@set"}, {"connection", "@connection"}, {"transactions", "@transaction"},
                      {"generic", "@keyspace"}};
    struct words w = {0};
    word_if(&w, command->flags & CMD_WRITE, "@write");
    word_if(&w, command->flags & CMD_READ, "@read");
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
        word_if(&w, strcmp(command->group, categories[i].group) == 0, categories[i].category);
    word_if(&w, command->flags & CMD_ADMIN, "@admin");
    word_if(&w, command->flags & CMD_ADMIN, "@dangerous");
    word_if(&w, true, command->flags & CMD_FAST ? "@fast" : "@slow");
    return w;
}

static void reply_info(struct call *c, const struct command *command) {
    if (command == NULL) {
        reply_null_array(c->reply);
        return;
    }
    struct words flags = flags_of(command), categories = categories_of(command);
    reply_array(c->reply, 10);
    reply_text(c->reply, command->name);
    reply_integer(c->reply, command->arity);
    reply_words(c, &flags);
    reply_integer(c->reply, command->first_key);
    reply_integer(c->reply, command->last_key);
    reply_integer(c->reply, command->key_step);
    reply_words(c, &categories);
    reply_array(c->reply, 0); /* tips */
    reply_array(c->reply, 0); /* key specifications */
    reply_array(c->reply, 0); /* subcommands */
}

static void reply_all_info(struct call *c) {
    reply_array(c->reply, commands_count);
    for (uint32_t i = 0; i < commands_count; i++) reply_info(c, &commands[i]);
}

static void command_info(struct call *c) {
    if (c->argc == 2) {
        reply_all_info(c);
        return;
    }
    reply_array(c->reply, c->argc - 2);
    for (uint32_t i = 2; i < c->argc; i++) reply_info(c, command_find(arg(c, i)));
}

static void command_count(struct call *c) { reply_integer(c->reply, commands_count); }

/* ---- COMMAND DOCS, LIST ---- */

static void reply_docs(struct call *c, const struct command *command) {
    reply_text(c->reply, command->name);
    reply_map(c->reply, 3);
    reply_text(c->reply, "summary");
    reply_text(c->reply, command->summary);
    reply_text(c->reply, "since");
    reply_text(c->reply, TRUCE_VERSION);
    reply_text(c->reply, "group");
    reply_text(c->reply, command->group);
}

static void command_docs(struct call *c) {
    size_t known = 0;
    if (c->argc == 2) {
        reply_map(c->reply, commands_count);
        for (uint32_t i = 0; i < commands_count; i++) reply_docs(c, &commands[i]);
        return;
    }
    for (uint32_t i = 2; i < c->argc; i++) known += command_find(arg(c, i)) != NULL;
    reply_map(c->reply, known);
    for (uint32_t i = 2; i < c->argc; i++) {
        const struct command *command = command_find(arg(c, i));
        if (command) reply_docs(c, command);
    }
}

static bool in_category(const struct command *command, struct slice category) {
    struct words w = categories_of(command);
    for (size_t i = 0; i < w.n; i++)
        if (slice_is(category, w.word[i] + 1)) return true;
    return false;
}

static bool filter_holds(const struct call *c, const struct command *command) {
    if (c->argc == 2) return true;
    if (arg_is(c, 3, "pattern")) return glob_match(arg(c, 4), slice_text(command->name), true);
    return arg_is(c, 3, "aclcat") && in_category(command, arg(c, 4));
}

static void command_list(struct call *c) {
    bool filtered = c->argc == 5 && arg_is(c, 2, "filterby") && (arg_is(c, 3, "module") || arg_is(c, 3, "aclcat") || arg_is(c, 3, "pattern"));
    if (c->argc != 2 && !filtered) {
        reply_syntax(c);
        return;
    }
    size_t n = 0;
    for (uint32_t i = 0; i < commands_count; i++) n += filter_holds(c, &commands[i]);
    reply_array(c->reply, n);
    for (uint32_t i = 0; i < commands_count; i++)
        if (filter_holds(c, &commands[i])) reply_text(c->reply, commands[i].name);
}

/* ---- COMMAND GETKEYS ---- */

/* The command asked about begins at argument 2. */
static void command_getkeys(struct call *c) {
    const struct command *command = command_find(arg(c, 2));
    uint32_t argc = c->argc - 2;
    if (command == NULL) {
        reply_error(c->reply, "ERR Invalid command specified");
        return;
    }
    if (command->first_key == 0 && !keys_move(command)) {
        reply_error(c->reply, "ERR The command has no key arguments");
        return;
    }
    if (command->arity >= 0 ? argc != (uint32_t)command->arity : argc < (uint32_t)-command->arity) {
        reply_error(c->reply, "ERR Invalid number of arguments specified for command");
        return;
    }
    uint32_t first = (uint32_t)command->first_key, step = (uint32_t)command->key_step, last;
    last = command->last_key < 0 ? argc - (uint32_t)-command->last_key : (uint32_t)command->last_key;
    if (keys_move(command)) { /* SINTERCARD numkeys key [key ...] */
        int64_t count;
        if (!parse_integer(arg(c, 3), &count) || count < 1 || count > (int64_t)argc - 2) {
            reply_error(c->reply, "ERR Invalid arguments specified for command");
            return;
        }
        first = 2;
        step = 1;
        last = 1 + (uint32_t)count;
    }
    reply_array(c->reply, (last - first) / step + 1);
    for (uint32_t i = first; i <= last; i += step) reply_bulk(c->reply, arg(c, 2 + i));
}

static const struct subcommand command_commands[] = {
    {"count", command_count, 2, "Counts the commands."},
    {"docs", command_docs, -2, "Documents the commands named, or all."},
    {"getkeys", command_getkeys, -4, "Tells which arguments of a whole command are keys."},
    {"info", command_info, -2, "Describes the commands named, or all."},
    {"list", command_list, -2, "Names the commands: [FILTERBY (MODULE name|ACLCAT category|PATTERN pattern)]."},
};

void cmd_command(struct call *c) {
    if (c->argc == 1)
        reply_all_info(c);
    else
        run_subcommand(c, command_commands, sizeof command_commands / sizeof *command_commands);
}
