#include "../../conflict/handler_load.h"
#include "../../dc-node/io/handlers.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Handlers in child processes: whatever they do, there is one answer for each request, and words. */
TestSuite(handlers, .timeout = 120);

#define PATIENCE_US 60000000u

struct rig {
    struct mailbox box;
    struct handlers *h;
    struct cluster cluster;
    char dir[300];
    struct known_handler known[HANDLERS_MAX];
    uint32_t known_count, lists;
    struct {
        uint64_t run;
        struct buf bytes;
        struct handler_answer answer;
    } answers[64];
    uint32_t answers_count;
    uint64_t runs;
};

static void on_known(void *arg, const struct known_handler *list, uint32_t count) {
    struct rig *r = arg;
    memcpy(r->known, list, count * sizeof *list);
    r->known_count = count;
    r->lists++;
}

static void on_answered(void *arg, uint64_t run, struct slice answer) {
    struct rig *r = arg;
    cr_assert_lt(r->answers_count, 64u);
    uint32_t at = r->answers_count++;
    r->answers[at].run = run;
    buf_put(&r->answers[at].bytes, answer.p, answer.n);
    cr_assert(handler_answer_decode(buf_slice_of(&r->answers[at].bytes), &r->answers[at].answer));
}

static void install(struct rig *r, const char *name) {
    char from[4096], to[700], command[5000];
    snprintf(from, sizeof from, "%s/%s.so", BAD_HANDLERS, name);
    snprintf(to, sizeof to, "%s/%s.so", r->dir, name);
    snprintf(command, sizeof command, "cp '%s' '%s'", from, to);
    cr_assert_eq(system(command), 0);
}

/* All of `names`, with spaces between, are there and forced. */
static struct rig *rig_open(const char *names, uint32_t limit_ms) {
    struct rig *r = xcalloc(1, sizeof *r);
    const char *tmp = getenv("TMPDIR");
    snprintf(r->dir, sizeof r->dir, "%s/truce-handlers-XXXXXX", tmp ? tmp : "/tmp");
    cr_assert(mkdtemp(r->dir));
    for (const char *p = names; *p; p += strspn(p, " ")) {
        char *name = r->cluster.handlers_forced[r->cluster.handlers_forced_count++];
        memcpy(name, p, strcspn(p, " "));
        install(r, name);
        p += strcspn(p, " ");
    }
    mailbox_init(&r->box);
    struct handlers_options o = {.cluster = &r->cluster, .directory = r->dir, .program = DC_NODE, .limit_ms = limit_ms};
    r->h = handlers_start(&o, &r->box, &(struct handlers_owner){on_known, on_answered}, r);
    cr_assert(r->h);
    return r;
}

static void rig_close(struct rig *r) {
    char command[400];
    handlers_stop(r->h);
    snprintf(command, sizeof command, "rm -rf '%s'", r->dir);
    cr_assert_eq(system(command), 0);
    for (uint32_t i = 0; i < r->answers_count; i++) buf_finish(&r->answers[i].bytes);
    free(r);
}

static void take_until(struct rig *r, const uint32_t *count, uint32_t wanted) {
    uint64_t end = clock_mono_us() + PATIENCE_US;
    while (*count < wanted && clock_mono_us() < end) mails_take(mailbox_wait(&r->box, end));
    cr_assert_geq(*count, wanted, "only %u of %u came", *count, wanted);
}

static const struct known_handler *known_now(const struct rig *r, const char *name) {
    for (uint32_t i = 0; i < r->known_count; i++)
        if (strcmp(r->known[i].name, name) == 0) return &r->known[i];
    return NULL;
}

static const struct known_handler *known(struct rig *r, const char *name) {
    take_until(r, &r->lists, r->lists ? r->lists : 1);
    const struct known_handler *k = known_now(r, name);
    cr_assert(k, "%s is not known", name);
    return k;
}

/* The handler is listed as a file of another hash than this. */
static void take_change(struct rig *r, const char *name, uint64_t hash) {
    for (const struct known_handler *k = NULL; !k || k->hash == hash; k = known_now(r, name)) take_until(r, &r->lists, r->lists + 1);
}

