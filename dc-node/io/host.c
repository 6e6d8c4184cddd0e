#include "host.h"
#include "clients.h"
#include "disk_room.h"
#include "handlers.h"
#include "log.h"
#include "node_faults.h"
#include "peers.h"
#include "quarantine.h"
#include "store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <nng/nng.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define RUN_INPUT_BYTES (1024u * 1024) /* of clients in one run of the engine: what one batch makes durable */
#define TICK_US         1000000u
#define ROOM_FOR_REST   (256u * 1024) /* of a commit: what is not events */
#define ROOM_AGAIN_NS   20000000
#define ROOM_TRY_US     1000000u
#define ROOM_REFUSED_US 60000000u

struct host {
    const struct host_options *options;
    struct cluster *cluster;
    uint32_t self;
    bool fsync;
    struct store *store;
    struct engine *engine;
    struct now now;

    struct mailbox box;
    struct streams streams;
    struct peers peers;
    struct clients clients;
    struct handlers *handlers;
    struct node_faults faults;
    struct disk_place disk;
    enum disk_room told_room; /* the engine was */
    uint64_t room_tried_us;   /* 0: not since there is room again */
    uint64_t room_refused_us; /* since then there is room again, and the store does not take it */
    atomic_bool ended;        /* by a signal */
    bool stepped;             /* since the engine was last asked what it wants */
    bool refuses;             /* the engine takes no requests until a flush ends */
    bool stopping;            /* told to end */
    bool returning;           /* the data directory is marked so */

    struct mail flushed, stop;
    int flush_result;
    char flush_why[512];
    sigset_t signals;
};

static _Noreturn void die(const char *why) {
    log_error("stopped: %s", why);
    _exit(HOST_EXIT_FAILED); /* nothing more is sent, answered or written, not even by destructors */
}

/* The store is damaged: where the cluster has other nodes, this process becomes a run that takes everything from them anew. Returns when it cannot.
 */
static void begin_anew(const struct host *h, const char *why) {
    const char *dir = h->options->data_dir;
    if (h->cluster->nodes_count < 2) return;
    if (quarantine_lasts(dir)) {
        log_error("data are damaged again before all of them had come back: it is the disk that fails");
        return;
    }
    log_error("the data are damaged, and set aside: %s", why);
    if (quarantine_mark(dir, why)) execv("/proc/self/exe", h->options->argv);
    log_error("the damaged data stay where they are: %s", strerror(errno));
}

static _Noreturn void die_of_store(const struct host *h, bool damaged, const char *why) {
    if (damaged) begin_anew(h, why);
    die(why);
}

static void step(struct host *h, struct input *in) {
    in->now = h->now;
    h->stepped = true;
    engine_step(h->engine, in);
}

/* ---- clients ---- */
static void client_open(void *arg, uint64_t session, const char *address) {
    step(arg, &(struct input){.type = INPUT_OPEN, .session = session, .address = address});
}

static void client_close(void *arg, uint64_t session) { step(arg, &(struct input){.type = INPUT_CLOSE, .session = session}); }

static void client_request(void *arg, uint64_t session, const struct slice *argv, uint32_t argc) {
    step(arg, &(struct input){.type = INPUT_REQUEST, .session = session, .argv = argv, .argc = argc});
}

static bool client_blocked(void *arg, uint64_t session) { return engine_session_blocked(((struct host *)arg)->engine, session); }

static uint64_t client_forwards(void *arg, uint64_t session) { return engine_session_forwards(((struct host *)arg)->engine, session); }

static size_t client_reply_bytes(void *arg, uint64_t session) { return engine_session_reply_bytes(((struct host *)arg)->engine, session); }

static bool is_own(const struct slice *argv, uint32_t argc) { return argv[0].n == 11 && slice_is(argv[0], "truce.fault"); }

static void take_fault(struct host *h, const struct slice *argv, uint32_t argc, struct buf *reply) {
    if (!node_faults_command(&h->faults, argv, argc, clock_wall_ms(), h->now.mono_us, reply)) peers_command(&h->peers, argv, argc, reply);
}

static void run_own(void *arg, uint64_t session, const struct slice *argv, uint32_t argc, struct buf *reply) {
    struct host *h = arg;
    if (!engine_session_authenticated(h->engine, session))
        buf_text(reply, "-NOAUTH Authentication required.\r\n");
    else
        take_fault(h, argv, argc, reply);
}

static const struct clients_owner clients_owner = {client_open,     client_close,       client_request, client_blocked,
                                                   client_forwards, client_reply_bytes, is_own,         run_own};

