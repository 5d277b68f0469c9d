/* The ready queue: the cases of the specification, and what the core relies on.
 * links: queue.c records.c order.c fair.c deadline.c */
#include "queue.h"

#include <string.h>

#include "check.h"

#define LOW 1000u
#define MEDIUM 10000u
#define HIGH 100000u
#define NO_LIMIT 0u
#define BOTH (MASK_PLACE | MASK_INLINE)

static struct queue q;

static void open_queue(uint32_t capacity, int policy)
{
    CHECK_EQ(queue_init(&q, capacity, 8, policy, 0), 0);
}

static uint32_t make(uint32_t lane, uint32_t priority, uint32_t c, uint64_t deadline)
{
    uint32_t slot = queue_alloc(&q);

    CHECK(slot != PVS_NONE);
    q.slab[slot].lane = (uint16_t)lane;
    q.slab[slot].priority = (uint8_t)priority;
    q.slab[slot].class = (uint8_t)c;
    q.slab[slot].queue_deadline = deadline;
    return slot;
}

/* Returns the id. */
static uint64_t push(uint32_t lane, uint32_t priority, uint64_t deadline)
{
    uint32_t slot = make(lane, priority, CLASS_PLACE, deadline);

    queue_push(&q, slot);
    return q.slab[slot].id;
}

/* Picks, lets it end, and forgets it; returns its id, 0 where nothing may start. */
static uint64_t serve(void)
{
    uint32_t slot = queue_pick(&q, MASK_PLACE);

    if (slot == PVS_NONE)
        return 0;
    uint64_t id = q.slab[slot].id;
    queue_ended(&q, q.slab[slot].lane);
    queue_release_record(&q, slot);
    return id;
}

static void cancel(uint32_t slot)
{
    queue_remove(&q, slot);
    queue_release_record(&q, slot);
}

