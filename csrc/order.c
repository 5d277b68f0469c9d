/* order.c - which task comes before which. See order.h. */
#include "order.h"

#include "fair.h"

/* Would the policy pick a before b? Under fair: where both are in one lane. */
static inline int is_before(int policy, const struct task *a, const struct task *b)
{
    if (policy == PVS_EDF && a->queue_deadline != b->queue_deadline) /* 0 = none = last: wraps to the greatest */
        return a->queue_deadline - 1 < b->queue_deadline - 1;
    if ((policy == PVS_STRICT || policy == PVS_FAIR) && a->priority != b->priority)
        return a->priority < b->priority;
    return a->id < b->id;
}

/* The first of a lane and class in which something waits. */
static inline uint32_t front(const struct lane *lane, unsigned class, int policy)
{
    if (policy == PVS_FIFO || (policy == PVS_EDF && lane->heap[class] == PVS_NONE))
        return lane->seq_head[class];
    if (policy == PVS_EDF)
        return lane->heap[class];
    return lane->head[class][__builtin_ctz(lane->bits[class])];
}

static inline uint32_t earlier(const struct queue *q, uint32_t best, uint32_t slot)
{
    if (best == PVS_NONE || is_before(q->policy, &q->slab[slot], &q->slab[best]))
        return slot;
    return best;
}

/* The best of all lanes that may start something. */
static uint32_t best_of_all(const struct queue *q, unsigned mask)
{
    uint32_t best = PVS_NONE;

    for (unsigned c = 0; c < CLASS_COUNT; c++) {
        for (uint32_t word = 0; (mask >> c & 1) && word * 64 < q->lanes_created; word++) {
            for (uint64_t bits = q->ready[c][word]; bits; bits &= bits - 1) {
                uint32_t lane = q->order[word * 64 + (uint32_t)__builtin_ctzll(bits)];
                best = earlier(q, best, front(&q->lanes[lane], c, q->policy));
            }
        }
    }
    return best;
}

static uint32_t best_of_lane(const struct queue *q, const struct lane *lane, unsigned mask)
{
    uint32_t best = PVS_NONE;

    for (unsigned c = 0; c < CLASS_COUNT; c++) {
        if ((mask & lane->active) >> c & 1)
            best = earlier(q, best, front(lane, c, q->policy));
    }
    return best;
}

uint32_t order_choose(struct queue *q, unsigned mask)
{
    if (q->policy != PVS_FAIR)
        return best_of_all(q, mask);
    uint32_t lane = fair_choose(q, mask);
    return lane == PVS_NONE ? PVS_NONE : best_of_lane(q, &q->lanes[lane], mask);
}

uint32_t queue_next_expiry(const struct queue *q)
{
    uint32_t first = q->held_heap;

    for (uint32_t word = 0; word * 64 < q->lanes_created; word++) {
        for (uint64_t bits = q->timed[word]; bits; bits &= bits - 1) {
            const struct lane *lane = &q->lanes[q->order[word * 64 + (uint32_t)__builtin_ctzll(bits)]];
            for (unsigned c = 0; c < CLASS_COUNT; c++) {
                uint32_t root = lane->heap[c];
                if (root != PVS_NONE && (first == PVS_NONE || is_before(PVS_EDF, &q->slab[root], &q->slab[first])))
                    first = root;
            }
        }
    }
    return first;
}

/* How many of one lane and class come before t, itself not counted. */
static uint32_t ahead_in(const struct queue *q, const struct lane *lane, unsigned class, const struct task *t)
{
    uint32_t count = 0, slot = lane->seq_head[class];
    int list = LIST_SEQ, by_priority = q->policy == PVS_STRICT || q->policy == PVS_FAIR;

    if (by_priority) { /* counts tell all but those of its own priority */
        for (unsigned p = 0; p < t->priority; p++)
            count += lane->count[class][p];
        slot = lane->head[class][t->priority];
        list = LIST_PRIORITY;
    }
    for (; slot != PVS_NONE; slot = q->slab[slot].links[list].next) {
        if (is_before(q->policy, &q->slab[slot], t))
            count++;
        else if (q->policy != PVS_EDF)
            break; /* the list is in the policy's own order */
    }
    return count;
}

uint32_t queue_ahead(const struct queue *q, uint32_t slot)
{
    const struct task *t = &q->slab[slot];
    unsigned scope = fair_scope(q, t->class);
    uint32_t count = 0;

    if (t->state != PVS_ST_QUEUED)
        return 0;
    for (uint32_t i = 0; i < q->lanes_created; i++) {
        const struct lane *lane = &q->lanes[q->order[i]];
        int own = q->order[i] == t->lane;
        if (!own && (q->policy == PVS_FAIR || queue_lane_full(q, q->order[i])))
            continue;
        for (unsigned c = 0; c < CLASS_COUNT; c++) {
            if (scope >> c & 1)
                count += ahead_in(q, lane, c, t);
        }
    }
    return count;
}
