/*
 * queue_model.h - the queue, written to be obviously right: one array of tasks, searched from end to end for everything.
 *
 * It shares no code and no idea with queue.c but the words of the specification. Slow, and small numbers only (weight times
 * count must fit 64 bits).
 */
#ifndef QUEUE_MODEL_H
#define QUEUE_MODEL_H

#include <string.h>

#include "task.h"

#define MODEL_TASKS 256
#define MODEL_LANES 80

enum model_place { GONE = 0, IS_HELD, WAITS, PICKED };

struct model_task {
    uint64_t id, deadline;
    uint32_t lane, priority, class;
    enum model_place place;
};

struct model_lane {
    uint64_t n, weight;
    uint32_t running, limit;
    int created; /* 0 = not yet */
};

struct model {
    struct model_task tasks[MODEL_TASKS]; /* by slot */
    struct model_lane lanes[MODEL_LANES];
    int was_active[MODEL_LANES][CLASS_COUNT];
    uint32_t heap[MODEL_LANES], heap_size; /* zot */
    uint32_t lane_count;
    int created, policy, zot, as_one;
};

/* ---- what can be seen by looking ---------------------------------------------------------------- */

static int model_full(const struct model *m, uint32_t lane)
{
    return m->lanes[lane].limit != 0 && m->lanes[lane].running >= m->lanes[lane].limit;
}

static uint32_t model_count(const struct model *m, enum model_place place)
{
    uint32_t count = 0;

    for (int i = 0; i < MODEL_TASKS; i++)
        count += m->tasks[i].place == place;
    return count;
}

static int model_active(const struct model *m, uint32_t lane, unsigned classes)
{
    for (int i = 0; i < MODEL_TASKS; i++) {
        const struct model_task *t = &m->tasks[i];
        if (t->place == WAITS && t->lane == lane && (classes & (1u << t->class)) && !model_full(m, lane))
            return 1;
    }
    return 0;
}

static int model_empty(const struct model *m, uint32_t lane)
{
    for (int i = 0; i < MODEL_TASKS; i++) {
        if (m->tasks[i].place == WAITS && m->tasks[i].lane == lane)
            return 0;
    }
    return 1;
}

static int model_before(const struct model *m, const struct model_task *a, const struct model_task *b)
{
    if (m->policy == PVS_EDF) {
        if (!a->deadline != !b->deadline)
            return a->deadline != 0;
        if (a->deadline != b->deadline)
            return a->deadline < b->deadline;
    }
    if (m->policy == PVS_STRICT || m->policy == PVS_FAIR) {
        if (a->priority != b->priority)
            return a->priority < b->priority;
    }
    return a->id < b->id;
}

static uint32_t model_expiry(const struct model *m)
{
    uint32_t best = PVS_NONE;

    for (uint32_t i = 0; i < MODEL_TASKS; i++) {
        const struct model_task *t = &m->tasks[i];
        if ((t->place != WAITS && t->place != IS_HELD) || t->deadline == 0)
            continue;
        if (best == PVS_NONE || t->deadline < m->tasks[best].deadline ||
            (t->deadline == m->tasks[best].deadline && t->id < m->tasks[best].id))
            best = i;
    }
    return best;
}

static uint32_t model_ahead(const struct model *m, uint32_t slot)
{
    const struct model_task *mine = &m->tasks[slot];
    uint32_t count = 0;

    for (int i = 0; i < MODEL_TASKS; i++) {
        const struct model_task *t = &m->tasks[i];
        int other_lane = t->lane != mine->lane;
        if (mine->place != WAITS || t->place != WAITS || (!m->as_one && t->class != mine->class))
            continue;
        if (other_lane && (m->policy == PVS_FAIR || model_full(m, t->lane)))
            continue;
        count += (uint32_t)model_before(m, t, mine);
    }
    return count;
}

/* ---- zot: Go's container/heap ------------------------------------------------------------------- */

static int model_zot_less(const struct model *m, uint32_t i, uint32_t j) /* rank i > rank j */
{
    const struct model_lane *a = &m->lanes[m->heap[i]], *b = &m->lanes[m->heap[j]];

    return a->weight * (1 + b->n) > b->weight * (1 + a->n);
}

static void model_zot_swap(struct model *m, uint32_t i, uint32_t j)
{
    uint32_t t = m->heap[i];

    m->heap[i] = m->heap[j];
    m->heap[j] = t;
}

