/* Tasks sent ahead to busy pool workers: a kill costs only the one that runs, and what waits behind it can be cancelled, can
 * expire, is taken back behind a long task or by an idle worker, and starts when its worker says so.
 * links: all */
#include "invariants.h"

/* A worker that thinks that tasks take 1 us, so that it is sent as many as fit. */
static void believe_they_are_short(void)
{
    for (uint32_t i = 0; i < rig.core->procs_used; i++)
        rig.core->procs[i].run_ns = 1000;
}

/* Short tasks until the core has learned that they are short and sends ahead. */
static void open_and_warm(uint32_t workers)
{
    struct pvs_settings set = {.workers = workers, .policy = PVS_FIFO, .batch = 32};
    struct pvs_stats stats = {0};

    rig_open_with(&set);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    for (int i = 0; stats.batched == 0; i++) {
        CHECK(i < 1000);
        if (i >= 200) /* on an emulated machine they are not short */
            believe_they_are_short();
        (void)rig_submit(&spec, "echo x");
        if (i % 50 == 49)
            rig_run();
        pvs_get_stats(rig.core, &stats);
    }
    rig_run();
}

static uint32_t offered(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < rig.core->queue.capacity; i++)
        count += task_at(rig.core, i)->id && task_at(rig.core, i)->state == PVS_ST_OFFERED;
    return count;
}

/* One long task at the front of `behind` short ones, all sent. The first id; recall is put off. */
static uint64_t one_long_and(uint32_t behind, const char *text, const struct pvs_spec *spec)
{
    struct pvs_spec first = *spec;
    uint64_t id = 0;

    for (int attempt = 0; attempt < 50; attempt++) {
        believe_they_are_short();
        first.queue_timeout_ns = 0;
        id = rig_submit(&first, text);
        for (uint32_t i = 0; i < behind; i++)
            (void)rig_submit(spec, "echo behind");
        (void)rig_step(0);
        believe_they_are_short();
        (void)rig_step(0);
        if (offered() > 0)
            break;
        int e = pvs_cancel(rig.core, id, rig_now(), PVS_BY_CALLER);
        CHECK(e == 0 || e == -ENOENT); /* on a busy machine it may have ended */
        (void)!pvs_cancel(rig.core, id, rig_now(), PVS_BY_CALLER);
        rig_run();
    }
    CHECK(offered() > 0);
    check_invariants(rig.core);
    return id;
}

static void a_kill_costs_only_the_running_one(void)
{
    for (int round = 0; round < 20; round++) {
        open_and_warm(1);
        struct pvs_spec spec = rig_spec(PVS_POOL);
        uint64_t id = one_long_and(20, "!wait", &spec);
        rig_until_notes(1);
        CHECK_EQ(kill(rig.core->procs[task_at(rig.core, queue_find(&rig.core->queue, id))->proc].pid, SIGKILL), 0);
        rig_run();
        check_invariants(rig.core);
        RIG_WANT(id, PVS_FAILED, PVS_R_WORKER_DIED);
        for (uint64_t other = id + 1; other <= id + 20; other++)
            RIG_WANT(other, PVS_SUCCEEDED, 0);
        rig_close();
    }
}

/* The channel brings nearly all that the buffer holds, then its end, and more lies in the outbox: what is told makes room. */
static void what_a_dead_worker_held_back_finds_room(void)
{
    open_and_warm(1);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    CHECK_EQ(rig.core->set.buffer_bytes, 65536);
    believe_they_are_short();
    uint64_t first = rig_submit(&spec, "sleep 20");
    for (int i = 0; i < 21; i++) /* two at a time fill the outbox: 20 go through the channel, the last one waits */
        (void)rig_submit(&spec, "big 3200");
    uint64_t last = rig_submit(&spec, "signal 9");
    (void)rig_step(0);
    believe_they_are_short();
    (void)rig_step(0);
    rig_nap(200);
    rig_run();
    check_invariants(rig.core);
    for (uint64_t id = first; id < last; id++)
        RIG_WANT(id, PVS_SUCCEEDED, 0);
    RIG_WANT(last, PVS_FAILED, PVS_R_WORKER_DIED);
    rig_close();
}

/* Workers are killed at any moment, in the middle of streams of batches: no success is lost, none is doubled. */
static void kills_at_any_moment_lose_nothing(void)
{
    uint64_t random = 7;
    uint32_t died = 0, ran = 0;

    open_and_warm(2);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    uint64_t first = 0;
    for (uint32_t kills = 0; kills < rig_scale(100);) {
        while (rig.live < 200 && ran < RIG_TASKS - 1000) {
            uint64_t id = rig_submit(&spec, "echo x");
            first = first ? first : id;
            ran++;
        }
        if (ran >= RIG_TASKS - 1000)
            break;
        (void)rig_step(1);
        const struct proc *p = &rig.core->procs[draw(&random, rig.core->procs_used)];
        if (p->kind != PVS_POOL || p->state != PROC_LIVE || p->pidfd < 0 || draw(&random, 8))
            continue;
        (void)sys_pidfd_kill(p->pidfd, SIGKILL);
        kills++;
    }
    rig_run();
    for (uint64_t id = first; id < first + ran; id++)
        died += rig_ending(id)->event.outcome != PVS_SUCCEEDED;
    CHECK(died <= rig_scale(100));
    check_invariants(rig.core);
    rig_close();
}

