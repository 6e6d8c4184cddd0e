#include "commands.h"
#include <stdio.h>

/* CONFIG: the cluster file rules, and here it can be looked at under the names that Redis' clients ask for. */

/* The settings asked for, written as pairs of bulk strings that wait for their count. */
struct settings_reply {
    struct call *c;
    struct reply bulks;
    size_t count;
};

static void setting(struct settings_reply *r, const char *name, const char *value) {
    for (uint32_t i = 2; i < r->c->argc; i++) {
        if (!glob_match(arg(r->c, i), slice_text(name), true)) continue;
        reply_text(&r->bulks, name);
        reply_text(&r->bulks, value);
        r->count++;
        return;
    }
}

static void setting_number(struct settings_reply *r, const char *name, uint64_t value) {
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    setting(r, name, text);
}

static void config_get(struct call *c) {
    struct engine_figures figures;
    engine_get_figures(c->engine, &figures);
    const struct cluster *cluster = figures.cluster;
    const struct cluster_node *node = &cluster->nodes[figures.node];
    struct buf bulks = {0};
    struct settings_reply r = {.c = c, .bulks = {.out = &bulks, .protocol = c->reply->protocol}};
    setting(&r, "appendonly", "yes"); /* there is a log, and it makes writes durable */
    setting(&r, "appendfsync", cluster->fsync ? "always" : "no");
    setting(&r, "bind", node->client_host);
    setting_number(&r, "databases", 1);
    setting(&r, "lazyfree-lazy-user-del", "no");
    setting_number(&r, "maxclients", cluster->clients_max);
    setting_number(&r, "maxmemory", 0); /* of data: rows live on disk */
    setting(&r, "maxmemory-policy", "noeviction");
    setting(&r, "notify-keyspace-events", "");
    setting_number(&r, "port", node->client_port);
    setting(&r, "protected-mode", "no");
    setting(&r, "replica-read-only", "no");
    setting(&r, "save", "");
    setting_number(&r, "tcp-keepalive", 300);
    setting_number(&r, "timeout", 0);
    setting(&r, "truce-cluster", cluster->name);
    setting_number(&r, "truce-clock-bound-ms", cluster->clock_bound_ms);
    setting_number(&r, "truce-log-bytes-max", cluster->log_bytes_max);
    setting_number(&r, "truce-memory-bytes-max", cluster->memory_bytes_max);
    setting(&r, "truce-node", node->name);
    setting_number(&r, "truce-siblings-max", cluster->siblings_max);
    reply_map(c->reply, r.count);
    buf_put(c->reply->out, bulks.p, bulks.n);
    buf_finish(&bulks);
}

static void config_fixed(struct call *c) {
    reply_error(c->reply, "ERR settings are in the cluster file: change it there, on every node, and start the nodes again");
}

static void config_resetstat(struct call *c) { reply_ok(c->reply); }

static const struct subcommand config_commands[] = {
    {"get", config_get, -3, "Gives the settings that the patterns match."},
    {"resetstat", config_resetstat, 2, "Is accepted; figures go on from where they are."},
    {"rewrite", config_fixed, 2, "Refused: the cluster file is yours."},
    {"set", config_fixed, -4, "Refused: settings are in the cluster file."},
};

void cmd_config(struct call *c) { run_subcommand(c, config_commands, sizeof config_commands / sizeof *config_commands); }