static int model_zot_down(struct model *m, uint32_t start, uint32_t n)
{
    uint32_t i = start;

    for (uint32_t j1 = 2 * i + 1; j1 < n; j1 = 2 * i + 1) {
        uint32_t j = j1, j2 = j1 + 1;
        if (j2 < n && model_zot_less(m, j2, j1))
            j = j2;
        if (!model_zot_less(m, j, i))
            break;
        model_zot_swap(m, i, j);
        i = j;
    }
    return i > start;
}

static void model_zot_up(struct model *m, uint32_t j)
{
    while (j > 0 && model_zot_less(m, j, (j - 1) / 2)) {
        model_zot_swap(m, j, (j - 1) / 2);
        j = (j - 1) / 2;
    }
}

static void model_zot_push(struct model *m, uint32_t lane)
{
    m->heap[m->heap_size++] = lane;
    model_zot_up(m, m->heap_size - 1);
}

static uint32_t model_zot_take(struct model *m, uint32_t i) /* heap.Remove, and heap.Pop for 0 */
{
    uint32_t n = m->heap_size - 1, lane = m->heap[i];

    model_zot_swap(m, i, n);
    if (i != n && !model_zot_down(m, i, n))
        model_zot_up(m, i);
    m->heap_size = n;
    return lane;
}

static uint32_t model_zot_choose(struct model *m, unsigned mask)
{
    uint32_t aside[MODEL_LANES], count = 0, chosen = PVS_NONE;

    while (m->heap_size > 0 && !model_active(m, m->heap[0], mask))
        aside[count++] = model_zot_take(m, 0);
    if (m->heap_size > 0) {
        chosen = m->heap[0];
        model_zot_down(m, 0, m->heap_size);
    }
    while (count > 0)
        model_zot_push(m, aside[--count]);
    return chosen;
}

/* ---- before and after whatever is done ---------------------------------------------------------- */

static void model_begin(struct model *m)
{
    for (uint32_t lane = 0; lane < m->lane_count; lane++) {
        for (unsigned c = 0; c < CLASS_COUNT; c++)
            m->was_active[lane][c] = model_active(m, lane, 1u << c);
    }
}

static void model_became_active(struct model *m, uint32_t lane, unsigned scope)
{
    struct model_lane *l = &m->lanes[lane];
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < m->lane_count; i++) {
        uint64_t share = l->weight * m->lanes[i].n / m->lanes[i].weight;
        if (i != lane && model_active(m, i, scope) && share < least)
            least = share;
    }
    if (least != UINT64_MAX && least > l->n)
        l->n = least;
}

static void model_zot_activity(struct model *m, uint32_t lane)
{
    int was = m->was_active[lane][0] || m->was_active[lane][1];
    int is = model_active(m, lane, MASK_PLACE | MASK_INLINE);

    if (is && !was)
        model_zot_push(m, lane);
    for (uint32_t i = 0; was && !is && i < m->heap_size; i++) {
        if (m->heap[i] == lane)
            model_zot_take(m, i);
    }
}

/* One operation changes the activity of one lane at most. */
static void model_end(struct model *m)
{
    if (m->policy != PVS_FAIR)
        return;
    for (uint32_t lane = 0; lane < m->lane_count; lane++) {
        if (m->zot) {
            model_zot_activity(m, lane);
            continue;
        }
        for (unsigned c = 0; c < CLASS_COUNT; c++) {
            unsigned scope = m->as_one ? MASK_PLACE | MASK_INLINE : 1u << c;
            int was = m->as_one ? m->was_active[lane][0] || m->was_active[lane][1] : m->was_active[lane][c];
            if (!was && model_active(m, lane, 1u << c))
                model_became_active(m, lane, scope);
        }
    }
}

static void model_left(struct model *m, uint32_t lane)
{
    if (m->policy != PVS_FAIR)
        return;
    if (m->zot && model_empty(m, lane))
        m->lanes[lane].n = 0;
    if (model_count(m, WAITS) + model_count(m, IS_HELD) == 0) {
        for (uint32_t i = 0; i < m->lane_count; i++)
            m->lanes[i].n = 0;
    }
}

/* ---- operations --------------------------------------------------------------------------------- */

