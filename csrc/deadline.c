/*
 * deadline.c - the pairing heap of queue deadlines. See deadline.h.
 *
 * heap_child: first child. heap_next: next sibling. heap_prev: previous sibling, or the parent of a first child; it means
 * nothing in the root. Every function leaves the root it returns without siblings.
 */
#include "deadline.h"

static int is_before(const struct task *a, const struct task *b)
{
    if (a->queue_deadline != b->queue_deadline)
        return a->queue_deadline < b->queue_deadline;
    return a->id < b->id;
}

/* Joins two roots; the later one becomes the first child of the earlier. */
static uint32_t meld(struct task *slab, uint32_t a, uint32_t b)
{
    if (a == PVS_NONE)
        return b;
    if (b == PVS_NONE)
        return a;
    if (is_before(&slab[b], &slab[a])) {
        uint32_t earlier = b;
        b = a;
        a = earlier;
    }
    uint32_t child = slab[a].heap_child;
    slab[b].heap_next = child;
    slab[b].heap_prev = a;
    if (child != PVS_NONE)
        slab[child].heap_prev = b;
    slab[a].heap_child = b;
    return a;
}

/* Makes one heap of a row of siblings: pairs from the left, then all pairs from the right, which keeps it O(log n)
 * amortised. The finished pairs form a stack through heap_next, so nothing recurses. */
static uint32_t meld_row(struct task *slab, uint32_t first)
{
    uint32_t pairs = PVS_NONE, root = PVS_NONE;

    while (first != PVS_NONE) {
        uint32_t a = first, b = slab[a].heap_next;
        first = b == PVS_NONE ? PVS_NONE : slab[b].heap_next;
        uint32_t pair = meld(slab, a, b);
        slab[pair].heap_next = pairs;
        pairs = pair;
    }
    while (pairs != PVS_NONE) {
        uint32_t below = slab[pairs].heap_next;
        root = meld(slab, root, pairs);
        pairs = below;
    }
    if (root != PVS_NONE)
        slab[root].heap_next = PVS_NONE;
    return root;
}

uint32_t deadline_insert(struct task *slab, uint32_t root, uint32_t slot)
{
    struct task *t = &slab[slot];

    t->heap_child = t->heap_next = t->heap_prev = PVS_NONE;
    return meld(slab, root, slot);
}

uint32_t deadline_remove(struct task *slab, uint32_t root, uint32_t slot)
{
    struct task *t = &slab[slot];
    uint32_t rest = meld_row(slab, t->heap_child);

    if (slot != root) {
        if (slab[t->heap_prev].heap_child == slot)
            slab[t->heap_prev].heap_child = t->heap_next;
        else
            slab[t->heap_prev].heap_next = t->heap_next;
        if (t->heap_next != PVS_NONE)
            slab[t->heap_next].heap_prev = t->heap_prev;
        rest = meld(slab, root, rest);
    }
    t->heap_child = t->heap_next = t->heap_prev = PVS_NONE;
    return rest;
}
