#include "handlers.h"
#include "../../conflict/handler_load.h"
#include "handler_process.h"
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOOK_US       2000000u /* how often the directory is looked at for changes */
#define CALLS_MAX     1024u    /* that wait; the engine asks far fewer at a time */
#define LOAD_LIMIT_MS 10000u
#define BACK_OFF_MS   50u /* doubles with each failure in a row */
#define BACK_OFF_MAX  2000u
#define WORDS         320

struct call {
    struct call *next;
    uint64_t run, hash;
    char name[NAME_LEN_MAX + 1];
    bool again; /* somebody killed the child while it was at this one */
    struct buf request;
};

struct calls {
    struct call *first, **end;
    uint32_t count;
};

/* A handler that was asked something, and its child. */
struct runner {
    struct runner *next;
    char name[NAME_LEN_MAX + 1];
    uint64_t hash; /* what the child has loaded */
    struct handler_process process;
    enum { RUNNER_OUT /* no child */, RUNNER_LOADS, RUNNER_IDLE, RUNNER_BUSY } state;
    struct calls calls; /* the first is the one that it is at, when BUSY */
    uint64_t began_us, cpu_us, deadline_us;
    uint64_t not_before_us;
    uint32_t failures; /* in a row */
};

struct handlers {
    struct handlers_options options;
    char *directory, *program;
    struct mailbox *box;
    struct handlers_owner owner;
    void *arg;
    pthread_t thread;
    int wake;

    pthread_mutex_t lock;
    struct calls asked;
    bool reload, stop;

    /* the thread's own */
    struct handler_file files[HANDLERS_MAX];
    int files_count;
    struct timespec changed; /* the directory, as it was last looked at */
    bool settling;           /* it had changed: it may have gone on to change within the same tick of its clock */
    uint64_t look_due_us;
    struct runner *runners;
    uint64_t now_us;
};

/* ---- calls ---- */
static void calls_add(struct calls *c, struct call *call) {
    if (!c->first) c->end = &c->first;
    call->next = NULL;
    *c->end = call;
    c->end = &call->next;
    c->count++;
}

static struct call *calls_take(struct calls *c) {
    struct call *call = c->first;
    if (!call) return NULL;
    c->first = call->next;
    c->count--;
    return call;
}

static void call_free(struct call *c) {
    buf_finish(&c->request);
    free(c);
}

/* ---- what the owner is told ---- */
struct answered {
    struct mail mail; /* first */
    struct handlers *h;
    uint64_t run;
    struct buf answer;
};

static void answered_take(struct mail *m) {
    struct answered *a = (struct answered *)m;
    a->h->owner.answered(a->h->arg, a->run, buf_slice_of(&a->answer));
    buf_finish(&a->answer);
    free(a);
}

/* Takes the call. */
static void give(struct handlers *h, struct call *c, struct slice answer) {
    struct answered *a = xcalloc(1, sizeof *a);
    a->mail.take = answered_take;
    a->h = h;
    a->run = c->run;
    buf_put(&a->answer, answer.p, answer.n);
    call_free(c);
    mailbox_post(h->box, &a->mail);
}

static void give_words(struct handlers *h, struct call *c, enum handler_outcome outcome, const char *words) {
    struct buf b = {0};
    struct slice why = slice_text(words);
    if (why.n > HANDLER_REASON_BYTES_MAX) why.n = HANDLER_REASON_BYTES_MAX;
    handler_answer_encode(&(struct handler_answer){.outcome = outcome, .why = why}, &b);
    give(h, c, buf_slice_of(&b));
    buf_finish(&b);
}

struct listed {
    struct mail mail; /* first */
    struct handlers *h;
    uint32_t count;
    struct known_handler known[HANDLERS_MAX];
};

static void listed_take(struct mail *m) {
    struct listed *l = (struct listed *)m;
    l->h->owner.known(l->h->arg, l->known, l->count);
    free(l);
}

/* ---- the directory ---- */
static bool is_forced(const struct handlers *h, const char *name) {
    for (uint32_t i = 0; i < h->options.cluster->handlers_forced_count; i++)
        if (strcmp(h->options.cluster->handlers_forced[i], name) == 0) return true;
    return false;
}

static void describe(const struct handlers *h, const struct handler_file *f, struct known_handler *ret) {
    *ret = (struct known_handler){.hash = f->hash, .wants_base = f->wants_base};
    memcpy(ret->name, f->name, sizeof ret->name);
    ret->usable = f->admission == ADMISSION_GRANTED || is_forced(h, f->name);
    if (f->admission == ADMISSION_GRANTED) return;
    snprintf(ret->why, sizeof ret->why, ret->usable ? "forced: %.240s" : "%.255s", f->why);
}