static void what_waits_behind_can_be_cancelled(void)
{
    open_and_warm(1);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    uint64_t id = one_long_and(10, "sleep 30", &spec);
    for (uint64_t other = id + 1; other <= id + 9; other++)
        CHECK_EQ(pvs_cancel(rig.core, other, pvs_now(), PVS_BY_CALLER), 0);
    check_invariants(rig.core);
    rig_run();
    RIG_WANT(id, PVS_SUCCEEDED, 0);
    for (uint64_t other = id + 1; other <= id + 9; other++) {
        RIG_WANT(other, PVS_CANCELLED, 0);
        CHECK_EQ(rig_ending(other)->event.started_ns, 0);
    }
    RIG_WANT(id + 10, PVS_SUCCEEDED, 0);
    rig_close();
}

static void what_waits_behind_expires(void)
{
    open_and_warm(1);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    spec.queue_timeout_ns = 50000000; /* an emulated machine takes a while to send them ahead */
    uint64_t id = one_long_and(10, "sleep 300", &spec);
    rig_run();
    RIG_WANT(id, PVS_SUCCEEDED, 0);
    for (uint64_t other = id + 1; other <= id + 10; other++)
        RIG_WANT(other, PVS_EXPIRED, 0);
    rig_close();
}

/* The worker is stuck: after 2 ms what waits behind goes back to the queue, and another worker takes it. */
static void what_waits_behind_a_long_task_is_taken_back(void)
{
    open_and_warm(1);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    uint64_t id = one_long_and(10, "!wait", &spec);
    CHECK_EQ(pvs_set_workers(rig.core, 2), 0);
    rig_run_to(1, 5);
    CHECK_EQ(rig_state(id), PVS_ST_RUNNING);
    check_invariants(rig.core);
    CHECK_EQ(pvs_cancel(rig.core, id, pvs_now(), PVS_BY_CALLER), 0);
    rig_run();
    rig_close();
}

/* It has answered the first and is stopped before it takes the second: the second is still to be had. */
static void a_worker_stopped_between_two_tasks_keeps_none(void)
{
    open_and_warm(1);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    uint64_t id = one_long_and(10, "sleep 20", &spec);
    struct proc *p = &rig.core->procs[task_at(rig.core, queue_find(&rig.core->queue, id))->proc];
    CHECK_EQ(kill(p->pid, SIGSTOP), 0);
    for (uint64_t other = id + 1; other <= id + 3; other++)
        CHECK_EQ(pvs_cancel(rig.core, other, pvs_now(), PVS_BY_CALLER), 0);
    CHECK_EQ(pvs_set_workers(rig.core, 2), 0);
    rig_run_to(1, 5);
    check_invariants(rig.core);
    CHECK_EQ(kill(p->pid, SIGCONT), 0);
    rig_run();
    RIG_WANT(id, PVS_SUCCEEDED, 0);
    rig_close();
}

static void started_is_when_the_worker_took_it(void)
{
    open_and_warm(1);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    uint64_t id = one_long_and(10, "sleep 1", &spec);
    rig_run();
    for (uint64_t other = id + 1; other <= id + 10; other++) {
        const struct pvs_event *e = &rig_ending(other)->event;
        CHECK(e->started_ns >= rig_ending(other - 1)->event.started_ns);
        CHECK(e->started_ns - rig_ending(id)->event.started_ns >= 1000000 && e->started_ns <= e->ended_ns);
    }
    rig_close();
}

/* The deadline of the front comes while the worker goes from task to task: the axe never falls on another. */
static void deadlines_in_a_stream_hit_their_own_task_only(void)
{
    struct pvs_settings set = {.workers = 2, .policy = PVS_FIFO, .batch = 32};
    uint64_t ids[50];

    rig_open_with(&set);
    struct pvs_spec spec = rig_spec(PVS_POOL), mortal = spec;
    mortal.timeout_ns = 1000000;
    for (int i = 0; i < 50; i++) {
        for (int k = 0; k < 30; k++)
            (void)rig_submit(&spec, "echo x");
        ids[i] = rig_submit(&mortal, "sleep 1000");
        believe_they_are_short();
        (void)rig_step(0);
    }
    rig_run();
    for (uint64_t id = 1, mortals = 0; id <= ids[49]; id++) {
        int is_mortal = id == ids[mortals];
        RIG_WANT(id, is_mortal ? PVS_TIMED_OUT : PVS_SUCCEEDED, 0);
        mortals += (uint64_t)is_mortal;
    }
    rig_close();
}

int main(void)
{
    RUN(a_kill_costs_only_the_running_one);
    RUN(what_a_dead_worker_held_back_finds_room);
    RUN(kills_at_any_moment_lose_nothing);
    RUN(what_waits_behind_can_be_cancelled);
    RUN(what_waits_behind_expires);
    RUN(what_waits_behind_a_long_task_is_taken_back);
    RUN(a_worker_stopped_between_two_tasks_keeps_none);
    RUN(started_is_when_the_worker_took_it);
    RUN(deadlines_in_a_stream_hit_their_own_task_only);
    return 0;
}
