/* records.c - where tasks are kept: the slab, its free list, and the way from an id to a slot. See queue.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys.h>

#include "queue.h"

#define WEIGHT_MEDIUM 10000u
#define CACHE_LINE 64u
#define PAGE 4096u
#define LARGE (4u << 20) /* bytes from which huge pages are worth their rounding up */

static void lane_reset(struct lane *lane)
{
    memset(lane->head, 0xff, sizeof(lane->head)); /* PVS_NONE */
    memset(lane->tail, 0xff, sizeof(lane->tail));
    memset(lane->seq_head, 0xff, sizeof(lane->seq_head));
    memset(lane->seq_tail, 0xff, sizeof(lane->seq_tail));
    memset(lane->heap, 0xff, sizeof(lane->heap));
    lane->weight_milli = WEIGHT_MEDIUM;
}

static uint32_t power_of_two(uint32_t at_least)
{
    uint32_t size = 64;

    while (size < at_least && size < 1u << 31)
        size *= 2;
    return size;
}

/* The first address from memory on that is a multiple of size, a power of two. */
static void *aligned(void *memory, size_t size)
{
    return (char *)memory + (-(uintptr_t)memory & (size - 1));
}

/* A queue of a million is walked at random: huge pages spare most of the TLB misses. They fill from the front, as records
 * and ids do, so that at most one is held in vain. A kernel without them refuses, and nothing is lost. */
static void ask_huge_pages(void *memory, size_t size)
{
    if (size >= LARGE) /* the kernel rounds the length up to pages, so this stays inside */
        (void)sys_madvise(aligned(memory, PAGE), size - PAGE, MADV_HUGEPAGE);
}

/* calloc, and no write: pages that no task ever needs cost nothing. */
int queue_init(struct queue *q, uint32_t capacity, uint32_t lanes, int policy, int zot_exact)
{
    uint32_t hash_size = power_of_two(capacity + capacity / 2), words = (lanes + 63) / 64;

    memset(q, 0, sizeof(*q));
    q->slab_memory = calloc((size_t)capacity + 1, sizeof(*q->slab)); /* one more, to align it */
    q->hash = calloc(hash_size, sizeof(*q->hash));
    q->lanes = calloc(lanes, sizeof(*q->lanes));
    q->order = calloc(2 * (size_t)lanes, sizeof(*q->order));
    q->timed = calloc(3 * (size_t)words, sizeof(*q->timed));
    if (!q->slab_memory || !q->hash || !q->lanes || !q->order || !q->timed) {
        queue_free(q);
        return -ENOMEM;
    }
    ask_huge_pages(q->slab_memory, capacity * sizeof(*q->slab));
    ask_huge_pages(q->hash, hash_size * sizeof(*q->hash));
    q->slab = aligned(q->slab_memory, CACHE_LINE);
    q->zot_heap = q->order + lanes;
    q->ready[CLASS_PLACE] = q->timed + words;
    q->ready[CLASS_INLINE] = q->timed + 2 * (size_t)words;
    for (uint32_t i = 0; i < lanes; i++)
        lane_reset(&q->lanes[i]);
    q->capacity = capacity;
    q->lane_count = lanes;
    q->hash_mask = hash_size - 1;
    q->free = q->held_heap = PVS_NONE;
    q->next_id = 1;
    q->policy = policy;
    q->zot_exact = zot_exact;
    return 0;
}

void queue_free(struct queue *q)
{
    free(q->slab_memory);
    free(q->hash);
    free(q->lanes);
    free(q->order);
    free(q->timed);
    memset(q, 0, sizeof(*q));
}

/* Chains hold slot + 1, so that untouched memory reads as empty. Ids are sequential: a chain is longer than one only where
 * a task has lived through a whole round of the table. */
uint32_t queue_find(const struct queue *q, uint64_t id)
{
    uint32_t link = q->hash[id & q->hash_mask];

    while (link && q->slab[link - 1].id != id)
        link = q->slab[link - 1].hash_next;
    return link - 1; /* 0 - 1 is PVS_NONE */
}

uint32_t queue_alloc(struct queue *q)
{
    uint32_t slot = q->free;

    if (slot != PVS_NONE)
        q->free = q->slab[slot].next;
    else if (q->fresh < q->capacity)
        slot = q->fresh++;
    else
        return PVS_NONE;
    struct task *t = &q->slab[slot];
    memset(t, 0, sizeof(*t));
    t->next = t->prev = t->seq_next = t->seq_prev = PVS_NONE;
    t->heap_child = t->heap_next = t->heap_prev = PVS_NONE;
    t->proc = t->fds = t->payload = PVS_NONE;
    t->id = q->next_id++;
    uint32_t *chain = &q->hash[t->id & q->hash_mask];
    t->hash_next = *chain;
    *chain = slot + 1;
    q->used++;
    return slot;
}

void queue_release_record(struct queue *q, uint32_t slot)
{
    struct task *t = &q->slab[slot];
    uint32_t *link = &q->hash[t->id & q->hash_mask];

    while (*link != slot + 1)
        link = &q->slab[*link - 1].hash_next;
    *link = t->hash_next;
    t->id = 0;
    t->state = PVS_ST_NONE;
    t->next = q->free;
    q->free = slot;
    q->used--;
}
