#include "handler_process.h"
#include "host.h"

#include <stdio.h>
#include <string.h>

static const char usage[] = "usage: dc-node --cluster FILE --node NAME --data DIR [--log FILE] [--fsync yes|no] [--joins yes|no]\n"
                            "  --cluster  the cluster file\n"
                            "  --node     which of its nodes this is, as us-1\n"
                            "  --data     where this node keeps its data; made if it is not there\n"
                            "  --log      a file to append log lines to; standard error without it\n"
                            "  --fsync    instead of what the cluster file says\n"
                            "  --joins    yes: where its data directory is new, it takes what the other nodes have before it writes\n";

static int misused(const char *what, const char *argument) {
    fprintf(stderr, "dc-node: %s%s%s\n%s", what, argument ? " " : "", argument ? argument : "", usage);
    return HOST_EXIT_START;
}

int main(int argc, char **argv) {
    struct host_options o = {.argv = argv};
    const char *fsync = NULL, *joins = NULL;
    const struct {
        const char *name, **value;
    } options[] = {{"--cluster", &o.cluster_path}, {"--node", &o.node_name}, {"--data", &o.data_dir},
                   {"--log", &o.log_path},         {"--fsync", &fsync},      {"--joins", &joins}};
    if (argc == 4 && strcmp(argv[1], HANDLER_ARGUMENT) == 0) return handler_child(argv[2], argv[3]); /* begun by a node, for one handler */
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) return fputs(usage, stdout) < 0;
    for (int i = 1; i < argc; i += 2) {
        size_t n = 0;
        while (n < sizeof options / sizeof options[0] && strcmp(argv[i], options[n].name) != 0) n++;
        if (n == sizeof options / sizeof options[0]) return misused("unknown option", argv[i]);
        if (i + 1 == argc) return misused("no value for", argv[i]);
        *options[n].value = argv[i + 1];
    }
    if (!o.cluster_path || !o.node_name || !o.data_dir) return misused("--cluster, --node and --data are needed", NULL);
    if (fsync && strcmp(fsync, "yes") != 0 && strcmp(fsync, "no") != 0) return misused("--fsync is yes or no, not", fsync);
    if (joins && strcmp(joins, "yes") != 0 && strcmp(joins, "no") != 0) return misused("--joins is yes or no, not", joins);
    o.joins = joins && joins[0] == 'y';
    if (fsync) o.fsync = fsync[0] == 'y' ? FSYNC_YES : FSYNC_NO;
    return host_run(&o);
}
