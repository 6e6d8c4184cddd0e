#include "check_imports.h"
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* Names as normal() makes them: a trailing * stands for anything. */
#define BANNED(X)                                                                                                                                    \
    X(CLOCK, "time clock clock_gettime gettimeofday ftime times timespec_get localtime localtime_r mktime tzset _ZNSt6chrono*")                      \
    X(RANDOM, "rand random srand srandom drand48 erand48 lrand48 nrand48 mrand48 jrand48 srand48 initstate setstate getrandom getentropy "           \
              "arc4random* _ZNSt13random_device*")                                                                                                   \
    X(PLACE, "getenv secure_getenv environ _environ setenv putenv unsetenv gethostname gethostid uname getpid getppid gettid getpgid getpgrp "       \
             "getsid getuid geteuid getgid getegid getlogin getlogin_r cuserid getpwuid getpwnam getcwd get_current_dir_name getauxval sysconf "     \
             "sysinfo getifaddrs sched_getcpu getcpu program_invocation_name program_invocation_short_name progname")                                \
    X(FILES, "open openat creat fopen freopen fdopen opendir fdopendir read pread socket connect bind accept recv recvfrom stat lstat fstat "        \
             "statx access readlink popen system mmap shm_open dlopen dlmopen dl_iterate_phdr scanf getchar getline")                                \
    X(THREADS, "pthread_create thrd_create fork vfork clone execve execv execvp posix_spawn posix_spawnp timer_create _ZNSt6thread*")                \
    X(WAITS, "sleep usleep nanosleep clock_nanosleep pause poll ppoll select pselect epoll_wait sem_wait thrd_sleep")                                \
    X(PROCESS, "signal sigaction sigprocmask pthread_sigmask setitimer alarm setrlimit prctl setlocale chdir kill raise atexit exit _exit "          \
               "quick_exit mprotect ptrace")                                                                                                         \
    X(KERNEL, "syscall")

static const struct {
    const char *names, *words;
} banned[] = {
#define X(group, names) {names, NULL},
    BANNED(X)
#undef X
};
static const enum import_group banned_groups[] = {
#define X(group, names) IMPORT_##group,
    BANNED(X)
#undef X
};
static const char *const group_words[] = {
#define X(name, words) words,
    IMPORT_GROUPS(X)
#undef X
};

/* A library's own name for what the program calls: __open64_2 is open, __gethostname_chk is gethostname, __isoc99_scanf is scanf. */
static void normal(const char *symbol, char ret[static 64]) {
    if (strncmp(symbol, "__isoc99_", 9) == 0 || strncmp(symbol, "__isoc23_", 9) == 0) symbol += 9;
    if (strncmp(symbol, "__xpg_", 6) == 0) symbol += 6;
    while (strncmp(symbol, "__", 2) == 0) symbol += 2;
    snprintf(ret, 64, "%s", symbol);
    static const char *const endings[] = {"_chk", "_2", "64"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t n = strlen(ret), e = strlen(endings[i]);
        if (n > e && strcmp(ret + n - e, endings[i]) == 0) ret[n - e] = '\0';
    }
}

static bool in_list(const char *names, const char *symbol) {
    size_t length = strlen(symbol);
    for (const char *at = names; *at != '\0'; at += *at == ' ') {
        size_t n = strcspn(at, " ");
        if (at[n - 1] == '*' ? strncmp(at, symbol, n - 1) == 0 : n == length && strncmp(at, symbol, n) == 0) return true;
        at += n;
    }
    return false;
}

static const char *words_of(const char *name) {
    for (size_t i = 0; i < sizeof banned / sizeof banned[0]; i++) {
        if (in_list(banned[i].names, name)) return group_words[banned_groups[i]];
    }
    return NULL;
}

/* ---- the object's relocations: what it imports, and where the addresses lie that it calls through ---- */
struct object {
    ElfW(Addr) base;
    const ElfW(Sym) * symbols;
    const char *names;
    const ElfW(Rela) * rela[2];
    size_t count[2];
};

static struct object object_of(void *library) {
    const struct link_map *map = library; /* what dlopen() gives in the GNU C library */
    struct object o = {.base = map->l_addr};
    size_t bytes[2] = {0};
    for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
        if (d->d_tag == DT_SYMTAB) o.symbols = (const void *)d->d_un.d_ptr;
        if (d->d_tag == DT_STRTAB) o.names = (const void *)d->d_un.d_ptr;
        if (d->d_tag == DT_RELA) o.rela[0] = (const void *)d->d_un.d_ptr;
        if (d->d_tag == DT_RELASZ) bytes[0] = d->d_un.d_val;
        if (d->d_tag == DT_JMPREL) o.rela[1] = (const void *)d->d_un.d_ptr;
        if (d->d_tag == DT_PLTRELSZ) bytes[1] = d->d_un.d_val;
    }
    for (int i = 0; i < 2; i++) o.count[i] = o.rela[i] != NULL ? bytes[i] / sizeof(ElfW(Rela)) : 0;
    if (o.symbols == NULL || o.names == NULL) o.count[0] = o.count[1] = 0;
    return o;
}

