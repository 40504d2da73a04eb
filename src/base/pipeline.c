/* A ring of slots; slot k holds sequence numbers k, k + n_slots, k + 2 n_slots, … */
#include "base/pipeline.h"

#include "base/error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_READY };

struct slot {
    void *data;
    enum slot_state state;
    int error;
    char *message; /* of a failed fill: errors are kept per thread, so it travels with the slot */
};

struct filler {
    struct pipeline *pipeline;
    unsigned index;
    pthread_t thread;
};

struct pipeline {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    pthread_cond_t freed;
    struct slot *slots;
    size_t n_slots;
    struct filler *fillers;
    unsigned started;
    uint64_t next_fill;
    uint64_t next_take;
    bool holding; /* the consumer holds slot next_take - 1 */
    bool closing;
    pipeline_fill fill;
    void *ctx;
};

static void *filler_main(void *arg)
{
    const struct filler *self = arg;
    struct pipeline *p = self->pipeline;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        struct slot *slot = &p->slots[p->next_fill % p->n_slots];
        if (p->closing)
            break;
        if (slot->state != SLOT_FREE) {
            pthread_cond_wait(&p->freed, &p->lock);
            continue;
        }
        const uint64_t sequence = p->next_fill++;
        slot->state = SLOT_FILLING;
        pthread_mutex_unlock(&p->lock);

        error_clear();
        const int error = p->fill(p->ctx, slot->data, sequence, self->index);

        pthread_mutex_lock(&p->lock);
        slot->error = error;
        if (error < 0)
            slot->message = strdup(error_message()); /* NULL: the code alone survives */
        slot->state = SLOT_READY;
        pthread_cond_broadcast(&p->filled);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

int pipeline_open(struct pipeline **out, void **slots, size_t n_slots, unsigned threads,
                  uint64_t first_sequence, pipeline_fill fill, void *ctx)
{
    *out = NULL;
    struct pipeline *p = calloc(1, sizeof(*p));
    if (!p)
        return error_set(BPNET_ENOMEM, "no memory for a prefetch pipeline");
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->filled, NULL);
    pthread_cond_init(&p->freed, NULL);
    p->slots = calloc(n_slots, sizeof(*p->slots));
    p->fillers = calloc(threads, sizeof(*p->fillers));
    p->n_slots = n_slots;
    p->next_fill = p->next_take = first_sequence;
    p->fill = fill;
    p->ctx = ctx;
    if (!p->slots || !p->fillers) {
        pipeline_close(p);
        return error_set(BPNET_ENOMEM, "no memory for a prefetch pipeline of %zu slots", n_slots);
    }
    for (size_t i = 0; i < n_slots; i++)
        p->slots[i].data = slots[i];
    for (unsigned i = 0; i < threads; i++) {
        p->fillers[i] = (struct filler){.pipeline = p, .index = i};
        if (pthread_create(&p->fillers[i].thread, NULL, filler_main, &p->fillers[i]) != 0) {
            pipeline_close(p);
            return error_set(BPNET_ENOMEM, "the system gives only %u of %u threads", i, threads);
        }
        p->started++;
    }
    *out = p;
    return BPNET_OK;
}

int pipeline_next(struct pipeline *p, void **data)
{
    *data = NULL;
    pthread_mutex_lock(&p->lock);
    if (p->holding) {
        p->slots[(p->next_take - 1) % p->n_slots].state = SLOT_FREE;
        p->holding = false;
        pthread_cond_broadcast(&p->freed);
    }
    struct slot *slot = &p->slots[p->next_take % p->n_slots];
    while (slot->state != SLOT_READY)
        pthread_cond_wait(&p->filled, &p->lock);
    int error = slot->error;
    if (error < 0) { /* stays ready: every later call fails the same way */
        error_set(error, "%s", slot->message ? slot->message : error_name(error));
    } else {
        *data = slot->data;
        p->next_take++;
        p->holding = true;
    }
    pthread_mutex_unlock(&p->lock);
    return error;
}

void pipeline_close(struct pipeline *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_broadcast(&p->freed);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->started; i++)
        pthread_join(p->fillers[i].thread, NULL);
    for (size_t i = 0; p->slots && i < p->n_slots; i++)
        free(p->slots[i].message);
    free(p->slots);
    free(p->fillers);
    pthread_cond_destroy(&p->freed);
    pthread_cond_destroy(&p->filled);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
