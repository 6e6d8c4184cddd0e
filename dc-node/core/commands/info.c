#include "commands.h"
#include "commands/version.h"

/* INFO: the sections that Redis has, as far as there is something to say, and Truce's own. */

typedef unsigned long long ull;

struct info {
    struct buf *out;
    struct call *c;
    struct engine_figures f;
};

static void server(struct info *i) {
    const struct cluster_node *node = &i->f.cluster->nodes[i->f.node];
    buf_printf(i->out,
               "redis_version:" REDIS_VERSION "\r\nredis_mode:standalone\r\ntruce_version:" TRUCE_VERSION "\r\narch_bits:64\r\ntcp_port:%u\r\n",
               node->client_port);
    buf_printf(i->out, "server_time_usec:%llu\r\nuptime_in_seconds:%llu\r\nuptime_in_days:%llu\r\n", (ull)i->c->wall_ms * 1000,
               (ull)i->f.uptime_ms / 1000, (ull)i->f.uptime_ms / 86400000);
}

static void clients(struct info *i) {
    buf_printf(i->out, "connected_clients:%u\r\nmaxclients:%u\r\n", engine_sessions_count(i->c->engine), i->f.cluster->clients_max);
}

static void memory(struct info *i) {
    buf_printf(i->out, "used_memory:%llu\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n", (ull)i->f.memory_bytes);
    buf_printf(i->out, "truce_memory_bytes_max:%llu\r\n", (ull)i->f.cluster->memory_bytes_max);
}

static void persistence(struct info *i) {
    buf_printf(i->out, "loading:0\r\nasync_loading:0\r\nrdb_changes_since_last_save:%llu\r\nrdb_bgsave_in_progress:0\r\n", (ull)i->f.dirty_rows);
    buf_text(i->out, "rdb_last_bgsave_status:ok\r\naof_enabled:1\r\naof_rewrite_in_progress:0\r\naof_last_write_status:ok\r\n");
}

static void stats(struct info *i) {
    buf_printf(i->out, "total_connections_received:%llu\r\ntotal_commands_processed:%llu\r\n", (ull)i->f.connections, (ull)i->f.commands);
    buf_printf(i->out, "expired_keys:%llu\r\nevicted_keys:0\r\n", (ull)i->f.reaped);
}

/* Every node takes writes, so to a Redis client each is a master. */
static void replication(struct info *i) { buf_text(i->out, "role:master\r\nconnected_slaves:0\r\n"); }

static void nothing(struct info *i) {}

static void keyspace(struct info *i) {
    uint64_t keys = txn_count(i->c->txn);
    if (keys) buf_printf(i->out, "db0:keys=%llu,expires=0,avg_ttl=0\r\n", (ull)keys);
}

static void truce(struct info *i) {
    const struct engine_figures *f = &i->f;
    const struct cluster_node *node = &f->cluster->nodes[f->node];
    buf_printf(i->out, "truce_version:" TRUCE_VERSION "\r\ncluster:%s\r\ndatacenter:%s\r\nnode:%s\r\nrole:%s\r\nleader:%s\r\n", f->cluster->name,
               f->cluster->dcs[node->dc].name, node->name, f->is_leader ? "leader" : "follower", f->leader ? f->leader : "");
    buf_printf(i->out, "rows:%llu\r\ndirty_rows:%llu\r\nevents_own:%llu\r\nevents_applied:%llu\r\nconflicts:%llu\r\n", (ull)f->rows,
               (ull)f->dirty_rows, (ull)f->events_own, (ull)f->events_applied, (ull)f->conflicts);
    buf_printf(i->out, "open_conflicts:%llu\r\n", (ull)f->open_conflicts);
    buf_printf(i->out, "frames_bad:%llu\r\nlog_bytes_in:%llu\r\nreaped:%llu\r\nexpired_reads:%llu\r\ntombstones_collected:%llu\r\n",
               (ull)f->frames_bad, (ull)f->log_bytes_in, (ull)f->reaped, (ull)f->expired_reads, (ull)f->tombstones_collected);
}

static const struct info_section {
    const char *name, *title;
    void (*write)(struct info *i);
    bool by_default;
} sections[] = {
    {"server", "Server", server, true}, {"clients", "Clients", clients, true},
    {"memory", "Memory", memory, true}, {"persistence", "Persistence", persistence, true},
    {"stats", "Stats", stats, true},    {"replication", "Replication", replication, true},
    {"cpu", "CPU", nothing, true},      {"commandstats", "Commandstats", nothing, false},
    {"truce", "Truce", truce, true},    {"keyspace", "Keyspace", keyspace, true},
};

static bool section_wanted(const struct call *c, const struct info_section *s) {
    if (c->argc == 1) return s->by_default;
    for (uint32_t i = 1; i < c->argc; i++) {
        if (arg_is(c, i, s->name) || arg_is(c, i, "all") || arg_is(c, i, "everything")) return true;
        if (arg_is(c, i, "default") && s->by_default) return true;
    }
    return false;
}

void cmd_info(struct call *c) {
    struct buf text = {0};
    struct info i = {.out = &text, .c = c};
    engine_get_figures(c->engine, &i.f);
    for (size_t k = 0; k < sizeof sections / sizeof *sections; k++) {
        if (!section_wanted(c, &sections[k])) continue;
        buf_printf(&text, "%s# %s\r\n", text.n ? "\r\n" : "", sections[k].title);
        sections[k].write(&i);
    }
    reply_verbatim(c->reply, "txt", buf_slice_of(&text));
    buf_finish(&text);
}