/* The name that relocation r imports; NULL: none. */
static const char *import_at(const struct object *o, const ElfW(Rela) * r) {
    const ElfW(Sym) *symbol = &o->symbols[ELF64_R_SYM(r->r_info)];
    return ELF64_R_SYM(r->r_info) != 0 && symbol->st_shndx == SHN_UNDEF ? o->names + symbol->st_name : NULL;
}

void imports_banned(void *library, void (*each)(void *arg, const char *symbol, const char *words), void *arg) {
    struct object o = object_of(library);
    const ElfW(Sym) * told[64];
    size_t told_count = 0;
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < o.count[k]; i++) {
            const char *import = import_at(&o, &o.rela[k][i]);
            char name[64] = "";
            if (import != NULL) normal(import, name);
            const char *words = words_of(name);
            const ElfW(Sym) *symbol = &o.symbols[ELF64_R_SYM(o.rela[k][i].r_info)];
            bool again = false;
            for (size_t t = 0; t < told_count; t++) again = again || told[t] == symbol;
            if (words == NULL || again || told_count == 64) continue;
            told[told_count++] = symbol;
            each(arg, name, words);
        }
    }
}

/* ---- the pretended world ---- */
static uint64_t ticks;

/* Years from now, and each reading an odd while after the one before. */
static struct timespec pretended_now(void) {
    ticks++;
    return (struct timespec){.tv_sec = 4102444801 + (time_t)(ticks * 90061), .tv_nsec = (long)(ticks * 123456789 % 1000000000)};
}
static time_t pretended_time(time_t *ret) {
    time_t now = pretended_now().tv_sec;
    if (ret != NULL) *ret = now;
    return now;
}
static clock_t pretended_clock(void) { return (clock_t)pretended_now().tv_nsec; }
static int pretended_clock_gettime(clockid_t id, struct timespec *ret) {
    *ret = pretended_now();
    return 0;
}
static int pretended_gettimeofday(struct timeval *ret, void *zone) {
    struct timespec now = pretended_now();
    *ret = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

#define ELSEWHERE "elsewhere"
static char *pretended_getenv(const char *name) {
    static char value[] = ELSEWHERE;
    return value;
}
static int pretended_gethostname(char *ret, size_t n) {
    snprintf(ret, n, ELSEWHERE);
    return 0;
}
static int pretended_uname(struct utsname *ret) {
    *ret = (struct utsname){0};
    snprintf(ret->nodename, sizeof ret->nodename, ELSEWHERE);
    return 0;
}
/* Odd and even by turns: whatever is made of them, it does not stay the same. */
static int pretended_number(void) { return (int)(1000003 + 77777 * ticks++); }

typedef void (*function)(void);
struct pretence {
    const char *name;
    function replacement;
};

static void replace(void *library, const struct pretence *list, size_t count) {
    struct object o = object_of(library);
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < o.count[k]; i++) {
            const char *symbol = import_at(&o, &o.rela[k][i]);
            char name[64];
            if (symbol == NULL) continue;
            normal(symbol, name);
            for (size_t p = 0; p < count; p++) {
                uintptr_t at = o.base + o.rela[k][i].r_offset;
                if (strcmp(list[p].name, name) != 0 || mprotect((void *)(at & ~(page - 1)), page, PROT_READ | PROT_WRITE) != 0) continue;
                memcpy((void *)at, &list[p].replacement, sizeof list[p].replacement);
            }
        }
    }
}

#define PRETEND(name)                                                                                                                                \
    { #name, (function)pretended_##name }
void imports_pretend_clock(void *library) {
    static const struct pretence list[] = {PRETEND(time), PRETEND(clock), PRETEND(clock_gettime), PRETEND(gettimeofday)};
    replace(library, list, sizeof list / sizeof list[0]);
}

void imports_pretend_place(void *library) {
    static const struct pretence list[] = {
        PRETEND(getenv),
        {"secure_getenv", (function)pretended_getenv},
        PRETEND(gethostname),
        PRETEND(uname),
        {"getpid", (function)pretended_number},
        {"getppid", (function)pretended_number},
        {"gettid", (function)pretended_number},
        {"getuid", (function)pretended_number},
        {"geteuid", (function)pretended_number},
    };
    replace(library, list, sizeof list / sizeof list[0]);
}
