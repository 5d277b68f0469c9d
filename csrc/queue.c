/* queue.c - tasks come and go: lanes, lists, picks. See queue.h; storage is in records.c, the policies in order.c, fair.c. */
#include "queue.h"

#include "deadline.h"
#include "fair.h"
#include "lists.h"
#include "order.h"

#define PROBES 64u /* neighbours by id that a returning task is looked for among, on each side */

/* ---- lanes -------------------------------------------------------------------------------------- */

static void bit_assign(uint64_t *bits, uint32_t index, unsigned on)
{
    uint64_t bit = UINT64_C(1) << (index & 63);

    if (on)
        bits[index / 64] |= bit;
    else
        bits[index / 64] &= ~bit;
}

static void lane_create(struct queue *q, uint32_t number)
{
    if (q->lanes[number].created)
        return;
    q->order[q->lanes_created] = number;
    q->lanes[number].created = ++q->lanes_created;
}

static int is_full(const struct lane *lane)
{
    return lane->limit && lane->running >= lane->limit;
}

int queue_lane_full(const struct queue *q, uint32_t lane)
{
    return is_full(&q->lanes[lane]);
}

static void lane_changed(struct queue *q, uint32_t number, unsigned now)
{
    struct lane *lane = &q->lanes[number];
    unsigned old = lane->active;

    lane->active = (uint8_t)now;
    for (unsigned c = 0; c < CLASS_COUNT; c++)
        bit_assign(q->ready[c], lane->created - 1, now >> c & 1);
    if (q->policy == PVS_FAIR)
        fair_activity(q, number, old);
}

/* After anything that may change what the lane can start. */
static inline void lane_refresh(struct queue *q, uint32_t number)
{
    const struct lane *lane = &q->lanes[number];
    unsigned now = (lane->bits[CLASS_PLACE] ? MASK_PLACE : 0) | (lane->bits[CLASS_INLINE] ? MASK_INLINE : 0);

    if (is_full(lane))
        now = 0;
    if (now != lane->active)
        lane_changed(q, number, now);
}

/* ---- lists -------------------------------------------------------------------------------------- */

static int is_on_same(const struct task *a, const struct task *b, int list)
{
    return a->state == PVS_ST_QUEUED && a->lane == b->lane && a->class == b->class &&
           (list == LIST_SEQ || a->priority == b->priority);
}

/* After whom a task belongs that is older than the last of the list; PVS_NONE: it is the first. Its neighbours by id are
 * probably waiting still; where they are not, look from both ends. */
static uint32_t old_place(const struct queue *q, int list, uint32_t head, uint32_t tail, const struct task *t)
{
    const struct task *slab = q->slab;

    for (uint64_t distance = 1; distance <= PROBES; distance++) {
        uint32_t below = queue_find(q, t->id - distance), above = queue_find(q, t->id + distance);
        if (below != PVS_NONE && is_on_same(&slab[below], t, list))
            return below;
        if (above != PVS_NONE && is_on_same(&slab[above], t, list))
            return above == head ? PVS_NONE : slab[above].links[list].prev;
    }
    if (slab[head].id > t->id)
        return PVS_NONE;
    for (;;) { /* head < t < tail, so neither end is passed */
        head = slab[head].links[list].next;
        if (slab[head].id > t->id)
            return slab[head].links[list].prev;
        tail = slab[tail].links[list].prev;
        if (slab[tail].id < t->id)
            return tail;
    }
}

static uint32_t place_of(const struct queue *q, int list, uint32_t head, uint32_t tail, const struct task *t)
{
    if (tail == PVS_NONE || q->slab[tail].id < t->id)
        return tail;
    return old_place(q, list, head, tail, t);
}

static void heap_of_lane_changed(struct queue *q, const struct lane *lane)
{
    bit_assign(q->timed, lane->created - 1,
               lane->heap[CLASS_PLACE] != PVS_NONE || lane->heap[CLASS_INLINE] != PVS_NONE);
}

static void enter(struct queue *q, uint32_t slot)
{
    struct task *t = &q->slab[slot];
    struct lane *lane = &q->lanes[t->lane];
    unsigned c = t->class, p = t->priority;
    uint32_t *head = &lane->head[c][p], *tail = &lane->tail[c][p];

    list_insert(q->slab, LIST_PRIORITY, head, tail, slot, place_of(q, LIST_PRIORITY, *head, *tail, t));
    head = &lane->seq_head[c];
    tail = &lane->seq_tail[c];
    list_insert(q->slab, LIST_SEQ, head, tail, slot, place_of(q, LIST_SEQ, *head, *tail, t));
    if (t->queue_deadline) {
        lane->heap[c] = deadline_insert(q->slab, lane->heap[c], slot);
        heap_of_lane_changed(q, lane);
    }
    lane->count[c][p]++;
    lane->bits[c] |= 1u << p;
    lane->waiting++;
    q->waiting++;
    t->state = PVS_ST_QUEUED;
}