static void expect_order(const uint64_t *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        CHECK_EQ(serve(), ids[i]);
    CHECK_EQ(serve(), 0);
    CHECK_EQ(q.used, 0);
}
#define EXPECT_ORDER(...) \
    expect_order((const uint64_t[]){__VA_ARGS__}, sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

/* ---- records ------------------------------------------------------------------------------------ */

static void a_record_is_small(void)
{
    /* 64 bytes of payload block and three hash entries at worst: 200 bytes a task in all */
    CHECK(sizeof(struct task) + 64 + 3 * sizeof(uint32_t) <= 200);
    CHECK(offsetof(struct task, queue_deadline) == 32);
}

static void ids_are_sequential_and_never_reused(void)
{
    open_queue(2, PVS_FIFO);
    for (uint64_t id = 1; id < 1000; id++) {
        CHECK_EQ(push(0, 5, 0), id);
        CHECK_EQ(serve(), id);
        CHECK_EQ(queue_find(&q, id), PVS_NONE);
    }
    CHECK_EQ(queue_find(&q, 0), PVS_NONE);
    CHECK_EQ(queue_find(&q, UINT64_MAX), PVS_NONE);
    queue_free(&q);
}

static void a_full_queue_refuses_until_a_record_is_free(void)
{
    open_queue(3, PVS_FIFO);
    push(0, 5, 0);
    push(0, 5, 0);
    uint32_t running = make(0, 5, CLASS_PLACE, 0); /* in no list, and it counts all the same */
    CHECK_EQ(queue_alloc(&q), PVS_NONE);
    queue_release_record(&q, running);
    CHECK(queue_alloc(&q) != PVS_NONE);
    queue_free(&q);
}

static void an_old_task_is_found_among_many_new_ones(void)
{
    open_queue(64, PVS_STRICT);
    uint64_t old = push(0, 9, 0);
    for (int i = 0; i < 10000; i++) { /* a hundred rounds of the id table */
        push(0, 1, 0);
        serve();
    }
    CHECK(queue_find(&q, old) != PVS_NONE);
    CHECK_EQ(serve(), old);
    queue_free(&q);
}

/* ---- policies ----------------------------------------------------------------------------------- */

static void fifo_ignores_priorities_and_lanes(void)
{
    open_queue(8, PVS_FIFO);
    push(0, 9, 0), push(3, 0, 5), push(1, 4, 0), push(0, 0, 1);
    EXPECT_ORDER(1, 2, 3, 4);
    queue_free(&q);
}

static void strict_takes_the_lowest_number_then_the_oldest_over_all_lanes(void)
{
    open_queue(8, PVS_STRICT);
    push(0, 5, 0), push(1, 0, 0), push(2, 5, 0), push(0, 0, 0), push(1, 9, 0);
    EXPECT_ORDER(2, 4, 1, 3, 5);
    queue_free(&q);
}

static void edf_takes_the_earliest_deadline_and_those_without_last(void)
{
    open_queue(8, PVS_EDF);
    push(0, 0, 0), push(1, 9, 300), push(0, 9, 100), push(2, 0, 300), push(1, 5, 0), push(0, 5, UINT64_MAX);
    EXPECT_ORDER(3, 2, 4, 6, 1, 5);
    queue_free(&q);
}

static void a_full_lane_is_passed_over(void)
{
    for (int policy = PVS_FIFO; policy <= PVS_FAIR; policy++) {
        open_queue(8, policy);
        queue_set_lane(&q, 0, 1, MEDIUM);
        push(0, 0, 1), push(0, 0, 2), push(1, 9, 3);
        uint32_t first = queue_pick(&q, MASK_PLACE);
        CHECK_EQ(q.slab[first].id, 1);
        CHECK(queue_lane_full(&q, 0));
        CHECK_EQ(serve(), 3);
        CHECK_EQ(serve(), 0);
        queue_ended(&q, 0);
        CHECK_EQ(serve(), 2);
        queue_free(&q);
    }
}

static void raising_a_limit_starts_and_lowering_it_stops_nothing(void)
{
    open_queue(8, PVS_STRICT);
    queue_set_lane(&q, 0, 1, MEDIUM);
    for (int i = 0; i < 4; i++)
        push(0, 5, 0);
    CHECK(queue_pick(&q, MASK_PLACE) != PVS_NONE);
    CHECK_EQ(queue_pick(&q, MASK_PLACE), PVS_NONE);
    queue_set_lane(&q, 0, 3, MEDIUM);
    CHECK(queue_pick(&q, MASK_PLACE) != PVS_NONE);
    queue_set_lane(&q, 0, 1, MEDIUM);
    queue_ended(&q, 0);
    CHECK_EQ(queue_pick(&q, MASK_PLACE), PVS_NONE); /* one runs still */
    queue_ended(&q, 0);
    CHECK(queue_pick(&q, MASK_PLACE) != PVS_NONE);
    queue_free(&q);
}

static void changing_the_policy_loses_nothing(void)
{
    open_queue(16, PVS_FIFO);
    push(0, 9, 0), push(1, 5, 50), push(0, 0, 0), push(1, 1, 20), push(0, 9, 90);
    CHECK_EQ(serve(), 1);
    queue_set_policy(&q, PVS_EDF);
    CHECK_EQ(serve(), 4);
    queue_set_policy(&q, PVS_STRICT);
    CHECK_EQ(serve(), 3);
    queue_set_policy(&q, PVS_FAIR);
    EXPECT_ORDER(5, 2);
    queue_free(&q);
}

static void classes_are_picked_apart_or_as_one(void)
{
    for (int policy = PVS_FIFO; policy <= PVS_FAIR; policy++) {
        open_queue(8, policy);
        for (unsigned c = CLASS_PLACE; c <= CLASS_INLINE; c++) {
            for (uint32_t i = 0; i < 2; i++)
                queue_push(&q, make(0, 5 - i, c, 9 - i)); /* ids 1 2 are PLACE, 3 4 INLINE */
        }
        uint32_t slot = queue_pick(&q, MASK_INLINE);
        CHECK_EQ(q.slab[slot].class, CLASS_INLINE);
        CHECK_EQ(q.slab[slot].id, policy == PVS_FIFO ? 3 : 4);
        queue_unpick(&q, slot);
        slot = queue_pick(&q, BOTH);
        CHECK_EQ(q.slab[slot].id, policy == PVS_FIFO ? 1 : 2);
        queue_free(&q);
    }
}

/* ---- coming and going --------------------------------------------------------------------------- */

static void returning_tasks_take_their_old_places(void)
{
    for (int policy = PVS_FIFO; policy <= PVS_FAIR; policy++) {
        open_queue(64, policy);
        uint32_t out[10];
        for (int i = 0; i < 20; i++)
            push(0, 5, 1000);
        for (int i = 0; i < 10; i++)
            out[i] = queue_pick(&q, MASK_PLACE);
        for (int i = 0; i < 10; i++)
            queue_unpick(&q, out[(i * 7) % 10]); /* in any order */
        CHECK_EQ(q.lanes[0].running, 0);
        for (uint64_t id = 1; id <= 20; id++)
            CHECK_EQ(serve(), id);
        queue_free(&q);
    }
}

/* The returning task's neighbours by id have left, so it must be looked for from the ends. */
static void a_task_returns_far_from_its_neighbours(void)
{
    for (uint64_t at = 1; at <= 1001; at += 100) {
        open_queue(1001, PVS_FIFO);
        for (uint64_t id = 1; id <= 1001; id++)
            push(0, 5, 0);
        uint32_t slot = queue_find(&q, at);
        queue_remove(&q, slot);
        for (uint64_t id = 1; id <= 1001; id++) {
            if (id != at && id + 80 > at && id < at + 80)
                cancel(queue_find(&q, id));
        }
        queue_push(&q, slot);
        for (uint64_t last = 0, count = q.waiting; count > 0; count--) {
            uint64_t id = serve();
            CHECK(id > last);
            last = id;
        }
        queue_free(&q);
    }
}

static void a_held_task_waits_apart_and_comes_back_in_its_place(void)
{
    open_queue(8, PVS_FIFO);
    uint32_t held = make(0, 5, CLASS_PLACE, 70);
    queue_hold(&q, held);
    push(0, 5, 80);
    CHECK_EQ(q.slab[held].state, PVS_ST_HELD);
    CHECK_EQ(q.held, 1);
    CHECK_EQ(q.waiting, 1);
    CHECK_EQ(queue_next_expiry(&q), held);
    uint32_t other = queue_pick(&q, MASK_PLACE);
    CHECK_EQ(queue_pick(&q, MASK_PLACE), PVS_NONE);
    queue_unpick(&q, other);
    queue_push(&q, held);
    CHECK_EQ(q.slab[held].state, PVS_ST_QUEUED);
    CHECK_EQ(q.held, 0);
    EXPECT_ORDER(1, 2);
    queue_free(&q);
}

static void the_next_expiry_is_the_earliest_of_all_lanes_even_full_ones(void)
{
    open_queue(8, PVS_STRICT);
    CHECK_EQ(queue_next_expiry(&q), PVS_NONE);
    queue_set_lane(&q, 2, 1, MEDIUM);
    push(2, 0, 500);
    CHECK(queue_pick(&q, MASK_PLACE) != PVS_NONE);
    CHECK_EQ(queue_next_expiry(&q), PVS_NONE); /* it runs */
    push(0, 0, 0), push(1, 5, 90), push(2, 5, 40);
    CHECK_EQ(q.slab[queue_next_expiry(&q)].id, 4);
    queue_remove(&q, queue_find(&q, 4));
    CHECK_EQ(q.slab[queue_next_expiry(&q)].id, 3);
    queue_remove(&q, queue_find(&q, 3));
    CHECK_EQ(queue_next_expiry(&q), PVS_NONE);
    queue_free(&q);
}

static void ahead_counts_what_the_policy_would_pick_before(void)
{
    open_queue(8, PVS_FIFO);
    push(0, 9, 10), push(1, 5, 0), push(0, 5, 30), push(1, 0, 20);
    uint32_t third = queue_find(&q, 3);
    CHECK_EQ(queue_ahead(&q, third), 2);
    queue_set_policy(&q, PVS_STRICT);
    CHECK_EQ(queue_ahead(&q, third), 2);
    CHECK_EQ(queue_ahead(&q, queue_find(&q, 4)), 0);
    queue_set_policy(&q, PVS_EDF);
    CHECK_EQ(queue_ahead(&q, third), 2);
    CHECK_EQ(queue_ahead(&q, queue_find(&q, 2)), 3);
    queue_set_policy(&q, PVS_FAIR);
    CHECK_EQ(queue_ahead(&q, third), 0);
    CHECK_EQ(queue_ahead(&q, queue_find(&q, 1)), 1);
    queue_free(&q);
}

/* ---- fair --------------------------------------------------------------------------------------- */

static void open_fair(int zot_exact, const uint32_t *weights, uint32_t lanes)
{
    CHECK_EQ(queue_init(&q, 64, 8, PVS_FAIR, zot_exact), 0);
    for (uint32_t i = 0; i < lanes; i++)
        queue_set_lane(&q, i, NO_LIMIT, weights[i]);
    for (uint32_t i = 0; i < lanes; i++) /* two each, so that no lane is ever seen empty */
        push(i, 5, 0), push(i, 5, 0);
}
#define OPEN_FAIR(zot, ...) \
    open_fair(zot, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* One pick with endless lanes: the lane that was served gets another task. */
static uint32_t serve_lane(void)
{
    uint32_t slot = queue_pick(&q, MASK_PLACE);
    CHECK(slot != PVS_NONE);
    uint32_t lane = q.slab[slot].lane;
    queue_ended(&q, lane);
    queue_release_record(&q, slot);
    push(lane, 5, 0);
    return lane;
}

static void expect_run(uint32_t lane, int times)
{
    for (int i = 0; i < times; i++)
        CHECK_EQ(serve_lane(), lane);
}

static void fair_two_mediums_alternate(void)
{
    OPEN_FAIR(0, MEDIUM, MEDIUM);
    for (int i = 0; i < 100; i++)
        expect_run(0, 1), expect_run(1, 1);
    queue_free(&q);
}

static void fair_low_medium_high(void)
{
    OPEN_FAIR(0, LOW, MEDIUM, HIGH);
    expect_run(2, 9), expect_run(1, 1);
    for (int i = 0; i < 8; i++)
        expect_run(2, 10), expect_run(1, 1);
    expect_run(2, 10); /* 9 + 1 + 8 * 11 + 10 = 108 picks so far */
    expect_run(0, 1);
    queue_free(&q);
}

static void fair_low_and_two_mediums(void)
{
    OPEN_FAIR(0, LOW, MEDIUM, MEDIUM);
    for (int i = 0; i < 9; i++)
        expect_run(1, 1), expect_run(2, 1);
    expect_run(0, 1);
    queue_free(&q);
}

static void fair_shares_of_high_medium_low(void)
{
    uint32_t picks[3] = {0, 0, 0};

    OPEN_FAIR(0, HIGH, MEDIUM, LOW);
    for (int i = 0; i < 1110; i++)
        picks[serve_lane()]++;
    CHECK_EQ(picks[0], 1000);
    CHECK_EQ(picks[1], 100);
    CHECK_EQ(picks[2], 10);
    queue_free(&q);
}

static void fair_a_late_lane_neither_starves_nor_is_starved(void)
{
    OPEN_FAIR(0, MEDIUM);
    expect_run(0, 1000);
    push(1, 5, 0), push(1, 5, 0);
    CHECK_EQ(q.lanes[1].started, 1000);
    for (int i = 0; i < 100; i++)
        expect_run(0, 1), expect_run(1, 1);
    queue_free(&q);
}

static void fair_a_lane_that_is_often_empty_is_not_favoured(void)
{
    OPEN_FAIR(0, MEDIUM);
    for (int i = 0; i < 100; i++) {
        push(1, 5, 0); /* never more than one */
        CHECK_EQ(serve_lane() + serve_lane(), 1);
        cancel(q.lanes[1].seq_head[CLASS_PLACE]); /* serve_lane() refilled it */
        CHECK_EQ(q.lanes[1].waiting, 0);
        expect_run(0, 5);
    }
    queue_free(&q);
}

static void fair_a_full_lane_saves_up_nothing(void)
{
    OPEN_FAIR(0, HIGH, MEDIUM);
    queue_set_lane(&q, 0, 1, HIGH);
    uint32_t slot = queue_pick(&q, MASK_PLACE);
    CHECK_EQ(q.slab[slot].lane, 0);
    expect_run(1, 50);
    queue_ended(&q, 0);
    CHECK_EQ(q.lanes[0].started, 500); /* ten times the share of the medium one */
    queue_free(&q);
}

static void fair_counts_restart_when_nothing_waits(void)
{
    OPEN_FAIR(0, MEDIUM, MEDIUM);
    expect_run(0, 1), expect_run(1, 1), expect_run(0, 1);
    for (int i = 0; i < 4; i++) {
        CHECK(q.lanes[0].started > 0);
        CHECK(serve() != 0);
    }
    CHECK_EQ(q.lanes[0].started, 0);
    CHECK_EQ(q.lanes[1].started, 0);
    queue_free(&q);
}

static void fair_a_held_task_keeps_the_counts(void)
{
    CHECK_EQ(queue_init(&q, 64, 8, PVS_FAIR, 0), 0);
    queue_hold(&q, make(1, 5, CLASS_PLACE, 0));
    push(0, 5, 0);
    CHECK(serve() != 0);
    CHECK_EQ(q.lanes[0].started, 1);
    queue_remove(&q, queue_find(&q, 1));
    CHECK_EQ(q.lanes[0].started, 0);
    queue_free(&q);
}

static void fair_entering_restarts_and_a_new_weight_rescales(void)
{
    OPEN_FAIR(0, MEDIUM, MEDIUM);
    for (int i = 0; i < 15; i++)
        serve_lane();
    CHECK_EQ(q.lanes[1].started, 7);
    queue_set_lane(&q, 1, NO_LIMIT, LOW);
    CHECK_EQ(q.lanes[1].started, 0);
    CHECK_EQ(q.lanes[0].started, 8);
    queue_set_lane(&q, 0, NO_LIMIT, HIGH + 1);
    CHECK_EQ(q.lanes[0].started, 80);
    queue_set_policy(&q, PVS_FAIR); /* it is fair already */
    CHECK_EQ(q.lanes[0].started, 80);
    queue_set_policy(&q, PVS_STRICT);
    queue_set_policy(&q, PVS_FAIR);
    CHECK_EQ(q.lanes[0].started, 0);
    queue_free(&q);
}

static void fair_inside_a_lane_goes_by_priority_then_submission(void)
{
    open_queue(8, PVS_FAIR);
    push(0, 5, 0), push(0, 1, 0), push(0, 5, 0), push(0, 1, 0);
    EXPECT_ORDER(2, 4, 1, 3);
    queue_free(&q);
}

static void fair_ranks_are_exact_beyond_64_bits(void)
{
    OPEN_FAIR(0, MEDIUM, UINT32_MAX);
    /* w / (1 + n): 10000 / 10000k against (2^32 - 1) / ((2^32 - 1) k), equal, then one more and one less */
    uint64_t k = UINT64_C(1) << 31;
    q.lanes[0].started = MEDIUM * k - 1;
    q.lanes[1].started = UINT32_MAX * k - 1;
    uint32_t slot = queue_pick(&q, MASK_PLACE); /* a tie: the older lane */
    CHECK_EQ(q.slab[slot].lane, 0);
    slot = queue_pick(&q, MASK_PLACE);
    CHECK_EQ(q.slab[slot].lane, 1);
    q.lanes[0].started = MEDIUM * k - 1;
    q.lanes[1].started = UINT32_MAX * k - 2;
    slot = queue_pick(&q, MASK_PLACE);
    CHECK_EQ(q.slab[slot].lane, 1);
    queue_free(&q);
}

static void fair_counts_stop_at_their_greatest(void)
{
    OPEN_FAIR(0, LOW);
    q.lanes[0].started = UINT64_MAX - 2;
    serve_lane(), serve_lane(), serve_lane();
    CHECK_EQ(q.lanes[0].started, UINT64_MAX - 1);
    push(1, 5, 0); /* medium: ten times that does not fit */
    CHECK_EQ(q.lanes[1].started, UINT64_MAX - 1);
    queue_set_lane(&q, 0, NO_LIMIT, UINT32_MAX);
    CHECK_EQ(q.lanes[0].started, UINT64_MAX - 1);
    serve_lane();
    queue_free(&q);
}

/* What waits for a worker does not say who was served by the caller's thread, and the other way round. */
static void fair_a_lane_is_measured_against_its_own_class(void)
{
    CHECK_EQ(queue_init(&q, 64, 8, PVS_FAIR, 0), 0);
    queue_push(&q, make(0, 5, CLASS_PLACE, 0)); /* waits for a worker for ever, n = 0 */
    for (uint32_t i = 0; i < 10; i++)
        queue_push(&q, make(1, 5, CLASS_INLINE, 0));
    for (uint32_t i = 0; i < 8; i++)
        CHECK(queue_pick(&q, MASK_INLINE) != PVS_NONE);
    queue_push(&q, make(2, 5, CLASS_INLINE, 0));
    CHECK_EQ(q.lanes[2].started, 8);
    queue_push(&q, make(3, 5, CLASS_PLACE, 0));
    CHECK_EQ(q.lanes[3].started, 0);
    queue_free(&q);
}

static void fair_serves_more_lanes_than_a_word_has_bits(void)
{
    CHECK_EQ(queue_init(&q, 300, 150, PVS_FAIR, 0), 0);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t lane = 0; lane < 150; lane++)
            push(149 - lane, 5, 0);
    }
    for (uint32_t i = 0; i < 300; i++) {
        uint32_t slot = queue_pick(&q, MASK_PLACE);
        CHECK_EQ(q.slab[slot].lane, 149 - i % 150);
    }
    queue_free(&q);
}

