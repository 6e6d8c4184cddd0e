/* kill, start, pause, resume: single nodes. */
#include "client.h"
#include "faults.h"
#include "process.h"
#include "start.h"

#include <signal.h>
#include <unistd.h>

#define GONE_TIMEOUT_MS 20000

/* Sends the signal to one node; 0, or an exit code after saying why. */
static int signal_node(struct run *r, uint32_t node, int signal_number) {
    int process = process_open(&r->local, node), code = 0;
    if (process < 0 || !process_signal(process, signal_number))
        code = fail(r, EXIT_FAILED, "%s is not running", node_name(&r->local, node));
    else if (signal_number == SIGKILL && !process_wait_gone(process, GONE_TIMEOUT_MS))
        code = fail(r, EXIT_FAILED, "%s is still there", node_name(&r->local, node));
    if (process >= 0) close(process);
    return code;
}

/* Sends one signal to every chosen node; the answer gets a list `done` of those that had it. */
static int signal_nodes(struct run *r, int signal_number, const char *done, bool ret_chosen[static NODES_MAX]) {
    int code = run_open(r, true);
    if (code == 0) code = chosen_nodes(r, false, ret_chosen);
    json_t *list = json_array();
    for (uint32_t i = 0; code == 0 && i < r->local.cluster->nodes_count; i++) {
        if (!ret_chosen[i]) continue;
        code = signal_node(r, i, signal_number);
        if (code != 0) break;
        say(r, "%s is %s.", node_name(&r->local, i), done);
        json_array_append_new(list, json_string(node_name(&r->local, i)));
    }
    json_object_set_new(r->json, done, list);
    return code;
}

int verb_kill(struct run *r) {
    bool chosen[NODES_MAX] = {0};
    return signal_nodes(r, SIGKILL, "killed", chosen);
}

int verb_pause(struct run *r) {
    bool chosen[NODES_MAX] = {0};
    return signal_nodes(r, SIGSTOP, "paused", chosen);
}

int verb_resume(struct run *r) {
    bool chosen[NODES_MAX] = {0};
    int code = signal_nodes(r, SIGCONT, "resumed", chosen);
    struct faults faults = {0};
    struct buf why = {0};
    if (code == 0 && !faults_load(&r->local, &faults, &why)) code = fail(r, EXIT_USAGE, "%.*s", (int)why.n, (const char *)why.p);
    /* What was ordered or lifted meanwhile is told now. */
    for (uint32_t i = 0; code == 0 && i < faults.nodes_count; i++) {
        if (!chosen[i]) continue;
        faults_mark_all(&faults, i);
        if (!faults_tell(&r->local, &faults, i, &why))
            code = fail(r, EXIT_FAILED, "%s: %.*s", node_name(&r->local, i), (int)why.n, (const char *)why.p);
    }
    buf_finish(&why);
    faults_finish(&faults);
    return code;
}

int verb_start(struct run *r) {
    bool chosen[NODES_MAX] = {0}, ran[NODES_MAX] = {0};
    int code = run_open(r, true);
    if (code == 0) code = chosen_nodes(r, true, chosen);
    for (uint32_t i = 0; code == 0 && i < r->local.cluster->nodes_count; i++) ran[i] = process_of(&r->local, i).pid != 0;
    if (code == 0) code = start_nodes(r, chosen);
    json_t *list = json_array();
    for (uint32_t i = 0; code == 0 && i < r->local.cluster->nodes_count; i++) {
        if (!chosen[i]) continue;
        say(r, "%s %s.", node_name(&r->local, i), ran[i] ? "was running" : "is started");
        if (!ran[i]) json_array_append_new(list, json_string(node_name(&r->local, i)));
    }
    json_object_set_new(r->json, "started", list);
    return code;
}
