/* lists.h - the two doubly linked lists that a waiting task is on. Internal to the queue; inline, for each pick needs both. */
#ifndef PVS_LISTS_H
#define PVS_LISTS_H

#include "task.h"

/* slot goes behind prev; PVS_NONE = to the front. */
static inline void list_insert(struct task *slab, int list, uint32_t *head, uint32_t *tail, uint32_t slot,
                               uint32_t prev)
{
    uint32_t next = prev == PVS_NONE ? *head : slab[prev].links[list].next;

    slab[slot].links[list] = (struct link){next, prev};
    if (prev == PVS_NONE)
        *head = slot;
    else
        slab[prev].links[list].next = slot;
    if (next == PVS_NONE)
        *tail = slot;
    else
        slab[next].links[list].prev = slot;
}

/* Taking the first leaves its follower's prev as it is: that saves a cache miss on every pick. */
static inline void list_remove(struct task *slab, int list, uint32_t *head, uint32_t *tail, uint32_t slot)
{
    struct link at = slab[slot].links[list];

    if (*head == slot) {
        *head = at.next;
        if (at.next == PVS_NONE)
            *tail = PVS_NONE;
        return;
    }
    slab[at.prev].links[list].next = at.next;
    if (at.next == PVS_NONE)
        *tail = at.prev;
    else
        slab[at.next].links[list].prev = at.prev;
}

#endif