static void model_open(struct model *m, uint32_t lanes, int policy, int zot)
{
    memset(m, 0, sizeof(*m));
    m->lane_count = lanes;
    m->policy = policy;
    m->zot = zot;
    for (uint32_t i = 0; i < lanes; i++)
        m->lanes[i].weight = 10000;
}

static void model_use(struct model *m, uint32_t lane)
{
    if (!m->lanes[lane].created)
        m->lanes[lane].created = ++m->created;
}

static void model_put(struct model *m, uint32_t slot, enum model_place place)
{
    model_begin(m);
    model_use(m, m->tasks[slot].lane);
    m->tasks[slot].place = place;
    model_end(m);
}

static void model_remove(struct model *m, uint32_t slot)
{
    model_begin(m);
    m->tasks[slot].place = GONE;
    model_end(m);
    model_left(m, m->tasks[slot].lane);
}

static uint32_t model_choose_lane(const struct model *m, unsigned mask)
{
    uint32_t best = PVS_NONE;

    for (uint32_t i = 0; i < m->lane_count; i++) {
        if (!model_active(m, i, mask))
            continue;
        uint64_t mine = best == PVS_NONE ? 1 : m->lanes[i].weight * (1 + m->lanes[best].n);
        uint64_t its = best == PVS_NONE ? 0 : m->lanes[best].weight * (1 + m->lanes[i].n);
        if (mine > its || (mine == its && m->lanes[i].created < m->lanes[best].created))
            best = i;
    }
    return best;
}

static uint32_t model_pick(struct model *m, unsigned mask)
{
    uint32_t best = PVS_NONE, only = PVS_NONE;

    m->as_one = mask == (MASK_PLACE | MASK_INLINE);
    model_begin(m);
    if (m->policy == PVS_FAIR)
        only = m->zot ? model_zot_choose(m, mask) : model_choose_lane(m, mask);
    for (uint32_t i = 0; i < MODEL_TASKS; i++) {
        const struct model_task *t = &m->tasks[i];
        if (t->place != WAITS || !(mask & (1u << t->class)) || model_full(m, t->lane))
            continue;
        if (only != PVS_NONE && t->lane != only)
            continue;
        if (best == PVS_NONE || model_before(m, t, &m->tasks[best]))
            best = i;
    }
    if (best == PVS_NONE)
        return PVS_NONE;
    struct model_lane *lane = &m->lanes[m->tasks[best].lane];
    m->tasks[best].place = PICKED;
    lane->running++;
    lane->n += m->policy == PVS_FAIR;
    model_end(m);
    model_left(m, m->tasks[best].lane);
    return best;
}

static void model_unpick(struct model *m, uint32_t slot)
{
    struct model_lane *lane = &m->lanes[m->tasks[slot].lane];

    model_begin(m);
    lane->running--;
    if (m->policy == PVS_FAIR && lane->n > 0)
        lane->n--;
    m->tasks[slot].place = WAITS;
    model_end(m);
}

static void model_ended(struct model *m, uint32_t slot)
{
    model_begin(m);
    m->lanes[m->tasks[slot].lane].running--;
    m->tasks[slot].place = GONE;
    model_end(m);
}

static void model_set_lane(struct model *m, uint32_t number, uint32_t limit, uint32_t weight)
{
    struct model_lane *lane = &m->lanes[number];

    model_begin(m);
    model_use(m, number);
    if (m->policy == PVS_FAIR && weight != lane->weight)
        lane->n = lane->n * weight / lane->weight;
    int changed = weight != lane->weight;
    lane->weight = weight;
    lane->limit = limit;
    if (m->policy == PVS_FAIR && m->zot && changed) { /* heap.Init */
        for (uint32_t i = m->heap_size / 2; i-- > 0;)
            model_zot_down(m, i, m->heap_size);
    }
    model_end(m);
}

static void model_set_policy(struct model *m, int policy)
{
    int enters = policy == PVS_FAIR && m->policy != PVS_FAIR;

    m->policy = policy;
    if (!enters)
        return;
    for (uint32_t i = 0; i < m->lane_count; i++)
        m->lanes[i].n = 0;
    m->heap_size = 0;
    for (int turn = 1; m->zot && turn <= m->created; turn++) {
        for (uint32_t i = 0; i < m->lane_count; i++) {
            if (m->lanes[i].created == turn && model_active(m, i, MASK_PLACE | MASK_INLINE))
                model_zot_push(m, i);
        }
    }
}

#endif