static void leave(struct queue *q, uint32_t slot)
{
    struct task *t = &q->slab[slot];
    struct lane *lane = &q->lanes[t->lane];
    unsigned c = t->class, p = t->priority;

    list_remove(q->slab, LIST_PRIORITY, &lane->head[c][p], &lane->tail[c][p], slot);
    list_remove(q->slab, LIST_SEQ, &lane->seq_head[c], &lane->seq_tail[c], slot);
    if (t->queue_deadline) {
        lane->heap[c] = deadline_remove(q->slab, lane->heap[c], slot);
        heap_of_lane_changed(q, lane);
    }
    if (--lane->count[c][p] == 0)
        lane->bits[c] &= ~(1u << p);
    lane->waiting--;
    q->waiting--;
    t->state = PVS_ST_NONE;
}

static void unhold(struct queue *q, uint32_t slot)
{
    if (q->slab[slot].queue_deadline)
        q->held_heap = deadline_remove(q->slab, q->held_heap, slot);
    q->held--;
    q->slab[slot].state = PVS_ST_NONE;
}

void queue_push(struct queue *q, uint32_t slot)
{
    struct task *t = &q->slab[slot];

    if (t->state == PVS_ST_HELD)
        unhold(q, slot);
    lane_create(q, t->lane);
    enter(q, slot);
    lane_refresh(q, t->lane);
}

void queue_hold(struct queue *q, uint32_t slot)
{
    struct task *t = &q->slab[slot];

    lane_create(q, t->lane);
    t->state = PVS_ST_HELD;
    q->held++;
    if (t->queue_deadline)
        q->held_heap = deadline_insert(q->slab, q->held_heap, slot);
}

void queue_remove(struct queue *q, uint32_t slot)
{
    struct task *t = &q->slab[slot];

    if (t->state == PVS_ST_HELD)
        unhold(q, slot);
    else
        leave(q, slot);
    lane_refresh(q, t->lane);
    if (q->policy == PVS_FAIR)
        fair_left(q, &q->lanes[t->lane]);
}

/* ---- picks ------------------------------------------------------------------------------------- */

uint32_t queue_pick(struct queue *q, unsigned mask)
{
    q->as_one = mask == (MASK_PLACE | MASK_INLINE);
    uint32_t slot = order_choose(q, mask);
    if (slot == PVS_NONE)
        return PVS_NONE;

    struct task *t = &q->slab[slot];
    struct lane *lane = &q->lanes[t->lane];
    leave(q, slot);
    if (t->next != PVS_NONE)
        __builtin_prefetch(&q->slab[t->next]); /* the next pick's, as a rule */
    lane->running++;
    if (q->policy == PVS_FAIR)
        fair_count(lane);
    lane_refresh(q, t->lane);
    if (q->policy == PVS_FAIR)
        fair_left(q, lane);
    return slot;
}

void queue_unpick(struct queue *q, uint32_t slot)
{
    struct lane *lane = &q->lanes[q->slab[slot].lane];

    lane->running--;
    if (q->policy == PVS_FAIR)
        fair_uncount(lane);
    queue_push(q, slot);
}

void queue_ended(struct queue *q, uint32_t lane)
{
    q->lanes[lane].running--;
    lane_refresh(q, lane);
}

/* ---- settings ------------------------------------------------------------------------- */

void queue_set_policy(struct queue *q, int policy)
{
    int old = q->policy;

    q->policy = policy;
    if (policy == PVS_FAIR && old != PVS_FAIR)
        fair_enter(q);
}

void queue_set_lane(struct queue *q, uint32_t number, uint32_t limit, uint32_t weight_milli)
{
    struct lane *lane = &q->lanes[number];
    uint32_t old = lane->weight_milli;

    lane_create(q, number);
    lane->limit = limit;
    lane->weight_milli = weight_milli ? weight_milli : 1; /* never a division by zero */
    if (q->policy == PVS_FAIR && lane->weight_milli != old)
        fair_rescale(q, lane, old);
    lane_refresh(q, number);
}
