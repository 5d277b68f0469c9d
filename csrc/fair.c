/* fair.c - who is served next under the fair policy. See fair.h. */
#include "fair.h"

#define COUNT_MAX (UINT64_MAX - 1) /* so that 1 + n never wraps */
#define BOTH (MASK_PLACE | MASK_INLINE)

/* ---- counts and ranks --------------------------------------------------------------------------- */

/* Is a's rank above b's? weight_a * (1 + n_b) > weight_b * (1 + n_a), each product in two 32-bit steps: 96 bits are enough,
 * and a 32-bit ARM has no __int128. */
static int outranks(const struct lane *a, const struct lane *b)
{
    uint64_t left = b->started + 1, right = a->started + 1;
    uint64_t left_low = (left & UINT32_MAX) * a->weight_milli, right_low = (right & UINT32_MAX) * b->weight_milli;
    uint64_t left_high = (left >> 32) * a->weight_milli + (left_low >> 32);
    uint64_t right_high = (right >> 32) * b->weight_milli + (right_low >> 32);

    if (left_high != right_high)
        return left_high > right_high;
    return (left_low & UINT32_MAX) > (right_low & UINT32_MAX);
}

/* floor(n * by / over), at most COUNT_MAX */
static uint64_t scaled(uint64_t n, uint32_t by, uint32_t over)
{
    uint64_t whole = n / over, part = n % over * by / over;

    if (whole > (COUNT_MAX - part) / by)
        return COUNT_MAX;
    return whole * by + part;
}

void fair_count(struct lane *lane)
{
    if (lane->started < COUNT_MAX)
        lane->started++;
}

void fair_uncount(struct lane *lane)
{
    if (lane->started > 0) /* 0: all counts restarted since its pick */
        lane->started--;
}

static void restart(struct queue *q)
{
    for (uint32_t i = 0; i < q->lanes_created; i++)
        q->lanes[q->order[i]].started = 0;
}

/* ---- activity ----------------------------------------------------------------------------------- */

unsigned fair_scope(const struct queue *q, unsigned class)
{
    return q->as_one ? BOTH : 1u << class;
}

/* Raises n to the share of the least served of the other lanes that are active in scope. */
static void catch_up(struct queue *q, struct lane *lane, unsigned scope)
{
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < q->lanes_created; i++) {
        const struct lane *other = &q->lanes[q->order[i]];
        if (other == lane || !(other->active & scope))
            continue;
        uint64_t share = scaled(other->started, lane->weight_milli, other->weight_milli);
        if (share < least)
            least = share;
    }
    if (least != UINT64_MAX && least > lane->started)
        lane->started = least;
}

/* ---- zot's own order: a binary heap, moved exactly as Go's container/heap does ------------------- */

static int zot_outranks(const struct queue *q, uint32_t i, uint32_t j)
{
    return outranks(&q->lanes[q->zot_heap[i]], &q->lanes[q->zot_heap[j]]);
}

static void zot_swap(struct queue *q, uint32_t i, uint32_t j)
{
    uint32_t lane = q->zot_heap[i];

    q->zot_heap[i] = q->zot_heap[j];
    q->zot_heap[j] = lane;
}

static void zot_up(struct queue *q, uint32_t i)
{
    while (i > 0 && zot_outranks(q, i, (i - 1) / 2)) {
        zot_swap(q, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

/* Past a strictly greater child only; the right one only if it is strictly greater than the left. */
static uint32_t zot_down(struct queue *q, uint32_t i, uint32_t size)
{
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= size)
            return i;
        if (child + 1 < size && zot_outranks(q, child + 1, child))
            child++;
        if (!zot_outranks(q, child, i))
            return i;
        zot_swap(q, i, child);
        i = child;
    }
}

static void zot_push(struct queue *q, uint32_t lane)
{
    q->zot_heap[q->zot_size] = lane;
    zot_up(q, q->zot_size++);
}

static void zot_remove(struct queue *q, uint32_t i)
{
    uint32_t last = --q->zot_size;

    if (i == last)
        return;
    zot_swap(q, i, last); /* the removed one stays behind the end */
    if (zot_down(q, i, last) == i)
        zot_up(q, i);
}

static void zot_forget(struct queue *q, uint32_t lane)
{
    for (uint32_t i = 0; i < q->zot_size; i++) {
        if (q->zot_heap[i] == lane) {
            zot_remove(q, i);
            return;
        }
    }
}

static void zot_rebuild(struct queue *q)
{
    for (uint32_t i = q->zot_size / 2; i-- > 0;)
        zot_down(q, i, q->zot_size);
}

/* The top, sifted down with its old count. Lanes that have nothing in mask are taken off first, as zot does with a generator
 * that is not ready, and come back after it. */
static uint32_t zot_choose(struct queue *q, unsigned mask)
{
    uint32_t all = q->zot_size, chosen = PVS_NONE;

    while (q->zot_size > 0 && !(q->lanes[q->zot_heap[0]].active & mask))
        zot_remove(q, 0);
    if (q->zot_size > 0) {
        chosen = q->zot_heap[0];
        zot_down(q, 0, q->zot_size);
    }
    while (q->zot_size < all)
        zot_push(q, q->zot_heap[q->zot_size]);
    return chosen;
}

/* ---- what the queue calls ----------------------------------------------------------------------- */

uint32_t fair_choose(struct queue *q, unsigned mask)
{
    uint32_t chosen = PVS_NONE;

    if (q->zot_exact)
        return zot_choose(q, mask);
    for (uint32_t word = 0; word * 64 < q->lanes_created; word++) {
        uint64_t bits = (mask & MASK_PLACE) ? q->ready[CLASS_PLACE][word] : 0;
        bits |= (mask & MASK_INLINE) ? q->ready[CLASS_INLINE][word] : 0;
        for (; bits; bits &= bits - 1) {
            uint32_t lane = q->order[word * 64 + (uint32_t)__builtin_ctzll(bits)];
            if (chosen == PVS_NONE || outranks(&q->lanes[lane], &q->lanes[chosen]))
                chosen = lane; /* in order of creation, so a tie stays with the older lane */
        }
    }
    return chosen;
}

void fair_activity(struct queue *q, uint32_t number, unsigned old)
{
    struct lane *lane = &q->lanes[number];

    if (q->zot_exact) {
        if (!old && lane->active)
            zot_push(q, number);
        else if (old && !lane->active)
            zot_forget(q, number);
        return;
    }
    for (unsigned c = 0; c < CLASS_COUNT; c++) {
        unsigned scope = fair_scope(q, c);
        if ((lane->active & (1u << c)) && !(old & scope))
            catch_up(q, lane, scope);
    }
}

void fair_left(struct queue *q, struct lane *lane)
{
    if (q->zot_exact && lane->waiting == 0)
        lane->started = 0;
    if (q->waiting + q->held == 0)
        restart(q);
}

void fair_rescale(struct queue *q, struct lane *lane, uint32_t old)
{
    lane->started = scaled(lane->started, lane->weight_milli, old);
    if (q->zot_exact)
        zot_rebuild(q);
}

void fair_enter(struct queue *q)
{
    restart(q);
    q->zot_size = 0;
    for (uint32_t i = 0; q->zot_exact && i < q->lanes_created; i++) {
        if (q->lanes[q->order[i]].active)
            zot_push(q, q->order[i]);
    }
}
