/* The ready queue against a plain model: random programs of everything that the core may do with it, compared after each step.
 * links: queue.c records.c order.c fair.c deadline.c */
#include "queue.h"

#include "check.h"
#include "queue_model.h"

#define STEPS 5000

static struct queue q;
static struct model m;
static uint64_t state;

/* A random slot whose task is in that place, PVS_NONE where there is none. */
static uint32_t any(enum model_place place)
{
    uint32_t start = draw(&state, MODEL_TASKS);

    for (uint32_t i = 0; i < MODEL_TASKS; i++) {
        uint32_t slot = (start + i) % MODEL_TASKS;
        if (m.tasks[slot].place == place)
            return slot;
    }
    return PVS_NONE;
}

static void do_submit(int hold)
{
    int full = q.used == q.capacity;
    uint32_t slot = queue_alloc(&q);

    CHECK_EQ(slot == PVS_NONE, full);
    if (slot == PVS_NONE)
        return;
    struct task *t = &q.slab[slot];
    CHECK_EQ(t->state, PVS_ST_NONE);
    t->lane = (uint16_t)draw(&state, draw(&state, 2) || q.lane_count < 2 ? q.lane_count : 2);
    t->priority = (uint8_t)draw(&state, PVS_PRIORITIES);
    t->class = draw(&state, 4) ? CLASS_PLACE : CLASS_INLINE;
    t->queue_deadline = draw(&state, 2) ? 0 : 1 + draw(&state, 50);
    m.tasks[slot] = (struct model_task){t->id, t->queue_deadline, t->lane, t->priority, t->class, GONE};
    if (hold)
        queue_hold(&q, slot);
    else
        queue_push(&q, slot);
    model_put(&m, slot, hold ? IS_HELD : WAITS);
}

static void do_pick(void)
{
    static const unsigned masks[] = {MASK_PLACE, MASK_PLACE, MASK_INLINE, MASK_PLACE | MASK_INLINE};
    unsigned mask = masks[draw(&state, 4)];
    uint32_t wanted = model_pick(&m, mask);

    CHECK_EQ((int32_t)queue_pick(&q, mask), (int32_t)wanted);
}

static void do_return_or_end(int returns)
{
    uint32_t slot = any(PICKED);

    if (slot == PVS_NONE)
        return;
    if (returns) {
        queue_unpick(&q, slot);
        model_unpick(&m, slot);
        return;
    }
    queue_ended(&q, q.slab[slot].lane);
    queue_release_record(&q, slot);
    model_ended(&m, slot);
}

static void do_release(void)
{
    uint32_t slot = any(IS_HELD);

    if (slot == PVS_NONE)
        return;
    if (draw(&state, 2)) { /* the long way is right too */
        queue_remove(&q, slot);
        model_remove(&m, slot);
    }
    queue_push(&q, slot);
    model_put(&m, slot, WAITS);
}

static void do_cancel(enum model_place place)
{
    uint32_t slot = any(place);

    if (slot == PVS_NONE)
        return;
    CHECK_EQ(queue_find(&q, m.tasks[slot].id), slot);
    queue_remove(&q, slot);
    queue_release_record(&q, slot);
    model_remove(&m, slot);
}

static void do_set_lane(void)
{
    static const uint32_t weights[] = {1000, 10000, 100000, 1, 33333};
    uint32_t lane = draw(&state, q.lane_count), limit = draw(&state, 2) ? 0 : 1 + draw(&state, 4);
    uint32_t weight = draw(&state, 3) ? weights[draw(&state, 5)] : 1 + draw(&state, 200000);

    queue_set_lane(&q, lane, limit, weight);
    model_set_lane(&m, lane, limit, weight);
}

static void do_set_policy(void)
{
    int policy = (int)draw(&state, 5);

    if (policy > PVS_FAIR)
        policy = PVS_FAIR; /* it has the most to get wrong */
    queue_set_policy(&q, policy);
    model_set_policy(&m, policy);
}

static void one_step(int filling)
{
    uint32_t what = draw(&state, 100);

    if (what < (filling ? 45u : 25u))
        do_submit(what % 10 == 0);
    else if (what < 65)
        do_pick();
    else if (what < 85)
        do_return_or_end(what % 4 == 0);
    else if (what < 88)
        do_release();
    else if (what < 94)
        do_cancel(what % 3 ? WAITS : IS_HELD);
    else if (what < 98)
        do_set_lane();
    else if (what < 99)
        do_set_policy();
}

static void compare(void)
{
    CHECK_EQ(q.waiting, model_count(&m, WAITS));
    CHECK_EQ(q.held, model_count(&m, IS_HELD));
    CHECK_EQ(q.used, q.waiting + q.held + model_count(&m, PICKED));
    CHECK_EQ((int32_t)queue_next_expiry(&q), (int32_t)model_expiry(&m));
    for (uint32_t i = 0; i < q.lane_count; i++) {
        CHECK_EQ(q.lanes[i].running, m.lanes[i].running);
        CHECK_EQ(queue_lane_full(&q, i), model_full(&m, i));
        CHECK(q.policy != PVS_FAIR || q.lanes[i].started == m.lanes[i].n);
    }
    uint32_t slot = any(draw(&state, 4) ? WAITS : IS_HELD);
    if (slot != PVS_NONE) {
        CHECK_EQ(queue_ahead(&q, slot), model_ahead(&m, slot));
        CHECK_EQ(queue_find(&q, m.tasks[slot].id), slot);
    }
}

static void run_program(uint32_t lanes, int zot)
{
    uint32_t capacity = 20 + draw(&state, 200);
    int policy = (int)draw(&state, 4), filling = 1;

    CHECK_EQ(queue_init(&q, capacity, lanes, policy, zot), 0);
    model_open(&m, lanes, policy, zot);
    for (int i = 0; i < STEPS; i++) {
        if (draw(&state, 300) == 0)
            filling = !filling; /* full and empty are both worth a visit */
        one_step(filling);
        compare();
    }
    queue_free(&q);
}

static void random_programs_agree(void)
{
    static const uint32_t lanes[] = {1, 2, 3, 5, 12, 3, 4, 70};

    FOR_SEEDS(seed, 1, 24)
    {
        state = check_seed = seed;
        run_program(lanes[seed % 8], seed % 3 == 0);
    }
    check_seed = 0;
}

int main(void)
{
    RUN(random_programs_agree);
    return 0;
}
