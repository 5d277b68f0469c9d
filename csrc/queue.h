/*
 * queue.h - tasks that wait: lanes, order policies, cancel by id, queue deadlines. Internal.
 *
 * Semantics: docs/reference/scheduling.md. Nothing here allocates after queue_init(), reads a clock or makes a system call.
 * The core owns the record's other fields; the queue owns the links, and `state` only between HELD and QUEUED.
 */
#ifndef PVS_QUEUE_H
#define PVS_QUEUE_H

#include "task.h"

struct lane {
    uint32_t head[CLASS_COUNT][PVS_PRIORITIES];
    uint32_t tail[CLASS_COUNT][PVS_PRIORITIES];
    uint32_t count[CLASS_COUNT][PVS_PRIORITIES];
    uint32_t seq_head[CLASS_COUNT], seq_tail[CLASS_COUNT]; /* by submission */
    uint32_t heap[CLASS_COUNT];                            /* tasks with a queue deadline */
    uint32_t bits[CLASS_COUNT];                            /* which priorities are not empty */
    uint32_t waiting;                                      /* in all classes */
    uint32_t running;                                      /* started and not ended (or sent ahead) */
    uint32_t limit;                                        /* 0 = none */
    uint32_t weight_milli;
    uint32_t created; /* order of creation, 0 = never used */
    uint8_t active;   /* classes (as a mask) in which it has a task that may start now */
    uint64_t started; /* fair: n */
};

struct queue {
    struct task *slab; /* on a cache line */
    void *slab_memory;
    struct lane *lanes;
    uint32_t *hash;     /* id & mask -> first slot */
    uint32_t *zot_heap; /* zot_exact: lanes */
    uint32_t zot_size;
    uint32_t *order;              /* lanes by creation */
    uint64_t *ready[CLASS_COUNT]; /* one bit a created lane: it has a task of that class that may start now */
    uint64_t *timed;              /* one bit a created lane: a task with a queue deadline waits in it */
    uint32_t capacity, lane_count, hash_mask, lanes_created;
    uint32_t fresh;     /* records from here on were never used, nor their memory touched */
    uint32_t free;      /* head of the free list */
    uint32_t used;      /* records in use, whatever their state */
    uint32_t waiting;   /* QUEUED */
    uint32_t held_heap; /* HELD tasks with a queue deadline */
    uint32_t held;
    uint64_t next_id;
    int policy, zot_exact;
    int as_one; /* the last pick looked at all classes at once */
};

PVS_CHECKED int queue_init(struct queue *q, uint32_t capacity, uint32_t lanes, int policy, int zot_exact); /* -ENOMEM */
void queue_free(struct queue *q);

/* A fresh record with an id, state NONE, on no list; PVS_NONE when full. */
uint32_t queue_alloc(struct queue *q);
/* Gives the record back. It must be on no list. */
void queue_release_record(struct queue *q, uint32_t slot);
/* Slot of a live id, or PVS_NONE. */
uint32_t queue_find(const struct queue *q, uint64_t id);

/* lane, priority, class, queue_deadline are set: the task waits (state QUEUED). In the place of its id: also for one that
 * returns, or is HELD. */
void queue_push(struct queue *q, uint32_t slot);
/* The task counts and can expire, but is not picked (state HELD). */
void queue_hold(struct queue *q, uint32_t slot);
/* Takes a QUEUED or HELD task off every list (cancel, expiry); its state is NONE until the core sets another. */
void queue_remove(struct queue *q, uint32_t slot);

/* The task to start next among the classes in mask, taken off the lists and counted in its lane (running, and n of
 * fair), its state NONE until the core sets another; PVS_NONE when none may start. With both classes in mask (workers = 0)
 * they compete as one. */
uint32_t queue_pick(struct queue *q, unsigned mask);
/* A picked task comes back, never started: uncounts it and puts it in its old place. */
void queue_unpick(struct queue *q, uint32_t slot);
/* A picked task ended. */
void queue_ended(struct queue *q, uint32_t lane);

/* The waiting or held task with the earliest queue deadline, or PVS_NONE. */
uint32_t queue_next_expiry(const struct queue *q);

void queue_set_policy(struct queue *q, int policy);
void queue_set_lane(struct queue *q, uint32_t lane, uint32_t limit, uint32_t weight_milli);
/* How many waiting tasks the policy would pick before this one (an estimate under fair: those of its own lane). O(n). */
uint32_t queue_ahead(const struct queue *q, uint32_t slot);
/* Could the lane start one more? */
int queue_lane_full(const struct queue *q, uint32_t lane);

#endif