static void put_question(const char *name, const char *a, const char *b, struct buf *out) {
    struct buf contents[2] = {{0}, {0}};
    content_make_string(&contents[0], 0, slice_text(a));
    content_make_string(&contents[1], 0, slice_text(b));
    struct handler_sibling s[2] = {
        {.dc = slice_text("eu"), .dot = slice_text("eu-1.00000000000000aa:1"), .stamp = 1 << 16, .content = buf_slice_of(&contents[0])},
        {.dc = slice_text("us"), .dot = slice_text("us-1.00000000000000bb:1"), .stamp = 2 << 16, .content = buf_slice_of(&contents[1])}};
    handler_question_encode(&(struct handler_question){.name = slice_text(name),
                                                       .table = slice_text("users"),
                                                       .settings = slice_text("{}"),
                                                       .key = slice_text("users:1"),
                                                       .siblings = s,
                                                       .count = 2},
                            out);
    buf_finish(&contents[0]);
    buf_finish(&contents[1]);
}

static uint64_t ask_of_hash(struct rig *r, const char *name, uint64_t hash, const char *a, const char *b) {
    struct buf request = {0};
    put_question(name, a, b, &request);
    uint64_t id = ++r->runs;
    handlers_ask(r->h, &(struct handler_run){.id = id, .name = name, .hash = hash, .request = buf_slice_of(&request)});
    buf_finish(&request);
    return id;
}

static uint64_t ask(struct rig *r, const char *name, const char *a, const char *b) { return ask_of_hash(r, name, known(r, name)->hash, a, b); }

static const struct handler_answer *answer_of(struct rig *r, uint64_t run) {
    for (uint32_t count = 1;; count++) {
        take_until(r, &r->answers_count, count < r->answers_count ? r->answers_count : count);
        for (uint32_t i = 0; i < r->answers_count; i++)
            if (r->answers[i].run == run) return &r->answers[i].answer;
    }
}

static const struct handler_answer *asked(struct rig *r, const char *name) { return answer_of(r, ask(r, name, "one", "two")); }

#define EXPECT_ANSWER(given, wanted, words)                                                                                                          \
    do {                                                                                                                                             \
        const struct handler_answer *given_ = (given);                                                                                               \
        cr_assert_eq(given_->outcome, wanted, "outcome %d: %.*s", given_->outcome, (int)given_->why.n, (const char *)given_->why.p);                 \
        cr_assert(memmem(given_->why.p, given_->why.n, words, strlen(words)) || !*(words), "\"%s\" is not in: %.*s", words, (int)given_->why.n,      \
                  (const char *)given_->why.p);                                                                                                      \
    } while (0)

/* How many child processes of this one there are. */
static unsigned children(void) {
    unsigned n = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[300], line[600] = "";
        snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
        FILE *f = strspn(e->d_name, "0123456789") ? fopen(path, "re") : NULL;
        if (!f) continue;
        if (!fgets(line, sizeof line, f)) line[0] = 0;
        fclose(f);
        const char *after = strrchr(line, ')');
        if (after && strtol(after + 4, NULL, 10) == getpid()) n++;
    }
    if (d) closedir(d);
    return n;
}

Test(handlers, decide, .description = "A handler's answers come back, from one child process that lives on") {
    struct rig *r = rig_open("first second delete recorder passer", 0);
    EXPECT_ANSWER(asked(r, "second"), HANDLER_PICK, "");
    cr_assert_eq(asked(r, "second")->index, 1u);
    EXPECT_ANSWER(asked(r, "first"), HANDLER_PICK, "");
    EXPECT_ANSWER(asked(r, "delete"), HANDLER_ROW, "");
    cr_assert_eq(asked(r, "delete")->content.n, 0u);
    EXPECT_ANSWER(asked(r, "recorder"), HANDLER_RECORD, "");
    EXPECT_ANSWER(asked(r, "passer"), HANDLER_PASS, "");
    cr_assert_eq(children(), 5u);
    rig_close(r);
    cr_assert_eq(children(), 0u);
}

Test(handlers, order, .description = "Requests of one handler are answered in order by one process") {
    struct rig *r = rig_open("counter", 0);
    uint64_t last = 0;
    for (int i = 0; i < 20; i++) last = ask(r, "counter", "a", "b");
    answer_of(r, last);
    cr_assert_eq(r->answers_count, 20u);
    for (uint32_t i = 0; i < 20; i++) {
        char text[24];
        snprintf(text, sizeof text, "%u", i + 1);
        cr_assert_eq(r->answers[i].run, i + 1);
        cr_assert(slice_is(content_string(r->answers[i].answer.content), text));
    }
    cr_assert_eq(children(), 1u);
    rig_close(r);
}