/* ---- peers ---- */
static void link_up(void *arg, uint32_t peer, uint64_t run) { step(arg, &(struct input){.type = INPUT_LINK_UP, .peer = peer, .run = run}); }

static void link_down(void *arg, uint32_t peer) { step(arg, &(struct input){.type = INPUT_LINK_DOWN, .peer = peer}); }

static void link_frame(void *arg, uint32_t peer, struct slice frame) {
    step(arg, &(struct input){.type = INPUT_FRAME, .peer = peer, .frame = frame});
}

static bool link_refuses(void *arg) {
    const struct host *h = arg;
    return h->refuses || h->stopping;
}

static uint64_t link_incarnation(void *arg) {
    struct host *h = arg;
    struct dot last = engine_last_dot(h->engine);
    return last.n ? origins_get(engine_origins(h->engine), last.origin)->incarnation : 0;
}

static bool link_accepts(void *arg, uint32_t peer) { return engine_accepts(((struct host *)arg)->engine, peer); }

static void link_doubled(void *arg, uint32_t peer) { step(arg, &(struct input){.type = INPUT_DOUBLED, .peer = peer}); }

static const struct peers_owner peers_owner = {link_up, link_down, link_frame, link_refuses, link_incarnation, link_accepts, link_doubled};

/* ---- flushes: done on the store's thread, told here ---- */
static void flush_done(void *arg, int result, const char *why) {
    struct host *h = arg;
    h->flush_result = result;
    if (result < 0) snprintf(h->flush_why, sizeof h->flush_why, "%s", why);
    mailbox_post(&h->box, &h->flushed);
}

static void flushed_take(struct mail *m) {
    struct host *h = (struct host *)(void *)((char *)m - offsetof(struct host, flushed));
    if (h->flush_result < 0) die_of_store(h, h->flush_result == STORE_DAMAGED, h->flush_why);
    step(h, &(struct input){.type = INPUT_FLUSHED});
}

/* ---- handlers ---- */
static void handlers_known(void *arg, const struct known_handler *list, uint32_t count) {
    step(arg, &(struct input){.type = INPUT_HANDLERS, .handlers = list, .handlers_count = count});
}

static void handler_answered(void *arg, uint64_t run, struct slice answer) {
    step(arg, &(struct input){.type = INPUT_HANDLED, .handler_run = run, .answer = answer});
}

/* ---- room on the disk ---- */
/* Somebody else has taken in an instant what was left, after the engine was asked and before it is written: everything waits. A commit that failed
 * would end the node. */
static void await_room(const struct host *h, const struct commit *c) {
    uint64_t bytes = ROOM_FOR_REST;
    for (size_t i = 0; i < c->blocks_count; i++) bytes += c->blocks[i].bytes.n;
    for (size_t i = 0; i < c->losses_count; i++) bytes += c->losses[i].value.n;
    if (h->disk.free_bytes > 2 * h->disk.low_bytes + bytes) return;
    bool told = false;
    while (disk_free_bytes(h->options->data_dir) < bytes) {
        if (h->ended) die("told to end while there is no room on the disk for what was under way");
        if (!told) log_error("the disk is full: what is under way waits for room");
        told = true;
        nanosleep(&(struct timespec){.tv_nsec = ROOM_AGAIN_NS}, NULL);
    }
}

/* There is room again: does the store write? RocksDB may have failed at something of its own, and needs seconds to find out that there is room. */
static bool store_goes_on(struct host *h) {
    if (h->room_tried_us && h->now.mono_us - h->room_tried_us < ROOM_TRY_US) return false;
    h->room_tried_us = h->now.mono_us;
    if (store_takes_writes(h->store)) return true;
    if (!h->room_refused_us) h->room_refused_us = h->now.mono_us;
    log_warning("the disk has room again, but the store does not write: %s", h->store->why);
    if (h->now.mono_us - h->room_refused_us > ROOM_REFUSED_US) die("the disk has room again, and the store still does not write: start it again");
    return false;
}

/* At the beginning of a turn: the engine knows before it makes anything. */
static void look_at_disk(struct host *h) {
    static const char *const words[] = {"the disk has room again: writes are taken", "there is little room left on the disk: writes are refused",
                                        "the disk is full: writes are refused"};
    enum disk_room room = disk_place_look(&h->disk, h->now.mono_us);
    if (room == ROOM_ENOUGH && store_waits_for_room(h->store)) room = ROOM_LOW;
    if (node_faults_disk_full(&h->faults)) room = ROOM_NONE;
    if (room == h->told_room || (room == ROOM_ENOUGH && !store_goes_on(h))) return;
    h->told_room = room;
    h->room_tried_us = h->room_refused_us = 0;
    log_warning("%s (%llu MiB are free)", words[room], (unsigned long long)(h->disk.free_bytes >> 20));
    step(h, &(struct input){.type = INPUT_DISK, .room = room});
}

