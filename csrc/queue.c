/* queue.c - records, lists, lanes and the order of picks. See queue.h. */
#include "queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "deadline.h"
#include "fair.h"

#define WEIGHT_MEDIUM 10000u
#define PROBES 64u /* neighbours by id that a returning task is looked for among, on each side */

/* ---- storage ------------------------------------------------------------------------------------ */

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

/* calloc, and no write: pages that no task ever needs cost nothing. */
int queue_init(struct queue *q, uint32_t capacity, uint32_t lanes, int policy, int zot_exact)
{
    uint32_t hash_size = power_of_two(capacity), words = (lanes + 63) / 64;

    memset(q, 0, sizeof(*q));
    q->slab = calloc(capacity, sizeof(*q->slab));
    q->hash = calloc(hash_size, sizeof(*q->hash));
    q->lanes = calloc(lanes, sizeof(*q->lanes));
    q->order = calloc(2 * (size_t)lanes, sizeof(*q->order));
    q->timed = calloc(3 * (size_t)words, sizeof(*q->timed));
    if (!q->slab || !q->hash || !q->lanes || !q->order || !q->timed) {
        queue_free(q);
        return -ENOMEM;
    }
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
    free(q->slab);
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

/* ---- lanes -------------------------------------------------------------------------------------- */

static void bit_assign(uint64_t *bits, uint32_t index, int on)
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

/* After anything that may change what the lane can start. */
static void lane_refresh(struct queue *q, uint32_t number)
{
    struct lane *lane = &q->lanes[number];
    unsigned old = lane->active;
    unsigned now = (lane->bits[CLASS_PLACE] ? MASK_PLACE : 0) | (lane->bits[CLASS_INLINE] ? MASK_INLINE : 0);

    if (is_full(lane))
        now = 0;
    if (now == old)
        return;
    lane->active = (uint8_t)now;
    for (unsigned class = 0; class < CLASS_COUNT; class++)
        bit_assign(q->ready[class], lane->created - 1, (now >> class) & 1);
    if (q->policy == PVS_FAIR)
        fair_activity(q, number, old);
}

/* ---- lists -------------------------------------------------------------------------------------- */

static void list_insert(struct task *slab, int list, uint32_t *head, uint32_t *tail, uint32_t slot, uint32_t prev)
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
static void list_remove(struct task *slab, int list, uint32_t *head, uint32_t *tail, uint32_t slot)
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
    bit_assign(q->timed, lane->created - 1, lane->heap[CLASS_PLACE] != PVS_NONE || lane->heap[CLASS_INLINE] != PVS_NONE);
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
    if (!(q->lanes[t->lane].active >> t->class & 1))
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

/* ---- the order of picks ------------------------------------------------------------------------- */

/* Would the policy pick a before b, both being in lanes that it has not to choose between? */
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

    for (unsigned class = 0; class < CLASS_COUNT; class++) {
        for (uint32_t word = 0; (mask >> class & 1) && word * 64 < q->lanes_created; word++) {
            for (uint64_t bits = q->ready[class][word]; bits; bits &= bits - 1) {
                uint32_t lane = q->order[word * 64 + (uint32_t)__builtin_ctzll(bits)];
                best = earlier(q, best, front(&q->lanes[lane], class, q->policy));
            }
        }
    }
    return best;
}

static uint32_t best_of_lane(const struct queue *q, const struct lane *lane, unsigned mask)
{
    uint32_t best = PVS_NONE;

    for (unsigned class = 0; class < CLASS_COUNT; class++) {
        if ((mask & lane->active) >> class & 1)
            best = earlier(q, best, front(lane, class, q->policy));
    }
    return best;
}

static uint32_t choose(struct queue *q, unsigned mask)
{
    if (q->policy != PVS_FAIR)
        return best_of_all(q, mask);
    uint32_t lane = fair_choose(q, mask);
    return lane == PVS_NONE ? PVS_NONE : best_of_lane(q, &q->lanes[lane], mask);
}

uint32_t queue_pick(struct queue *q, unsigned mask)
{
    q->as_one = mask == (MASK_PLACE | MASK_INLINE);
    uint32_t slot = choose(q, mask);
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

uint32_t queue_next_expiry(const struct queue *q)
{
    uint32_t first = q->held_heap;

    for (uint32_t word = 0; word * 64 < q->lanes_created; word++) {
        for (uint64_t bits = q->timed[word]; bits; bits &= bits - 1) {
            const struct lane *lane = &q->lanes[q->order[word * 64 + (uint32_t)__builtin_ctzll(bits)]];
            for (unsigned class = 0; class < CLASS_COUNT; class++) {
                uint32_t root = lane->heap[class];
                if (root != PVS_NONE && (first == PVS_NONE || is_before(PVS_EDF, &q->slab[root], &q->slab[first])))
                    first = root;
            }
        }
    }
    return first;
}

/* ---- settings and looks ------------------------------------------------------------------------- */

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
        if (!own && (q->policy == PVS_FAIR || is_full(lane)))
            continue;
        for (unsigned class = 0; class < CLASS_COUNT; class++) {
            if (scope >> class & 1)
                count += ahead_in(q, lane, class, t);
        }
    }
    return count;
}