Test(handlers, large, .description = "A request far larger than what a socket holds is answered") {
    struct rig *r = rig_open("first", 0);
    char *a = xmalloc(1000001), *b = xmalloc(1000001);
    memset(a, 'a', 1000000);
    memset(b, 'b', 1000000);
    a[1000000] = b[1000000] = 0;
    uint64_t runs[3];
    for (int i = 0; i < 3; i++) runs[i] = ask(r, "first", a, b);
    for (int i = 0; i < 3; i++) EXPECT_ANSWER(answer_of(r, runs[i]), HANDLER_PICK, "");
    free(a);
    free(b);
    rig_close(r);
}

Test(handlers, crash, .description = "A handler that crashes fails with the signal's name, and the next request has a new process") {
    struct rig *r = rig_open("crash moody exit deaf", 0);
    EXPECT_ANSWER(asked(r, "crash"), HANDLER_FAILED, "crashed with signal 11 (Segmentation fault)");
    EXPECT_ANSWER(asked(r, "crash"), HANDLER_FAILED, "crashed with signal 11 (Segmentation fault)");
    EXPECT_ANSWER(asked(r, "exit"), HANDLER_FAILED, "ended its process with code 3");
    EXPECT_ANSWER(asked(r, "deaf"), HANDLER_FAILED, "returned 7");
    uint64_t runs[3] = {ask(r, "moody", "fine", "x"), ask(r, "moody", "crash", "x"), ask(r, "moody", "fine", "x")};
    EXPECT_ANSWER(answer_of(r, runs[0]), HANDLER_PICK, "");
    EXPECT_ANSWER(answer_of(r, runs[1]), HANDLER_FAILED, "crashed with signal 6 (Aborted)");
    EXPECT_ANSWER(answer_of(r, runs[2]), HANDLER_PICK, "");
    rig_close(r);
}

Test(handlers, loop, .description = "A handler that loops is ended when its time is over, and delays no other") {
    struct rig *r = rig_open("loop first", 1000); /* of computing it gets half at least, however slow the machine */
    uint64_t stuck = ask(r, "loop", "a", "b"), after = ask(r, "loop", "a", "b"), other = ask(r, "first", "a", "b");
    EXPECT_ANSWER(answer_of(r, other), HANDLER_PICK, "");
    EXPECT_ANSWER(answer_of(r, stuck), HANDLER_FAILED, "gave no answer within ");
    EXPECT_ANSWER(answer_of(r, after), HANDLER_FAILED, "gave no answer within ");
    cr_assert_eq(r->answers[0].run, other);
    cr_assert_eq(r->answers[1].run, stuck);
    rig_close(r);
    cr_assert_eq(children(), 0u);
}

Test(handlers, sleeps, .description = "A handler that waits instead of computing gets more time, but not for ever") {
    struct rig *r = rig_open("sleepy closer", 300);
    EXPECT_ANSWER(asked(r, "sleepy"), HANDLER_PICK, "");
    EXPECT_ANSWER(asked(r, "closer"), HANDLER_FAILED, "closed its connection to the node");
    rig_close(r);
}