static void list(struct handlers *h) {
    struct buf why = {0};
    h->files_count = handler_list(h->directory, h->files, &why);
    if (h->files_count < 0) {
        log_warning("handlers in %s: %.*s", h->directory, (int)why.n, (const char *)why.p);
        h->files_count = 0;
    }
    buf_finish(&why);
    struct listed *l = xcalloc(1, sizeof *l);
    l->mail.take = listed_take;
    l->h = h;
    l->count = (uint32_t)h->files_count;
    for (int i = 0; i < h->files_count; i++) describe(h, &h->files[i], &l->known[i]);
    mailbox_post(h->box, &l->mail);
}

/* Has something been put into the directory, or taken out? */
static bool has_changed(struct handlers *h) {
    struct stat st;
    if (stat(h->directory, &st) != 0) st.st_mtim = (struct timespec){0};
    bool changed = st.st_mtim.tv_sec != h->changed.tv_sec || st.st_mtim.tv_nsec != h->changed.tv_nsec;
    bool look = changed || h->settling;
    h->settling = changed;
    h->changed = st.st_mtim;
    h->look_due_us = h->now_us + LOOK_US;
    return look;
}

/* Where the handler of that name and hash is, if it may run; else words. */
static const char *path_of(const struct handlers *h, const char *name, uint64_t hash, char words[static WORDS]) {
    for (int i = 0; i < h->files_count; i++) {
        const struct handler_file *f = &h->files[i];
        if (strcmp(f->name, name) != 0) continue;
        struct known_handler known;
        describe(h, f, &known);
        if (f->hash == hash && known.usable) return f->path;
        snprintf(words, WORDS, "%s", f->hash == hash ? known.why : "it is another file now");
        return NULL;
    }
    snprintf(words, WORDS, "there is no %s.so in %s", name, h->directory);
    return NULL;
}

/* ---- one handler ---- */
static struct runner *runner_of(struct handlers *h, const char *name) {
    for (struct runner *r = h->runners; r; r = r->next)
        if (strcmp(r->name, name) == 0) return r;
    struct runner *r = xcalloc(1, sizeof *r);
    snprintf(r->name, sizeof r->name, "%s", name);
    r->next = h->runners;
    h->runners = r;
    return r;
}

static enum ending end_process(struct runner *r, int *ret_number) {
    r->state = RUNNER_OUT;
    return handler_process_end(&r->process, ret_number);
}

static void back_off(struct handlers *h, struct runner *r) {
    uint64_t ms = (uint64_t)BACK_OFF_MS << (r->failures < 16 ? r->failures : 16);
    r->not_before_us = h->now_us + (ms < BACK_OFF_MAX ? ms : BACK_OFF_MAX) * 1000;
    r->failures++;
}

/* The call that it is at, or that it was begun for, has failed, and its child is gone. */
static void fail(struct handlers *h, struct runner *r, enum handler_outcome outcome, const char *words) {
    back_off(h, r);
    struct call *c = calls_take(&r->calls);
    if (!c) return;
    log_warning("handler %s: %s", r->name, words);
    give_words(h, c, outcome, words);
}

/* It has ended without an answer. Somebody else's SIGKILL says nothing about the handler: the call is made again, once. */
static void ended(struct handlers *h, struct runner *r) {
    const char *when = r->state == RUNNER_LOADS ? " while it was loaded" : "";
    bool at_work = r->state != RUNNER_IDLE;
    char words[WORDS];
    int number;
    switch (end_process(r, &number)) {
    case ENDING_KILLED: snprintf(words, sizeof words, "closed its connection to the node%s", when); break;
    case ENDING_EXIT: snprintf(words, sizeof words, "ended its process with code %d%s", number, when); break;
    default: snprintf(words, sizeof words, "crashed with signal %d (%s)%s", number, sigdescr_np(number), when); break;
    case ENDING_KILLED_BEFORE:
        snprintf(words, sizeof words, "was killed%s", when);
        if (r->calls.first && !r->calls.first->again) {
            r->calls.first->again = true;
            return;
        }
    }
    if (at_work) fail(h, r, HANDLER_FAILED, words);
}

static void misbehaved(struct handlers *h, struct runner *r, const char *words) {
    bool at_work = r->state != RUNNER_IDLE;
    end_process(r, NULL);
    if (at_work) fail(h, r, HANDLER_FAILED, words);
}

static void watch_time(struct handlers *h, struct runner *r, uint32_t limit_ms) {
    r->began_us = h->now_us;
    r->cpu_us = handler_process_cpu_us(&r->process);
    r->deadline_us = h->now_us + (uint64_t)limit_ms * 1000;
}