/* ---- what the engine wants done, in the order of its contract ---- */
static void commit(struct host *h, const struct commit *c) {
    enum commit_fault fault = node_faults_commit(&h->faults);
    if (fault == COMMIT_REFUSED) die("its disk fails, by order of TRUCE.FAULT DISK");
    await_room(h, c);
    if (h->store->ops->commit(h->store, c, engine_origins(h->engine), h->fsync || c->must_sync) < 0)
        die_of_store(h, h->store->damaged, h->store->why);
    if (fault == COMMIT_DOUBTFUL) die("its disk fails, by order of TRUCE.FAULT DISK; what failed is there");
}

/* ---- coming back with less: the file `returning` in the data directory outlives this process, as long as the node is not whole again ---- */
static const char *returning_path(const struct host *h) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/returning", h->options->data_dir);
    return path;
}

static void mark_returning(struct host *h) {
    h->returning = engine_returning(h->engine);
    int fd = h->returning ? open(returning_path(h), O_WRONLY | O_CREAT | O_CLOEXEC, 0644) : -1;
    if (h->returning ? fd < 0 || fsync(fd) != 0 : unlink(returning_path(h)) != 0) die("the file `returning` in the data directory cannot be changed");
    if (fd >= 0) close(fd);
    log_info(h->returning ? "the disk lacks what this node had: it is taken back from the others first" : "what the disk lacked is there again");
}

static void carry_out(struct host *h) {
    const struct engine_updates *u = engine_updates(h->engine);
    h->stepped = false;
    if (u->fatal) die_of_store(h, h->store->damaged, u->fatal);
    if (u->commit_needed) commit(h, &u->commit);
    if (h->returning != engine_returning(h->engine)) mark_returning(h);
    for (size_t i = 0; i < u->out_count; i++) peers_send(&h->peers, u->out[i].peer, u->out[i].frames);
    for (size_t i = 0; i < u->answers_count; i++) clients_answer(&h->clients, &u->answers[i]);
    for (size_t i = 0; i < u->unblocked_count; i++) clients_unblock(&h->clients, u->unblocked[i]);
    for (size_t i = 0; i < u->drops_count; i++) peers_drop(&h->peers, u->drops[i].peer, u->drops[i].why);
    if (u->flush) store_flush_start(h->store, u->flush, flush_done, h);
    for (size_t i = 0; i < u->handler_runs_count; i++) handlers_ask(h->handlers, &u->handler_runs[i]);
    if (u->reload_handlers) handlers_reload(h->handlers);
    if (u->members_changed) peers_members(&h->peers);
    if (u->shutdown) h->stopping = true;
    bool again = h->refuses && !u->refuse_requests;
    h->refuses = u->refuse_requests;
    clients_settle(&h->clients);
    if (again && !h->stopping) peers_resume(&h->peers); /* steps the engine: what it said before is done with */
}

static uint64_t earliest(uint64_t a, uint64_t b) { return a < b ? a : b; }

static void read_clocks(struct host *h) {
    uint64_t mono_us = clock_mono_us();
    h->now = (struct now){mono_us, node_faults_wall_ms(&h->faults, clock_wall_ms(), mono_us)};
    h->streams.now_us = h->now.mono_us;
}

static void turn(struct host *h) {
    bool work = h->stepped || (!h->refuses && !h->stopping && clients_ready(&h->clients));
    uint64_t until = h->now.mono_us + TICK_US;
    until = earliest(until, engine_wake_us(h->engine));
    until = earliest(until, streams_wake_us(&h->streams));
    until = earliest(until, peers_wake_us(&h->peers));
    struct mail *mails = mailbox_wait(&h->box, work ? 0 : until);
    read_clocks(h);
    look_at_disk(h);
    mails_take(mails);
    streams_tick(&h->streams);
    peers_tick(&h->peers);
    clients_tick(&h->clients);
    if (!h->refuses && !h->stopping) clients_run(&h->clients, RUN_INPUT_BYTES);
    if (h->now.mono_us >= engine_wake_us(h->engine)) {
        for (uint32_t i = 0; i < engine_cluster(h->engine)->nodes_count; i++) engine_note_wire(h->engine, i, h->peers.peers[i].wire_bytes);
        step(h, &(struct input){.type = INPUT_TICK});
    }
    carry_out(h);
}