/* ---- zot's own order ---------------------------------------------------------------------------- */

static void zot_two_mediums(void)
{
    static const int wanted[] = {1, 1, 2, 2, 2, 2, 1, 1, 1, 1, 2, 2, 2, 2, 1, 1};

    OPEN_FAIR(1, MEDIUM, MEDIUM);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
        CHECK_EQ(serve_lane() + 1, wanted[i]);
    queue_free(&q);
}

static void zot_low_medium_high(void)
{
    int first[3] = {0, 0, 0};

    OPEN_FAIR(1, LOW, MEDIUM, HIGH);
    for (int i = 1; i <= 200; i++) {
        uint32_t lane = serve_lane();
        first[lane] = first[lane] ? first[lane] : i;
        CHECK(i > 33 || lane == ((i > 11 && i < 14) ? 1 : 2)); /* H x11, M x2, H x20 */
        CHECK(i < 34 || i > 35 || lane == 1);                  /* M x2 */
        CHECK(i != 36 || lane == 2);
    }
    CHECK_EQ(first[1], 12);
    CHECK_EQ(first[0], 112);
    queue_free(&q);
}

static void zot_a_lane_that_runs_empty_restarts(void)
{
    OPEN_FAIR(1, HIGH, MEDIUM);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(serve_lane(), 0);
    CHECK_EQ(q.lanes[0].started, 5);
    cancel(q.lanes[0].seq_head[CLASS_PLACE]);
    CHECK_EQ(q.lanes[0].started, 5);
    cancel(q.lanes[0].seq_head[CLASS_PLACE]);
    CHECK_EQ(q.lanes[0].started, 0);
    CHECK_EQ(serve_lane(), 1);
    queue_free(&q);
}

