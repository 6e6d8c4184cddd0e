#include "mailbox.h"

#include <stddef.h>
#include <time.h>

void mailbox_init(struct mailbox *b) {
    *b = (struct mailbox){0};
    b->last = &b->first;
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&b->arrived, &a);
    pthread_condattr_destroy(&a);
    pthread_mutex_init(&b->lock, NULL);
}

void mailbox_post(struct mailbox *b, struct mail *m) {
    m->next = NULL;
    pthread_mutex_lock(&b->lock);
    *b->last = m;
    b->last = &m->next;
    bool wake = b->sleeping;
    b->sleeping = false;
    pthread_mutex_unlock(&b->lock);
    if (wake) pthread_cond_signal(&b->arrived);
}

struct mail *mailbox_wait(struct mailbox *b, uint64_t until_us) {
    struct timespec until = {.tv_sec = (time_t)(until_us / 1000000), .tv_nsec = (long)(until_us % 1000000) * 1000};
    pthread_mutex_lock(&b->lock);
    while (b->first == NULL && clock_mono_us() < until_us) {
        b->sleeping = true;
        pthread_cond_timedwait(&b->arrived, &b->lock, &until);
    }
    b->sleeping = false;
    struct mail *first = b->first;
    b->first = NULL;
    b->last = &b->first;
    pthread_mutex_unlock(&b->lock);
    return first;
}

void mails_take(struct mail *first) {
    for (struct mail *next; first; first = next) {
        next = first->next;
        first->take(first);
    }
}

uint64_t clock_mono_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t clock_wall_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}