/* ---- the end ---- */
static void stop_take(struct mail *m) {
    struct host *h = (struct host *)(void *)((char *)m - offsetof(struct host, stop));
    h->stopping = true;
}

static void *signal_thread(void *arg) {
    struct host *h = arg;
    pthread_setname_np(pthread_self(), "signals");
    int which;
    while (sigwait(&h->signals, &which) != 0) continue;
    h->ended = true;
    log_info("told to end by %s", which == SIGTERM ? "SIGTERM" : "SIGINT");
    mailbox_post(&h->box, &h->stop);
    return NULL;
}

/* Rows reach the disk before the end, so that the next start has no log to replay. */
static void flush_all(struct host *h) {
    bool asked = false;
    while (engine_flushing(h->engine) || (!asked && engine_dirty_rows(h->engine) > 0)) {
        if (h->told_room != ROOM_ENOUGH) {
            log_warning("ends without flushing rows, for want of room: the next start replays the log");
            return;
        }
        if (!engine_flushing(h->engine)) asked = engine_flush_now(h->engine);
        turn(h);
    }
}

static void finish(struct host *h) {
    handlers_stop(h->handlers);
    clients_stop(&h->clients);
    peers_stop(&h->peers);
    streams_finish(&h->streams);
    peers_finish(&h->peers);
    clients_finish(&h->clients);
    if (engine_flushing(h->engine)) { /* for want of room it is given up; its rows are still its own */
        store_close(h->store);
        log_info("ended");
        _exit(0);
    }
    engine_destroy(h->engine);
    store_close(h->store);
    nng_fini();
}

/* ---- the start ---- */
static bool say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool say(const char *format, ...) {
    va_list values;
    va_start(values, format);
    fprintf(stderr, "dc-node: ");
    vfprintf(stderr, format, values);
    fprintf(stderr, "\n");
    va_end(values);
    return false;
}

static bool load_cluster(struct host *h) {
    struct buf why = {0};
    h->cluster = xcalloc(1, sizeof *h->cluster);
    bool good = cluster_load(h->options->cluster_path, h->cluster, &why);
    if (!good) say("%.*s", (int)why.n, (const char *)why.p);
    buf_finish(&why);
    if (!good) return false;
    int self = cluster_find(h->cluster, slice_text(h->options->node_name));
    if (self < 0) return say("%s: there is no node %s", h->options->cluster_path, h->options->node_name);
    h->self = (uint32_t)self;
    h->fsync = h->options->fsync == FSYNC_OF_CLUSTER ? h->cluster->fsync : h->options->fsync == FSYNC_YES;
    return true;
}

/* $TRUCE_FAULTS: what TRUCE.FAULT orders, a line each, from the first moment on. The node's own faults hold before its store is opened, those of
 * its links can be ordered when these are there. */
static void faults_from_start(struct host *h, bool links) {
    const char *orders = getenv("TRUCE_FAULTS");
    char *all = xstrdup(orders ? orders : ""), *rest = all;
    struct buf reply = {0};
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        struct slice argv[32] = {SLICE("TRUCE.FAULT", 11)};
        uint32_t argc = 1;
        for (char *word; argc < 32 && (word = strsep(&line, " ")) != NULL;)
            if (*word) argv[argc++] = slice_text(word);
        if (argc == 1) continue;
        bool own = slice_is(argv[1], "clock") || slice_is(argv[1], "disk");
        if (own != links) take_fault(h, argv, argc, &reply);
    }
    if (reply.n > 0 && memchr(reply.p, '-', reply.n) != NULL) log_warning("TRUCE_FAULTS: %.*s", (int)reply.n, (const char *)reply.p);
    buf_finish(&reply);
    free(all);
}

static bool set_aside_what_is_damaged(const struct host *h) {
    const char *dir = h->options->data_dir;
    bool done = false;
    if (!quarantine_carry_out(dir, &done)) return say("%s: damaged data cannot be set aside: %s", dir, strerror(errno));
    if (done) log_warning("the damaged data lie in %s/set-aside", dir);
    return true;
}

