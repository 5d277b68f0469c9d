/* The heap of queue deadlines: what comes out is always the earliest, whatever went in or was taken out of the middle.
 * links: deadline.c */
#include "deadline.h"

#include <string.h>

#include "check.h"

#define TASKS 400u

static struct task slab[TASKS];
static int inside[TASKS];

static void fresh(void)
{
    memset(slab, 0xee, sizeof(slab)); /* insert must not rely on what the links held */
    memset(inside, 0, sizeof(inside));
}

static uint32_t put(uint32_t root, uint32_t slot, uint64_t deadline)
{
    slab[slot].id = 1000 + slot;
    slab[slot].queue_deadline = deadline;
    inside[slot] = 1;
    return deadline_insert(slab, root, slot);
}

static uint32_t take(uint32_t root, uint32_t slot)
{
    inside[slot] = 0;
    return deadline_remove(slab, root, slot);
}

/* By looking at each; equal deadlines go by id, and here ids rise with slots. */
static uint32_t earliest(void)
{
    uint32_t best = PVS_NONE;

    for (uint32_t i = 0; i < TASKS; i++) {
        if (inside[i] && (best == PVS_NONE || slab[i].queue_deadline < slab[best].queue_deadline))
            best = i;
    }
    return best;
}

static void one_task_is_its_own_root(void)
{
    fresh();
    uint32_t root = put(PVS_NONE, 7, 5);
    CHECK_EQ(root, 7);
    CHECK_EQ(take(root, 7), PVS_NONE);
}

static void equal_deadlines_come_by_id(void)
{
    uint32_t root = PVS_NONE;

    fresh();
    for (uint32_t i = 20; i-- > 0;)
        root = put(root, i, 99);
    for (uint32_t i = 0; i < 20; i++) {
        CHECK_EQ(root, i);
        root = take(root, root);
    }
    CHECK_EQ(root, PVS_NONE);
}

static void rising_and_falling_rows_drain_in_order(void)
{
    for (int falling = 0; falling < 2; falling++) {
        uint32_t root = PVS_NONE;
        fresh();
        for (uint32_t i = 0; i < TASKS; i++)
            root = put(root, i, falling ? TASKS - i : i + 1);
        for (uint32_t i = 0; i < TASKS; i++) {
            CHECK_EQ(root, falling ? TASKS - 1 - i : i);
            root = take(root, root);
        }
    }
}

static void the_greatest_deadline_sorts_last(void)
{
    fresh();
    uint32_t root = put(put(PVS_NONE, 0, UINT64_MAX), 1, UINT64_MAX - 1);
    CHECK_EQ(root, 1);
    CHECK_EQ(take(root, 1), 0);
}

static void random_programs_agree_with_a_search(void)
{
    FOR_SEEDS(seed, 1, 30)
    {
        uint64_t state = check_seed = seed;
        uint32_t root = PVS_NONE, range = draw(&state, 2) ? 20 : 1000000;
        fresh();
        for (int i = 0; i < 4000; i++) {
            uint32_t slot = draw(&state, TASKS);
            if (inside[slot])
                root = take(root, slot);
            else
                root = put(root, slot, 1 + draw(&state, range));
            if (draw(&state, 4) == 0 && root != PVS_NONE)
                root = take(root, root);
            CHECK_EQ(root, earliest());
        }
    }
    check_seed = 0;
}

int main(void)
{
    RUN(one_task_is_its_own_root);
    RUN(equal_deadlines_come_by_id);
    RUN(rising_and_falling_rows_drain_in_order);
    RUN(the_greatest_deadline_sorts_last);
    RUN(random_programs_agree_with_a_search);
    return 0;
}
