/* Looking up what a cluster has, and the copy of it that changes at run time. */
#include "cluster.h"
#include "text.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

const char *topology_name(enum topology t) {
    static const char *const names[] = {
#define X(name, text, doc) text,
        TOPOLOGIES(X)
#undef X
    };
    return names[t];
}

const struct ack *cluster_ack_of(const struct cluster *c, struct slice key) {
    const uint8_t *colon = key.n ? memchr(key.p, ':', key.n) : NULL;
    struct slice name = colon ? SLICE(key.p, (size_t)(colon - key.p)) : SLICE("", 0);
    const struct cluster_table *found = &c->rest;
    for (uint32_t i = 0; i < c->tables_count && name.n; i++)
        if (slice_equal(slice_text(c->tables[i].name), name)) found = &c->tables[i];
    return found->ack.level == ACK_DEFAULT ? &c->ack : &found->ack;
}

const struct cluster_home *cluster_home_of(const struct cluster *c, struct slice key) {
    for (uint32_t i = 0; i < c->homes_count; i++) {
        size_t n = strlen(c->homes[i].prefix);
        if (key.n >= n && memcmp(key.p, c->homes[i].prefix, n) == 0) return &c->homes[i];
    }
    return NULL;
}

int cluster_find_dc(const struct cluster *c, struct slice dc) {
    for (uint32_t i = 0; i < c->dcs_count; i++) {
        if (slice_equal(slice_text(c->dcs[i].name), dc)) return (int)i;
    }
    return -1;
}

int cluster_find_node(const struct cluster *c, struct slice dc, uint16_t node) {
    int at = cluster_find_dc(c, dc);
    if (at < 0) return -1;
    for (uint32_t i = 0; i < c->nodes_count; i++) {
        if (c->nodes[i].dc == (uint32_t)at && c->nodes[i].node == node) return (int)i;
    }
    return -1;
}

int cluster_find(const struct cluster *c, struct slice node_name) {
    char dc[NAME_LEN_MAX + 1];
    uint16_t node;
    return node_name_parse(node_name, dc, &node) ? cluster_find_node(c, slice_text(dc), node) : -1;
}

uint32_t cluster_first(const struct cluster *c, uint32_t dc) {
    uint32_t first = NODES_MAX;
    for (uint32_t i = 0; i < c->nodes_count; i++) {
        if (!cluster_member_of(c, i, dc)) continue;
        if (first == NODES_MAX || c->nodes[i].node < c->nodes[first].node) first = i;
    }
    return first;
}

/* ---- at run time ---- */
void endpoint_format(const char *host, uint16_t port, struct buf *out) {
    bool in_brackets = strchr(host, ':') != NULL;
    buf_printf(out, "%s%s%s:%u", in_brackets ? "[" : "", host, in_brackets ? "]" : "", (unsigned)port);
}

const char *standing_name(enum standing s) {
    static const char *const names[] = {
#define X(name, text, doc) text,
        STANDINGS(X)
#undef X
    };
    return names[s];
}

/* Most of it is room for tables, which stays untouched. */
struct cluster *cluster_copy(const struct cluster *c) {
    struct cluster *copy = xcalloc(1, sizeof *copy);
    size_t tables = offsetof(struct cluster, tables), behind = tables + sizeof c->tables;
    memcpy(copy, c, tables);
    memcpy(copy->tables, c->tables, c->tables_count * sizeof *c->tables);
    memcpy((char *)copy + behind, (const char *)c + behind, sizeof *c - behind);
    return copy;
}
