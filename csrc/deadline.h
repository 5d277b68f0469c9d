/*
 * deadline.h - an intrusive pairing heap of deadlines over the task slab. Internal.
 *
 * Key: (queue_deadline, id). Insert O(1), pop and remove O(log n) amortised, no allocation, no recursion.
 */
#ifndef PVS_DEADLINE_H
#define PVS_DEADLINE_H

#include "task.h"

/* root: slot of the earliest, PVS_NONE when empty. Each returns the new root. */
uint32_t deadline_insert(struct task *slab, uint32_t root, uint32_t slot);
uint32_t deadline_remove(struct task *slab, uint32_t root, uint32_t slot);

#endif