/* The limit is over. Where the machine has given it hardly any time to compute, it gets more. */
static void late(struct handlers *h, struct runner *r) {
    char words[WORDS];
    if (r->state == RUNNER_LOADS) {
        misbehaved(h, r, "could not be loaded in time");
        return;
    }
    uint64_t limit_us = (uint64_t)h->options.limit_ms * 1000, took_us = h->now_us - r->began_us;
    if (handler_process_cpu_us(&r->process) - r->cpu_us < limit_us / 2 && took_us < limit_us * HANDLER_STARVED_MAX) {
        r->deadline_us = h->now_us + limit_us / 4;
        return;
    }
    snprintf(words, sizeof words, "gave no answer within %u ms", (unsigned)(took_us < 2 * limit_us ? h->options.limit_ms : took_us / 1000));
    misbehaved(h, r, words);
}

static void begin(struct handlers *h, struct runner *r, const char *path) {
    struct buf why = {0};
    r->hash = r->calls.first->hash;
    if (handler_process_start(&r->process, h->program, path, r->hash, &why)) {
        r->state = RUNNER_LOADS;
        watch_time(h, r, LOAD_LIMIT_MS);
    } else {
        char words[WORDS];
        snprintf(words, sizeof words, "%.*s", (int)why.n, (const char *)why.p);
        fail(h, r, HANDLER_ABSENT, words);
    }
    buf_finish(&why);
}

/* Goes on with the next call as far as it can. */
static void go_on(struct handlers *h, struct runner *r) {
    while (r->calls.first && r->state != RUNNER_LOADS && r->state != RUNNER_BUSY) {
        char words[WORDS];
        const char *path = path_of(h, r->name, r->calls.first->hash, words);
        if (r->state == RUNNER_IDLE && (!path || r->hash != r->calls.first->hash)) end_process(r, NULL);
        if (!path) {
            give_words(h, calls_take(&r->calls), HANDLER_ABSENT, words);
        } else if (r->state == RUNNER_IDLE) {
            r->state = RUNNER_BUSY;
            watch_time(h, r, h->options.limit_ms);
            handler_process_send(&r->process, buf_slice_of(&r->calls.first->request));
        } else if (h->now_us >= r->not_before_us) {
            begin(h, r, path);
        } else {
            return;
        }
    }
}

static void loaded(struct handlers *h, struct runner *r, struct slice why) {
    if (!why.n) {
        r->state = RUNNER_IDLE;
        return;
    }
    char words[WORDS];
    snprintf(words, sizeof words, "%.*s", (int)why.n, (const char *)why.p);
    end_process(r, NULL);
    fail(h, r, HANDLER_ABSENT, words);
}

static bool well_formed(struct slice bytes) {
    struct handler_answer a;
    return handler_answer_decode(bytes, &a);
}

/* Something came from its child, or it ended. */
static void hear(struct handlers *h, struct runner *r) {
    struct slice frame;
    while (r->state != RUNNER_OUT) {
        switch (handler_process_read(&r->process, &frame)) {
        case HEARD_NOTHING: return;
        case HEARD_END: ended(h, r); return;
        case HEARD_TOO_MUCH: misbehaved(h, r, "gave an answer that is too large"); return;
        case HEARD_FRAME: break;
        }
        if (r->state == RUNNER_LOADS) {
            loaded(h, r, frame);
        } else if (r->state == RUNNER_IDLE || handler_process_sending(&r->process) || !well_formed(frame)) {
            misbehaved(h, r, "gave garbage as its answer");
        } else {
            r->state = RUNNER_IDLE;
            r->failures = 0;
            r->not_before_us = 0;
            give(h, calls_take(&r->calls), frame);
        }
        go_on(h, r);
    }
}

/* ---- the thread ---- */

/* What was asked since, and whether to go on. */
static bool take_orders(struct handlers *h, struct calls *ret_asked, bool *ret_reload) {
    uint64_t times;
    while (read(h->wake, &times, sizeof times) < 0 && errno == EINTR) continue;
    pthread_mutex_lock(&h->lock);
    *ret_asked = h->asked;
    h->asked = (struct calls){0};
    *ret_reload = h->reload;
    h->reload = false;
    bool stop = h->stop;
    pthread_mutex_unlock(&h->lock);
    return !stop;
}

static void hand_out(struct handlers *h, struct calls *asked) {
    for (struct call *c; (c = calls_take(asked));) {
        struct runner *r = runner_of(h, c->name);
        if (r->calls.count < CALLS_MAX)
            calls_add(&r->calls, c);
        else
            give_words(h, c, HANDLER_ABSENT, "too many rows wait for it");
    }
}

static uint64_t wake_us(const struct runner *r) {
    if (r->state == RUNNER_LOADS || r->state == RUNNER_BUSY) return r->deadline_us;
    return r->calls.first ? r->not_before_us : UINT64_MAX;
}

