/*
 * bench.c - what the ready queue alone costs, for the benchmarks. See pvs.h, "measuring".
 *
 * A pair is the whole life of a record: find or pick it, count its end, give it back, take a fresh one, queue that.
 */
#include <stdlib.h>

#include "queue.h"

/* xorshift32: repeatable, and cheap beside what is measured */
static uint32_t draw(uint32_t *state, uint32_t below)
{
    uint32_t x = *state;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    *state = x;
    return (uint32_t)(((uint64_t)x * below) >> 32);
}

/* The id of the new task. */
static uint64_t push_one(struct queue *q, uint32_t *state)
{
    uint32_t slot = queue_alloc(q);

    q->slab[slot].priority = (uint8_t)draw(state, PVS_PRIORITIES);
    queue_push(q, slot);
    return q->slab[slot].id;
}

uint64_t pvs_bench_queue(uint32_t waiting, uint32_t rounds)
{
    struct queue q;
    uint32_t state = 1;

    if (waiting == 0 || queue_init(&q, waiting, 1, PVS_STRICT, 0) < 0)
        return 0;
    for (uint32_t i = 0; i < waiting; i++)
        push_one(&q, &state);
    uint64_t start = pvs_now();
    for (uint32_t i = 0; i < rounds; i++) {
        uint32_t slot = queue_pick(&q, MASK_PLACE);
        queue_ended(&q, q.slab[slot].lane);
        queue_release_record(&q, slot);
        push_one(&q, &state);
    }
    uint64_t spent = pvs_now() - start;
    queue_free(&q);
    return spent;
}

uint64_t pvs_bench_cancel(uint32_t waiting, uint32_t rounds)
{
    struct queue q;
    uint32_t state = 1;
    uint64_t *ids = waiting ? malloc(waiting * sizeof(*ids)) : NULL;

    if (!ids || queue_init(&q, waiting, 1, PVS_STRICT, 0) < 0) {
        free(ids);
        return 0;
    }
    for (uint32_t i = 0; i < waiting; i++)
        ids[i] = push_one(&q, &state);
    uint64_t *next = ids;
    uint64_t start = pvs_now();
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t *id = next;
        next = &ids[draw(&state, waiting)];
        __builtin_prefetch(next); /* a caller has the id at hand: fetching it is no part of the cost */
        uint32_t slot = queue_find(&q, *id);
        queue_remove(&q, slot);
        queue_release_record(&q, slot);
        *id = push_one(&q, &state);
    }
    uint64_t spent = pvs_now() - start;
    queue_free(&q);
    free(ids);
    return spent;
}
