/* Network namespaces of the live stage: each node in one of its own, joined by a bridge in another. They have no names, so that nothing of them is
 * left when this program and its nodes have ended. */
#include "live_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BRIDGE "truce"

/* The address of a node, as live_file.c has put it into the cluster file. */
static const char *host_of(const struct live *l, uint32_t node) { return l->local.cluster->nodes[node].client_host; }

/* A new namespace, as a descriptor; this program stays where it is. -1: errno. */
static int make_space(struct live *l) {
    if (unshare(CLONE_NEWNET) != 0) return -1;
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (setns(l->own_net_space, CLONE_NEWNET) == 0) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

/* `ip -batch -` in that namespace, with these lines. False: *why. */
static bool run_ip(struct live *l, int space, const char *lines, struct buf *why) {
    int in[2], status = -1;
    if (pipe2(in, O_CLOEXEC) != 0) return false;
    pid_t child = fork();
    if (child == 0) {
        if (setns(space, CLONE_NEWNET) != 0 || dup2(in[0], 0) < 0) _exit(126);
        execlp("ip", "ip", "-batch", "-", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    size_t n = strlen(lines);
    bool ok = child > 0 && write(in[1], lines, n) == (ssize_t)n;
    close(in[1]);
    ok = child > 0 && waitpid(child, &status, 0) == child && ok && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!ok) buf_printf(why, "ip ended with %d: %.*s", WIFEXITED(status) ? WEXITSTATUS(status) : -1, (int)strcspn(lines, "\n"), lines);
    return ok;
}

/* The pair of a node's interface and the bridge's port is made in its namespace, and the port handed over. */
static bool connect_space(struct live *l, uint32_t node, struct buf *why) {
    struct buf lines = {0};
    buf_printf(&lines, "link set lo up\nlink add eth0 type veth peer name port%u netns /proc/%d/fd/%d\naddr add %s/16 dev eth0\nlink set eth0 up\n",
               node, (int)getpid(), l->hub_space, host_of(l, node));
    buf_u8(&lines, 0);
    bool ok = run_ip(l, l->nodes[node].net_space, (const char *)lines.p, why);
    buf_clear(&lines);
    buf_printf(&lines, "link set port%u master " BRIDGE "\nlink set port%u up\n", node, node);
    buf_u8(&lines, 0);
    ok = ok && run_ip(l, l->hub_space, (const char *)lines.p, why);
    buf_finish(&lines);
    return ok;
}

bool live_spaces_init(struct live *l, struct buf *why) {
    if (!live_hide(l, why)) return false;
    l->own_net_space = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    l->hub_space = l->own_net_space >= 0 ? make_space(l) : -1;
    bool ok = l->hub_space >= 0;
    if (!ok) buf_printf(why, "%s", strerror(errno));
    ok = (!l->left_network || run_ip(l, l->own_net_space, "link set lo up\n", why)) && ok;
    ok = ok && run_ip(l, l->hub_space, "link add " BRIDGE " type bridge\nlink set " BRIDGE " up\n", why);
    for (uint32_t i = 0; ok && i < live_nodes(l); i++) {
        l->nodes[i].net_space = make_space(l);
        if (l->nodes[i].net_space < 0) buf_printf(why, "%s", strerror(errno));
        ok = l->nodes[i].net_space >= 0 && connect_space(l, i, why);
    }
    if (!ok) live_spaces_finish(l);
    return ok;
}

/* A route into nowhere, at the sender: whatever it sends there is gone. */
bool live_spaces_cut(struct live *l, uint32_t from, uint32_t to, bool cut, struct buf *why) {
    struct buf line = {0};
    buf_printf(&line, "route %s blackhole %s/32\n", cut ? "add" : "del", host_of(l, to));
    buf_u8(&line, 0);
    bool ok = run_ip(l, l->nodes[from].net_space, (const char *)line.p, why);
    buf_finish(&line);
    return ok;
}

void live_spaces_finish(struct live *l) {
    uint32_t count = l->local.cluster ? live_nodes(l) : 0;
    for (uint32_t i = 0; i < count; i++) {
        if (l->nodes[i].net_space > 0) close(l->nodes[i].net_space);
        l->nodes[i].net_space = 0;
    }
    if (l->hub_space > 0) close(l->hub_space);
    if (l->own_net_space > 0) close(l->own_net_space);
    l->hub_space = l->own_net_space = 0;
}