int main(void)
{
    RUN(a_record_is_small);
    RUN(ids_are_sequential_and_never_reused);
    RUN(a_full_queue_refuses_until_a_record_is_free);
    RUN(an_old_task_is_found_among_many_new_ones);
    RUN(fifo_ignores_priorities_and_lanes);
    RUN(strict_takes_the_lowest_number_then_the_oldest_over_all_lanes);
    RUN(edf_takes_the_earliest_deadline_and_those_without_last);
    RUN(a_full_lane_is_passed_over);
    RUN(raising_a_limit_starts_and_lowering_it_stops_nothing);
    RUN(changing_the_policy_loses_nothing);
    RUN(classes_are_picked_apart_or_as_one);
    RUN(returning_tasks_take_their_old_places);
    RUN(a_task_returns_far_from_its_neighbours);
    RUN(a_held_task_waits_apart_and_comes_back_in_its_place);
    RUN(the_next_expiry_is_the_earliest_of_all_lanes_even_full_ones);
    RUN(ahead_counts_what_the_policy_would_pick_before);
    RUN(fair_two_mediums_alternate);
    RUN(fair_low_medium_high);
    RUN(fair_low_and_two_mediums);
    RUN(fair_shares_of_high_medium_low);
    RUN(fair_a_late_lane_neither_starves_nor_is_starved);
    RUN(fair_a_lane_that_is_often_empty_is_not_favoured);
    RUN(fair_a_full_lane_saves_up_nothing);
    RUN(fair_counts_restart_when_nothing_waits);
    RUN(fair_a_held_task_keeps_the_counts);
    RUN(fair_entering_restarts_and_a_new_weight_rescales);
    RUN(fair_inside_a_lane_goes_by_priority_then_submission);
    RUN(fair_ranks_are_exact_beyond_64_bits);
    RUN(fair_counts_stop_at_their_greatest);
    RUN(fair_a_lane_is_measured_against_its_own_class);
    RUN(fair_serves_more_lanes_than_a_word_has_bits);
    RUN(zot_two_mediums);
    RUN(zot_low_medium_high);
    RUN(zot_a_lane_that_runs_empty_restarts);
    return 0;
}