static bool open_store_and_engine(struct host *h) {
    struct buf why = {0};
    struct store_options so = {.memory_bytes = h->cluster->memory_bytes_max / 4, .log_bytes_max = h->cluster->log_bytes_max};
    uint64_t entropy[2];
    if (getrandom(entropy, sizeof entropy, 0) != (ssize_t)sizeof entropy) return say("no random numbers: %s", strerror(errno));
    node_faults_init(&h->faults, entropy[1]);
    faults_from_start(h, false);
    if (!set_aside_what_is_damaged(h)) return false;
    int opened = store_open(&h->store, h->options->data_dir, &so, &why);
    bool good = opened == 0, damaged = opened == STORE_DAMAGED;
    read_clocks(h);
    h->returning = access(returning_path(h), F_OK) == 0;
    struct engine_options eo = {.cluster = h->cluster, .node = h->self, .store = h->store, .entropy = entropy[0], .returning = h->returning};
    if (good) disk_place_init(&h->disk, h->options->data_dir, store_spare_bytes(h->store));
    eo.set_aside = quarantine_lasts(h->options->data_dir);
    eo.joins = h->options->joins;
    if (good && engine_create(&h->engine, &eo, h->now, &why) != 0) {
        good = false;
        damaged = h->store->damaged;
    }
    if (good && h->returning != engine_returning(h->engine)) mark_returning(h); /* before anything is written */
    buf_u8(&why, 0);
    if (damaged) begin_anew(h, (const char *)why.p);
    if (!good) say("%s", (const char *)why.p);
    buf_finish(&why);
    streams_init(&h->streams, &h->box, entropy[1]);
    h->streams.bytes_soft = h->cluster->memory_bytes_max / 16;
    return good;
}

static bool write_pid(const struct host *h) {
    char path[4096], text[32];
    snprintf(path, sizeof path, "%s/pid", h->options->data_dir);
    int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool good = fd >= 0 && write(fd, text, (size_t)n) == n;
    if (fd >= 0) close(fd);
    return good || say("%s: %s", path, strerror(errno));
}

static bool open_sockets(struct host *h) {
    const struct cluster_node *me = &h->cluster->nodes[h->self];
    const char *error = clients_start(&h->clients, &h->streams, h->cluster, h->self, &clients_owner, h);
    if (error) return say("%s: cannot listen for clients on %s:%u: %s", me->name, me->client_host, me->client_port, error);
    error = peers_start(&h->peers, &h->streams, engine_cluster(h->engine), h->self, engine_run(h->engine), engine_origins(h->engine),
                        prng_next(&h->streams.prng), &peers_owner, h);
    if (error == NULL) faults_from_start(h, true);
    return error == NULL || say("%s: cannot listen for peers on %s:%u: %s", me->name, me->peer_host, me->peer_port, error);
}

static bool start_handlers(struct host *h) {
    char directory[4096];
    const char *own = h->cluster->handlers_dir;
    snprintf(directory, sizeof directory, "%s%s", own[0] ? own : h->options->data_dir, own[0] ? "" : "/handlers");
    struct handlers_options o = {.cluster = h->cluster, .directory = directory};
    h->handlers = handlers_start(&o, &h->box, &(struct handlers_owner){handlers_known, handler_answered}, h);
    return h->handlers != NULL || say("no thread for handlers");
}

/* Signals are one thread's alone: set up before RocksDB and nng start theirs, which inherit it. */
static bool take_signals(struct host *h) {
    sigemptyset(&h->signals);
    sigaddset(&h->signals, SIGTERM);
    sigaddset(&h->signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &h->signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    pthread_t thread;
    if (pthread_create(&thread, NULL, signal_thread, h) != 0) return say("no thread for signals");
    pthread_detach(thread);
    return true;
}

static void raise_limits(const struct host *h) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < h->cluster->clients_max + 1024u)
        log_warning("at most %llu files may be open here, clients_max is %u", (unsigned long long)files.rlim_cur, h->cluster->clients_max);
}

int host_run(const struct host_options *o) {
    static struct host h; /* one per process; its peers alone are large */
    h.options = o;
    h.flushed.take = flushed_take;
    h.stop.take = stop_take;
    mailbox_init(&h.box);
    if (!load_cluster(&h)) return HOST_EXIT_START;
    if (!log_open(o->log_path)) return say("%s: %s", o->log_path, strerror(errno)), HOST_EXIT_START;
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 1 << 20); /* fixed: the buffers of a flush go back to the system after it */
    raise_limits(&h);
    if (!take_signals(&h) || !open_store_and_engine(&h) || !write_pid(&h) || !start_handlers(&h) || !open_sockets(&h)) return HOST_EXIT_START;
    log_info("%s of cluster %s is there: clients on %s:%u, peers on %s:%u", o->node_name, h.cluster->name, h.cluster->nodes[h.self].client_host,
             h.cluster->nodes[h.self].client_port, h.cluster->nodes[h.self].peer_host, h.cluster->nodes[h.self].peer_port);
    while (!h.stopping) turn(&h);
    flush_all(&h);
    finish(&h);
    log_info("ended");
    cluster_finish(h.cluster);
    free(h.cluster);
    return 0;
}
