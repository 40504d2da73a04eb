/*
 * The team: threads wait for a new job number, take items from a shared counter, and report when
 * no item is left. Waiting spins for a few microseconds (layers follow each other quickly), then
 * sleeps, so an idle team costs nothing.
 */
#include "base/workers.h"

#include "base/cpu.h"
#include "base/error.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum { SPINS = 4000, MAX_THREADS = 1024 };

struct member {
    struct workers *team;
    unsigned index;
    pthread_t thread;
};

struct workers {
    unsigned count;   /* threads, the caller included */
    unsigned started; /* helper threads that run */
    struct member *members;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_cond_t finished;
    atomic_uint job;     /* number of the current job; a change means there is work */
    atomic_uint running; /* helper threads that still hold the current job */
    bool closing;        /* guarded by the job number */

    work_fn fn;
    void *ctx;
    size_t n_items;
    atomic_size_t next;
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void take_items(struct workers *w, unsigned thread)
{
    for (;;) {
        const size_t item = atomic_fetch_add_explicit(&w->next, 1, memory_order_relaxed);
        if (item >= w->n_items)
            return;
        w->fn(w->ctx, item, thread);
    }
}

static void *member_main(void *arg)
{
    const struct member *self = arg;
    struct workers *w = self->team;
    unsigned seen = 0;
    for (;;) {
        for (int spin = 0; spin < SPINS && atomic_load(&w->job) == seen; spin++)
            relax();
        if (atomic_load(&w->job) == seen) {
            pthread_mutex_lock(&w->lock);
            while (atomic_load(&w->job) == seen)
                pthread_cond_wait(&w->wake, &w->lock);
            pthread_mutex_unlock(&w->lock);
        }
        seen = atomic_load(&w->job);
        if (w->closing)
            return NULL;
        take_items(w, self->index);
        if (atomic_fetch_sub(&w->running, 1) == 1) {
            pthread_mutex_lock(&w->lock);
            pthread_cond_signal(&w->finished);
            pthread_mutex_unlock(&w->lock);
        }
    }
}

static void announce(struct workers *w)
{
    pthread_mutex_lock(&w->lock);
    atomic_fetch_add(&w->job, 1);
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

int workers_open(struct workers **out, unsigned threads)
{
    *out = NULL;
    if (threads == 0)
        threads = cpu_cores();
    if (threads > MAX_THREADS)
        return error_set(BPNET_EUSAGE, "%u threads asked for; at most %d are allowed", threads,
                         MAX_THREADS);
    struct workers *w = calloc(1, sizeof(*w));
    struct member *members = calloc(threads, sizeof(*members));
    if (!w || !members) {
        free(w);
        free(members);
        return error_set(BPNET_ENOMEM, "no memory for a team of %u threads", threads);
    }
    w->members = members;
    w->count = threads;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    pthread_cond_init(&w->finished, NULL);
    for (unsigned i = 1; i < threads; i++) {
        members[i] = (struct member){.team = w, .index = i};
        if (pthread_create(&members[i].thread, NULL, member_main, &members[i]) != 0) {
            workers_close(w);
            return error_set(BPNET_ENOMEM, "the system gives only %u of %u threads", i, threads);
        }
        w->started++;
    }
    *out = w;
    return BPNET_OK;
}

void workers_close(struct workers *w)
{
    if (!w)
        return;
    w->closing = true;
    announce(w);
    for (unsigned i = 1; i <= w->started; i++)
        pthread_join(w->members[i].thread, NULL);
    pthread_cond_destroy(&w->finished);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w->members);
    free(w);
}

unsigned workers_count(const struct workers *w)
{
    return w->count;
}

void workers_run(struct workers *w, size_t n_items, work_fn fn, void *ctx)
{
    if (w->started == 0 || n_items <= 1) {
        for (size_t item = 0; item < n_items; item++)
            fn(ctx, item, 0);
        return;
    }
    w->fn = fn;
    w->ctx = ctx;
    w->n_items = n_items;
    atomic_store(&w->next, 0);
    atomic_store(&w->running, w->started);
    announce(w);
    take_items(w, 0);
    for (int spin = 0; spin < SPINS && atomic_load(&w->running) != 0; spin++)
        relax();
    if (atomic_load(&w->running) != 0) {
        pthread_mutex_lock(&w->lock);
        while (atomic_load(&w->running) != 0)
            pthread_cond_wait(&w->finished, &w->lock);
        pthread_mutex_unlock(&w->lock);
    }
}