Test(handlers, garbage, .description = "What is no answer is a failure, and so is more than an answer may hold") {
    struct rig *r = rig_open("garbage flood first", 0);
    EXPECT_ANSWER(asked(r, "garbage"), HANDLER_FAILED, "gave garbage as its answer");
    EXPECT_ANSWER(asked(r, "flood"), HANDLER_FAILED, "gave an answer that is too large");
    EXPECT_ANSWER(asked(r, "first"), HANDLER_PICK, "");
    rig_close(r);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
Test(handlers, memory, .description = "A handler that takes memory without end meets a limit") {
    struct rig *r = rig_open("eater", 5000);
    const struct handler_answer *a = asked(r, "eater");
    EXPECT_ANSWER(a, HANDLER_ROW, "");
    cr_assert_not(slice_is(content_string(a->content), "there is no end to memory"));
    rig_close(r);
}
#endif

Test(handlers, refused, .description = "A handler that was not admitted is listed with why, and never run unless it is forced by name") {
    struct rig *r = rig_open("first", 0);
    install(r, "second");
    handlers_reload(r->h);
    take_change(r, "second", 0);
    cr_assert(known(r, "first")->usable);
    cr_assert(strncmp(known(r, "first")->why, "forced: ", 8) == 0);
    cr_assert_not(known(r, "second")->usable);
    cr_assert(strstr(known(r, "second")->why, "never checked"), "%s", known(r, "second")->why);
    EXPECT_ANSWER(asked(r, "second"), HANDLER_ABSENT, "never checked");
    cr_assert_eq(children(), 0u);
    rig_close(r);
}

Test(handlers, admitted, .description = "A handler that was admitted runs; once its file is another it does not") {
    struct rig *r = rig_open("first", 0);
    char path[700], record[720];
    uint64_t hash;
    install(r, "second");
    snprintf(path, sizeof path, "%s/second.so", r->dir);
    snprintf(record, sizeof record, "%s.admitted", path);
    cr_assert(handler_file_hash(path, &hash, NULL));
    FILE *f = fopen(record, "we");
    fprintf(f, "{\"hash\": \"%016llx\", \"abi\": %d, \"result\": \"admitted\"}\n", (unsigned long long)hash, TRUCE_HANDLER_ABI);
    fclose(f);
    take_change(r, "second", 0); /* nobody has said that it is there */
    cr_assert(known(r, "second")->usable, "%s", known(r, "second")->why);
    EXPECT_ANSWER(asked(r, "second"), HANDLER_PICK, "");
    f = fopen(path, "ae");
    fputs("more", f);
    fclose(f);
    handlers_reload(r->h);
    take_change(r, "second", hash);
    cr_assert_not(known(r, "second")->usable);
    EXPECT_ANSWER(answer_of(r, ask_of_hash(r, "second", hash, "a", "b")), HANDLER_ABSENT, "another file");
    rig_close(r);
}

Test(handlers, another, .description = "A file that was replaced since it was listed is not run, whatever is asked for") {
    struct rig *r = rig_open("first", 0);
    char command[1500];
    uint64_t hash = known(r, "first")->hash;
    snprintf(command, sizeof command, "cp '%s/second.so' '%s/first.so'", BAD_HANDLERS, r->dir);
    cr_assert_eq(system(command), 0);
    EXPECT_ANSWER(answer_of(r, ask_of_hash(r, "first", hash, "a", "b")), HANDLER_ABSENT, "is another file now");
    EXPECT_ANSWER(answer_of(r, ask_of_hash(r, "first", hash + 1, "a", "b")), HANDLER_ABSENT, "another file");
    EXPECT_ANSWER(answer_of(r, ask_of_hash(r, "nobody", 1, "a", "b")), HANDLER_ABSENT, "there is no nobody.so");
    snprintf(command, sizeof command, "echo no library > '%s/first.so'", r->dir);
    cr_assert_eq(system(command), 0);
    handlers_reload(r->h);
    take_change(r, "first", hash);
    EXPECT_ANSWER(asked(r, "first"), HANDLER_ABSENT, "first.so");
    rig_close(r);
}

Test(handlers, empty, .description = "A directory that is not there holds no handlers") {
    struct rig *r = rig_open("", 0);
    cr_assert_eq(rmdir(r->dir), 0);
    handlers_reload(r->h);
    take_until(r, &r->lists, 2);
    cr_assert_eq(r->known_count, 0u);
    rig_close(r);
}

/* The child of this process: there is one. */
static pid_t only_child(void) {
    char path[100];
    long pid = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)getpid());
    DIR *d = opendir(path);
    for (struct dirent *e; d && pid == 0 && (e = readdir(d));) {
        char list[400];
        snprintf(list, sizeof list, "%s/%s/children", path, e->d_name);
        FILE *f = fopen(list, "re");
        if (f && fscanf(f, "%ld", &pid) != 1) pid = 0;
        if (f) fclose(f);
    }
    if (d) closedir(d);
    cr_assert_gt(pid, 0);
    return (pid_t)pid;
}

Test(handlers, killed, .description = "A child that somebody kills costs no request: it is made again, by a new one") {
    struct rig *r = rig_open("sleepy", 1000);
    asked(r, "sleepy");
    pid_t before = only_child();
    uint64_t run = ask(r, "sleepy", "a", "b");
    kill(before, SIGTERM); /* what a node's end sends to all its processes is not for them */
    kill(before, SIGKILL);
    EXPECT_ANSWER(answer_of(r, run), HANDLER_PICK, "");
    cr_assert_neq(only_child(), before);
    rig_close(r);
}