/* Waits until something is to be done; *fds has `wake` first, then the children in the order of the runners. */
static void await(struct handlers *h, struct pollfd *fds, nfds_t count) {
    uint64_t until = h->look_due_us;
    for (const struct runner *r = h->runners; r; r = r->next)
        if (wake_us(r) < until) until = wake_us(r);
    uint64_t now = clock_mono_us();
    int ms = until <= now ? 0 : (int)((until - now + 999) / 1000);
    poll(fds, count, ms);
    h->now_us = clock_mono_us();
}

static struct pollfd *poll_list(struct handlers *h, nfds_t *ret_count) {
    nfds_t n = 1;
    for (const struct runner *r = h->runners; r; r = r->next) n++;
    struct pollfd *fds = xcalloc(n, sizeof *fds);
    fds[0] = (struct pollfd){.fd = h->wake, .events = POLLIN};
    n = 1;
    for (const struct runner *r = h->runners; r; r = r->next) {
        short events = handler_process_sending(&r->process) ? POLLIN | POLLOUT : POLLIN;
        fds[n++] = (struct pollfd){.fd = r->state == RUNNER_OUT ? -1 : r->process.fd, .events = events};
    }
    *ret_count = n;
    return fds;
}

static void serve(struct handlers *h, const struct pollfd *fds) {
    nfds_t i = 1;
    for (struct runner *r = h->runners; r; r = r->next, i++) {
        if (r->state != RUNNER_OUT && fds[i].revents & POLLOUT) handler_process_write(&r->process);
        if (r->state != RUNNER_OUT && fds[i].revents & (POLLIN | POLLHUP | POLLERR)) hear(h, r);
        if ((r->state == RUNNER_LOADS || r->state == RUNNER_BUSY) && h->now_us >= r->deadline_us) late(h, r);
    }
}

static void end_runners(struct handlers *h) {
    for (struct runner *r; (r = h->runners);) {
        h->runners = r->next;
        if (r->state != RUNNER_OUT) end_process(r, NULL);
        for (struct call *c; (c = calls_take(&r->calls));) call_free(c);
        free(r);
    }
}

static void *handlers_thread(void *arg) {
    struct handlers *h = arg;
    struct calls asked;
    bool reload;
    pthread_setname_np(pthread_self(), "handlers");
    h->now_us = clock_mono_us();
    has_changed(h);
    list(h);
    while (take_orders(h, &asked, &reload)) {
        if (reload || (h->now_us >= h->look_due_us && has_changed(h))) list(h);
        hand_out(h, &asked);
        for (struct runner *r = h->runners; r; r = r->next) go_on(h, r);
        nfds_t count;
        struct pollfd *fds = poll_list(h, &count);
        await(h, fds, count);
        serve(h, fds);
        free(fds);
    }
    for (struct call *c; (c = calls_take(&asked));) call_free(c);
    end_runners(h);
    return NULL;
}

/* ---- the door ---- */
static void wake(struct handlers *h) {
    uint64_t one = 1;
    while (write(h->wake, &one, sizeof one) < 0 && errno == EINTR) continue;
}

struct handlers *handlers_start(const struct handlers_options *o, struct mailbox *box, const struct handlers_owner *owner, void *arg) {
    struct handlers *h = xcalloc(1, sizeof *h);
    h->options = *o;
    if (!h->options.limit_ms) h->options.limit_ms = HANDLER_LIMIT_MS;
    h->directory = xstrdup(o->directory);
    h->program = o->program ? xstrdup(o->program) : NULL;
    h->box = box;
    h->owner = *owner;
    h->arg = arg;
    pthread_mutex_init(&h->lock, NULL);
    h->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (h->wake >= 0 && pthread_create(&h->thread, NULL, handlers_thread, h) == 0) return h;
    if (h->wake >= 0) close(h->wake);
    free(h->directory);
    free(h->program);
    free(h);
    return NULL;
}

void handlers_reload(struct handlers *h) {
    pthread_mutex_lock(&h->lock);
    h->reload = true;
    pthread_mutex_unlock(&h->lock);
    wake(h);
}

void handlers_ask(struct handlers *h, const struct handler_run *run) {
    struct call *c = xcalloc(1, sizeof *c);
    c->run = run->id;
    c->hash = run->hash;
    snprintf(c->name, sizeof c->name, "%s", run->name);
    buf_put(&c->request, run->request.p, run->request.n);
    pthread_mutex_lock(&h->lock);
    calls_add(&h->asked, c);
    pthread_mutex_unlock(&h->lock);
    wake(h);
}

void handlers_stop(struct handlers *h) {
    if (!h) return;
    pthread_mutex_lock(&h->lock);
    h->stop = true;
    pthread_mutex_unlock(&h->lock);
    wake(h);
    pthread_join(h->thread, NULL);
    close(h->wake);
    pthread_mutex_destroy(&h->lock);
    free(h->directory);
    free(h->program);
    free(h);
}
