/* What other threads hand to the engine's thread: a queue of mails, and the engine's thread sleeping on it. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Embedded in what it is about. Whoever posts it must not post it again before it was taken. */
struct mail {
    struct mail *next;
    void (*take)(struct mail *m); /* on the engine's thread; `m` may be posted again, or be gone, from then on */
};

struct mailbox {
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct mail *first, **last;
    bool sleeping;
};
void mailbox_init(struct mailbox *b);                 /* it stays to the end of the process: who posts may be in it after his mail was taken */
void mailbox_post(struct mailbox *b, struct mail *m); /* any thread */
/* All that has come, oldest first; waits for the first until the monotonic clock reads until_us. NULL: nothing came. */
struct mail *mailbox_wait(struct mailbox *b, uint64_t until_us);
/* Takes each. */
void mails_take(struct mail *first);

uint64_t clock_mono_us(void);
uint64_t clock_wall_ms(void);
