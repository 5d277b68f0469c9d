/* The life of a task, from outside: every outcome and reason, cancel, hold, lanes, workers up and down, keepers that come and
 * go, descriptors lent, large payloads and results. The workers are C, see rig_worker.h.
 * tries: 2 (its children race with a busy machine's other work)
 * links: all */
#include "rig.h"

#include <sys/stat.h>

/* ---- outcomes -------------------------------------------------------------------------------------- */

static void each_end_of_a_worker_has_its_reason(void)
{
    static const struct {
        const char *text;
        int outcome, reason, exit_kind, exit_value;
    } want[] = {
        {"echo hello", PVS_SUCCEEDED, 0, 0, 0},
        {"raise oh", PVS_FAILED, PVS_R_RAISED, 0, 0},
        {"exit 0", PVS_FAILED, PVS_R_NO_RESULT, 1, 0},
        {"exit 3", PVS_FAILED, PVS_R_EXIT_STATUS, 1, 3},
        {"signal 9", PVS_FAILED, PVS_R_WORKER_DIED, 2, 9},
        {"signal 11", PVS_FAILED, PVS_R_WORKER_DIED, 2, 11},
        {"garbage 20", PVS_FAILED, PVS_R_BAD_FRAME, 2, 9},
        {"!close", PVS_FAILED, PVS_R_NO_RESULT, 2, 9},
        {"big 2000000", PVS_FAILED, PVS_R_RESULT_TOO_LARGE, 2, 9},
    };

    for (int kind = PVS_FORK; kind <= PVS_POOL; kind++) {
        rig_open(2);
        struct pvs_spec spec = rig_spec(kind);
        for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
            (void)rig_submit(&spec, want[i].text);
        rig_run();
        for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
            const struct pvs_event *e = &rig_ending(i + 1)->event;
            RIG_WANT(i + 1, want[i].outcome, want[i].reason);
            CHECK_EQ(e->exit_kind, want[i].exit_kind);
            if (want[i].exit_kind)
                CHECK_EQ(e->exit_value, want[i].exit_value);
            CHECK(e->queued_ns <= e->started_ns && e->started_ns <= e->ended_ns && e->pid > 0);
        }
        CHECK_EQ(strcmp(rig_ending(1)->body, "hello"), 0);
        CHECK_EQ(strcmp(rig_ending(2)->body, "oh"), 0);
        rig_close();
    }
}

static void programs_have_output_result_and_status(void)
{
    rig_open(2);
    struct pvs_spec spec = rig_spec(PVS_EXEC);
    uint64_t plain = rig_shell(&spec, "echo out; echo err >&2; exit 0");
    uint64_t result = rig_shell(&spec, "echo -n '{}' >&3");
    uint64_t status = rig_shell(&spec, "exit 7");
    uint64_t killed = rig_shell(&spec, "kill -9 $$");
    uint64_t input = rig_exec_with(&spec, (const char *const[]){"/bin/cat", NULL}, "from stdin", NULL, 0);
    rig_run();
    RIG_WANT(plain, PVS_SUCCEEDED, 0);
    CHECK_EQ(strcmp(rig_ending(plain)->out, "out\n"), 0);
    CHECK_EQ(strcmp(rig_ending(plain)->err, "err\n"), 0);
    CHECK_EQ(rig_ending(plain)->event.value, 0);
    CHECK_EQ(strcmp(rig_ending(result)->body, "{}"), 0);
    RIG_WANT(status, PVS_FAILED, PVS_R_EXIT_STATUS);
    CHECK_EQ(rig_ending(status)->event.exit_value, 7);
    RIG_WANT(killed, PVS_FAILED, PVS_R_WORKER_DIED);
    CHECK_EQ(strcmp(rig_ending(input)->out, "from stdin"), 0);
    rig_close();
}

static void output_is_cut_and_a_result_is_not(void)
{
    rig_open(2);
    struct pvs_spec spec = rig_spec(PVS_EXEC);
    spec.output_limit = 10;
    uint64_t cut = rig_shell(&spec, "head -c 100000 /dev/zero | tr '\\0' x");
    spec.output_limit = 300000;
    uint64_t whole = rig_shell(&spec, "head -c 300000 /dev/zero | tr '\\0' x; head -c 150000 /dev/zero >&2");
    spec.result_limit = 100;
    uint64_t fits = rig_shell(&spec, "head -c 100 /dev/zero | tr '\\0' r >&3");
    uint64_t over = rig_shell(&spec, "head -c 101 /dev/zero >&3; sleep 100");
    rig_run();
    CHECK_EQ(rig_ending(cut)->event.out_len, 10);
    CHECK_EQ(rig_ending(cut)->event.truncated, 1);
    RIG_WANT(cut, PVS_SUCCEEDED, 0);
    CHECK_EQ(rig_ending(whole)->event.out_len, 300000);
    CHECK_EQ(rig_ending(whole)->event.err_len, 150000);
    CHECK_EQ(rig_ending(whole)->event.truncated, 0);
    CHECK_EQ(rig_ending(fits)->event.body_len, 100);
    RIG_WANT(over, PVS_FAILED, PVS_R_RESULT_TOO_LARGE);
    rig_close();
}

/* Every size around the buffers of both sides, in both directions. */
static void payloads_and_results_of_every_size_arrive(void)
{
    static char payload[3u << 20];
    const size_t sizes[] = {7, 60, 4095, 4096, 4097, 8000, 8118, 8120, 8200, 65535, 65537, 300000, 3000000};

    for (int kind = PVS_FORK; kind <= PVS_POOL; kind++) {
        rig_open(2);
        struct pvs_spec spec = rig_spec(kind);
        spec.result_limit = 4u << 20;
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            char text[64];
            unsigned long sum = 0;
            memset(payload, 'p', sizes[i]);
            memcpy(payload, "length ", 7);
            for (size_t k = 0; k < sizes[i]; k++)
                sum = sum * 31 + (unsigned char)payload[k];
            uint64_t id = rig_submit_bytes(&spec, payload, sizes[i], NULL, 0);
            snprintf(text, sizeof(text), "big %zu", sizes[i]);
            uint64_t back = rig_submit(&spec, text);
            rig_run();
            snprintf(text, sizeof(text), "%zu %lx", sizes[i], sum);
            CHECK_EQ(strcmp(rig_ending(id)->body, text), 0);
            CHECK_EQ(rig_ending(back)->event.body_len, sizes[i]);
        }
        rig_close();
    }
}

/* ---- deadlines and cancels ------------------------------------------------------------------------- */

static void a_deadline_kills_at_once_or_with_grace(void)
{
    const uint64_t allowed = 60000000000u;

    rig_open(4);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    spec.timeout_ns = allowed;
    uint64_t axe = rig_submit(&spec, "!wait");
    spec.flags = PVS_GRACEFUL;
    uint64_t heard = rig_submit(&spec, "!wait");
    spec.grace_ns = 50000000;
    uint64_t deaf = rig_submit(&spec, "!ignore");
    uint64_t program = rig_shell(&spec, "trap '' TERM; sleep 100 & wait; sleep 100");
    rig_until_notes(3);
    rig_ahead = allowed;
    rig_run();
    rig_ahead = 0;
    for (uint64_t id = axe; id <= program; id++) {
        RIG_WANT(id, PVS_TIMED_OUT, 0);
        CHECK_EQ(rig_ending(id)->event.after_ns, allowed);
    }
    CHECK_EQ(rig_ending(axe)->event.signal, SIGKILL);
    CHECK_EQ(rig_ending(heard)->event.signal, SIGTERM);
    CHECK_EQ(rig_ending(heard)->event.exit_value, SIGTERM);
    CHECK_EQ(rig_ending(deaf)->event.signal, SIGKILL);
    CHECK(rig_ending(deaf)->event.ended_ns - rig_ending(deaf)->event.started_ns >= allowed + spec.grace_ns);
    rig_close();
}

static void cancel_waits_for_the_grace_and_a_second_does_not(void)
{
    for (int kind = PVS_FORK; kind <= PVS_POOL; kind++) {
        rig_open(3);
        struct pvs_spec spec = rig_spec(kind);
        spec.grace_ns = 3600000000000u;
        uint64_t polite = rig_submit(&spec, "!wait"), rude = rig_submit(&spec, "!ignore");
        uint64_t both = rig_submit(&spec, "!ignore"), queued = rig_submit(&spec, "echo never");
        rig_until_notes(3);
        for (uint64_t id = polite; id <= queued; id++)
            CHECK_EQ(pvs_cancel(rig.core, id, pvs_now(), PVS_BY_CLIENT_LEFT), 0);
        CHECK_EQ(pvs_cancel(rig.core, both, pvs_now(), PVS_BY_CALLER), 0); /* twice within one step */
        CHECK_EQ(pvs_cancel(rig.core, queued, pvs_now(), PVS_BY_CALLER), -ENOENT);
        rig_run_to(1, 5);
        CHECK_EQ(rig_state(rude), PVS_ST_STOPPING);
        CHECK_EQ(pvs_cancel(rig.core, rude, pvs_now(), PVS_BY_CALLER), 0);
        rig_run();
        for (uint64_t id = polite; id <= queued; id++) {
            RIG_WANT(id, PVS_CANCELLED, 0);
            CHECK_EQ(rig_ending(id)->event.cause, PVS_BY_CLIENT_LEFT);
        }
        CHECK_EQ(rig_ending(queued)->event.started_ns, 0);
        rig_close();
    }
}

/* A first cancel during the grace of a deadline has nothing to add; a second one still means at once. */
static void cancel_hurries_a_graceful_deadline(void)
{
    rig_open(1);
    struct pvs_spec spec = rig_spec(PVS_FORK);
    spec.flags = PVS_GRACEFUL;
    spec.timeout_ns = 60000000000u;
    spec.grace_ns = 3600000000000u;
    uint64_t id = rig_submit(&spec, "!ignore");
    rig_until_notes(1);
    rig_ahead = spec.timeout_ns;
    rig_until_state(id, PVS_ST_STOPPING);
    CHECK_EQ(pvs_cancel(rig.core, id, rig_now(), PVS_BY_CALLER), 0);
    (void)rig_step(0);
    CHECK_EQ(pvs_cancel(rig.core, id, rig_now(), PVS_BY_CALLER), 0);
    rig_run();
    RIG_WANT(id, PVS_TIMED_OUT, 0);
    rig_ahead = 0;
    rig_close();
}

static void what_waits_too_long_expires(void)
{
    rig_open(1);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    uint64_t first = rig_submit(&spec, "!wait");
    spec.queue_timeout_ns = 30000000;
    uint64_t late = rig_submit(&spec, "echo never");
    spec.flags = PVS_HOLD;
    uint64_t held = rig_submit(&spec, "echo never");
    rig_run_to(1, 5);
    RIG_WANT(late, PVS_EXPIRED, 0);
    RIG_WANT(held, PVS_EXPIRED, 0);
    CHECK_EQ(pvs_release(rig.core, held), -ENOENT);
    CHECK_EQ(pvs_cancel(rig.core, first, pvs_now(), PVS_BY_SHUTDOWN), 0);
    rig_run();
    rig_close();
}

static void held_tasks_wait_for_release_and_can_be_finished(void)
{
    rig_open(1);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    spec.flags = PVS_HOLD;
    uint64_t a = rig_submit(&spec, "echo a"), b = rig_submit(&spec, "echo b"), c = rig_submit(&spec, "echo c");
    spec.flags = 0;
    uint64_t d = rig_submit(&spec, "echo d");
    rig_run_to(3, 5);
    CHECK_EQ(rig_ending(d)->ends, 1);
    CHECK_EQ(rig_state(a), PVS_ST_HELD);
    CHECK_EQ(pvs_release(rig.core, a), 0);
    CHECK_EQ(pvs_finish(rig.core, b, pvs_now(), PVS_SUCCEEDED, 0), 0);
    CHECK_EQ(pvs_finish(rig.core, b, pvs_now(), PVS_SUCCEEDED, 0),
             -ENOENT); /* it has ended; only the telling is to come */
    CHECK_EQ(pvs_cancel(rig.core, c, pvs_now(), PVS_BY_REPLACED), 0);
    CHECK_EQ(pvs_finish(rig.core, c, pvs_now(), PVS_SUCCEEDED, 0), -ENOENT);
    rig_run();
    RIG_WANT(a, PVS_SUCCEEDED, 0);
    RIG_WANT(b, PVS_SUCCEEDED, 0);
    RIG_WANT(c, PVS_CANCELLED, 0);
    rig_close();
}

/* ---- inline and threads ---------------------------------------------------------------------------- */

static void inline_and_thread_tasks_are_the_callers(void)
{
    rig_open(1);
    struct pvs_spec spec = rig_spec(PVS_INLINE);
    char text[16] = "";
    uint64_t in = rig_submit(&spec, "an inline");
    spec.kind = PVS_THREAD;
    uint64_t thread = rig_submit(&spec, "a thread"), second = rig_submit(&spec, "waits");
    while (!rig.tasks[in - 1].starts || !rig.tasks[thread - 1].starts)
        (void)rig_step(10);
    CHECK_EQ(pvs_payload(rig.core, in, text, 9), 9);
    CHECK_EQ(strcmp(text, "an inline"), 0);
    CHECK_EQ(rig.tasks[second - 1].starts, 0);
    CHECK_EQ(pvs_finish(rig.core, second, pvs_now(), PVS_SUCCEEDED, 0), -ENOENT);
    CHECK_EQ(pvs_cancel(rig.core, in, pvs_now(), PVS_BY_CALLER), 0);
    CHECK_EQ(pvs_finish(rig.core, in, pvs_now(), PVS_SUCCEEDED, 0), 0);
    CHECK_EQ(pvs_finish(rig.core, thread, pvs_now(), PVS_FAILED, PVS_R_RAISED), 0);
    rig_run_to(1, 5);
    RIG_WANT(in, PVS_CANCELLED, 0);
    RIG_WANT(thread, PVS_FAILED, PVS_R_RAISED);
    while (!rig.tasks[second - 1].starts)
        (void)rig_step(10);
    CHECK_EQ(pvs_finish(rig.core, second, pvs_now(), PVS_SUCCEEDED, 0), 0);
    rig_run();
    rig_close();
}

/* A worker's, a program's and a thread's, and none that waits; the count is right where there is no room. */
static void what_runs_is_known_without_looking_through_what_waits(void)
{
    rig_open(3);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    uint64_t want[3], got[3] = {0}, none = 0;
    for (int i = 0; i < 3; i++) {
        spec.kind = i == 0 ? PVS_POOL : i == 1 ? PVS_FORK : PVS_THREAD;
        want[i] = rig_submit(&spec, "sleep 30");
    }
    spec.kind = PVS_POOL;
    for (int i = 0; i < 40; i++)
        (void)rig_submit(&spec, "echo x");
    CHECK_EQ(pvs_running(rig.core, NULL, 0), 0);
    rig_until_state(want[0], PVS_ST_RUNNING);
    rig_until_state(want[1], PVS_ST_RUNNING);
    CHECK_EQ(pvs_running(rig.core, &none, 0), 3);
    CHECK_EQ(none, 0);
    CHECK_EQ(pvs_running(rig.core, got, 3), 3);
    uint64_t sum = 0;
    for (int i = 0; i < 3; i++)
        sum += got[i] == want[0] ? 1u : got[i] == want[1] ? 10u : got[i] == want[2] ? 100u : 0u;
    CHECK_EQ(sum, 111);
    CHECK_EQ(pvs_finish(rig.core, want[2], pvs_now(), PVS_SUCCEEDED, 0), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pvs_cancel(rig.core, want[i], pvs_now(), PVS_BY_CALLER), 0);
    rig_run();
    CHECK_EQ(pvs_running(rig.core, got, 3), 0);
    rig_close();
}

/* A thread's slot may be a process's next: nothing of the thread must be left in it. */
static void a_thread_that_overran_leaves_a_clean_place(void)
{
    rig_open(1);
    struct pvs_spec spec = rig_spec(PVS_THREAD);
    spec.timeout_ns = 20000000;
    uint64_t id = rig_submit(&spec, "slow");
    rig_run();
    RIG_WANT(id, PVS_TIMED_OUT, 0);
    CHECK_EQ(pvs_cancel(rig.core, id, pvs_now(), PVS_BY_CALLER), -ENOENT);
    spec = rig_spec(PVS_POOL);
    uint64_t waiting = rig_submit(&spec, "echo next");
    for (int i = 0; i < 5; i++)
        (void)rig_step(5);
    CHECK_EQ(rig_state(waiting), PVS_ST_QUEUED); /* the thread still has its place */
    CHECK_EQ(pvs_finish(rig.core, id, pvs_now(), PVS_SUCCEEDED, 0), 0);
    rig_run();
    RIG_WANT(waiting, PVS_SUCCEEDED, 0);
    uint64_t more = rig_submit(&spec, "echo more");
    rig_run();
    RIG_WANT(more, PVS_SUCCEEDED, 0);
    rig_close();
}

static void without_workers_all_is_inline(void)
{
    rig_open(0);
    for (int kind = PVS_INLINE; kind <= PVS_POOL; kind++) {
        struct pvs_spec spec = rig_spec(kind);
        uint64_t id = rig_submit(&spec, "x");
        while (!rig.tasks[id - 1].starts)
            (void)rig_step(10);
        CHECK_EQ(pvs_finish(rig.core, id, pvs_now(), PVS_SUCCEEDED, 0), 0);
        rig_run();
        CHECK_EQ(rig_ending(id)->event.kind, PVS_INLINE);
    }
    struct pvs_stats stats;
    pvs_get_stats(rig.core, &stats);
    CHECK_EQ(stats.processes, 0);
    rig_close();
}

/* ---- lanes and workers ----------------------------------------------------------------------------- */

static void a_lane_runs_no_more_than_its_limit(void)
{
    rig_open(4);
    CHECK_EQ(pvs_set_lane(rig.core, 1, 2, 10000), 0);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    spec.lane = 1;
    for (int i = 0; i < 4; i++)
        (void)rig_submit(&spec, "!wait");
    spec.lane = 0;
    uint64_t other = rig_submit(&spec, "echo other lane");
    rig_until_notes(2);
    rig_run_to(4, 5);
    RIG_WANT(other, PVS_SUCCEEDED, 0);
    struct pvs_lane_info info;
    CHECK_EQ(pvs_lane_info(rig.core, 1, &info), 0);
    CHECK_EQ(info.running, 2);
    CHECK_EQ(pvs_set_lane(rig.core, 1, 3, 10000), 0);
    rig_until_notes(3);
    for (uint64_t id = 1; id <= 4; id++)
        CHECK_EQ(pvs_cancel(rig.core, id, pvs_now(), PVS_BY_CALLER), 0);
    rig_run();
    CHECK_EQ(pvs_lane_info(rig.core, 1, &info), 0);
    CHECK_EQ(info.running, 0);
    rig_close();
}

static uint32_t processes(void)
{
    struct pvs_stats stats;
    pvs_get_stats(rig.core, &stats);
    return stats.processes;
}

static void until_processes(uint32_t wanted)
{
    for (uint64_t until = pvs_now() + rig_seconds(10); processes() != wanted;) {
        CHECK(pvs_now() < until);
        (void)rig_step(10);
    }
}

static void workers_go_up_and_down(void)
{
    rig_open(1);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    for (int i = 0; i < 8; i++)
        (void)rig_submit(&spec, "!wait");
    rig_until_notes(1);
    CHECK_EQ(pvs_set_workers(rig.core, 6), 0);
    rig_until_notes(6);
    CHECK_EQ(pvs_set_workers(rig.core, 2), 0);
    CHECK_EQ(pvs_set_workers(rig.core, 17), -EINVAL);
    for (int i = 0; i < 5; i++)
        (void)rig_step(5);
    CHECK_EQ(rig.live, 8); /* lowering kills nothing */
    for (uint64_t id = 1; id <= 8; id++)
        CHECK_EQ(pvs_cancel(rig.core, id, pvs_now(), PVS_BY_CALLER), 0);
    rig_run();
    CHECK_EQ(pvs_set_workers(rig.core, 6), 0);
    for (int i = 0; i < 6; i++)
        (void)rig_submit(&spec, "sleep 50");
    rig_run();
    CHECK_EQ(processes(), 6);
    CHECK_EQ(pvs_set_workers(rig.core, 1), 0);
    until_processes(1); /* idle ones leave */
    rig_close();
}

/* Those that were busy when the number fell leave when they are idle. */
static void surplus_workers_leave_when_they_are_done(void)
{
    rig_open(4);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    for (int i = 0; i < 4; i++)
        (void)rig_submit(&spec, "sleep 60");
    while (processes() < 4)
        (void)rig_step(5);
    CHECK_EQ(pvs_set_workers(rig.core, 1), 0);
    rig_run();
    until_processes(1);
    rig_close();
}

/* ---- keepers --------------------------------------------------------------------------------------- */

static pid_t keeper_pid(void)
{
    while (rig.core->keepers[rig.keeper].pid == 0)
        (void)rig_step(10);
    return rig.core->keepers[rig.keeper].pid;
}

static void a_keeper_that_is_killed_is_replaced(void)
{
    rig_open(2);
    rig.keeper_may_die = 1;
    struct pvs_spec spec = rig_spec(PVS_POOL);
    uint64_t a = rig_submit(&spec, "!wait"), b = rig_submit(&spec, "!wait"), c = rig_submit(&spec, "echo c");
    rig_until_notes(2);
    CHECK_EQ(kill(keeper_pid(), SIGKILL), 0);
    rig_run_to(1, 5);
    RIG_WANT(a, PVS_FAILED, PVS_R_WORKER_DIED);
    RIG_WANT(b, PVS_FAILED, PVS_R_WORKER_DIED);
    CHECK_EQ(rig.keeper_deaths, 1);
    CHECK_EQ(rig_state(c), PVS_ST_QUEUED);
    CHECK_EQ(pvs_replace_keeper(rig.core, (uint32_t)rig.keeper, rig_fork_keeper()), 0);
    rig_run();
    RIG_WANT(c, PVS_SUCCEEDED, 0);
    rig_close();
}

/* What waits for a keeper that is gone does not hold up what waits for another. */
static void one_dead_keeper_does_not_stop_the_others(void)
{
    rig_open(2);
    rig.keeper_may_die = 1;
    struct pvs_spec spec = rig_spec(PVS_POOL);
    int other = pvs_attach_keeper(rig.core, rig_fork_keeper());
    CHECK_EQ(other, 1);
    CHECK_EQ(kill(keeper_pid(), SIGKILL), 0);
    while (!rig.keeper_deaths)
        (void)rig_step(10);
    uint64_t stuck = rig_submit(&spec, "echo one");
    spec.keeper = 1;
    uint64_t free = rig_submit(&spec, "echo two");
    rig_run_to(1, 5);
    RIG_WANT(free, PVS_SUCCEEDED, 0);
    CHECK_EQ(pvs_cancel(rig.core, stuck, pvs_now(), PVS_BY_CALLER), 0);
    rig_run();
    rig_close();
}

static void a_retired_keeper_leaves_when_its_tasks_have_ended(void)
{
    rig_open(2);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    uint64_t old = rig_submit(&spec, "sleep 50"), queued = rig_submit(&spec, "echo also");
    (void)rig_step(10);
    CHECK_EQ(pvs_attach_keeper(rig.core, rig_fork_keeper()), 1);
    CHECK_EQ(pvs_retire_keeper(rig.core, 0), 0);
    CHECK_EQ(pvs_submit(rig.core, &spec, pvs_now(), "x", 1, NULL, 0), -EINVAL);
    spec.keeper = 1;
    uint64_t fresh = rig_submit(&spec, "echo new");
    rig_run();
    RIG_WANT(old, PVS_SUCCEEDED, 0);
    RIG_WANT(queued, PVS_SUCCEEDED, 0);
    RIG_WANT(fresh, PVS_SUCCEEDED, 0);
    for (int i = 0; rig.core->keepers[0].used && i < 500; i++)
        (void)rig_step(10);
    CHECK_EQ(rig.core->keepers[0].used, 0);
    (void)rig_step(0);
    CHECK_EQ(rig.deaths, 0); /* its idle workers left as they should: nobody is told that they died */
    CHECK_EQ(rig.keeper_deaths, 0);
    CHECK_EQ(pvs_attach_keeper(rig.core, rig_fork_keeper()), 0); /* its number is free again */
    rig_close();
}

/* ---- descriptors ----------------------------------------------------------------------------------- */

static int file_with(const char *text)
{
    int ends[2];

    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQ(write(ends[1], text, strlen(text)), (long long)strlen(text));
    (void)close(ends[1]);
    return ends[0];
}

static void lent_descriptors_arrive_and_are_closed_once(void)
{
    for (int kind = PVS_FORK; kind <= PVS_EXEC; kind++) {
        rig_open(2);
        struct pvs_spec spec = rig_spec(kind);
        int fds[16];
        for (int i = 0; i < 3; i++)
            fds[i] = file_with(i == 0 ? "one " : i == 1 ? "two " : "three");
        for (int round = 0; round < 4; round++) { /* the first reads all, the others find the end */
            int before = rig_count_fds();
            uint64_t id;
            if (kind == PVS_EXEC)
                id = rig_exec_with(&spec, (const char *const[]){"/bin/sh", "-c", "cat <&4 <&4; cat <&5; cat <&6", NULL},
                                   "", fds, 3);
            else
                id = rig_submit_bytes(&spec, "lent", 4, fds, 3);
            CHECK_EQ(rig_count_fds(), before + 3);
            rig_run();
            const char *got = kind == PVS_EXEC ? rig_ending(id)->out : rig_ending(id)->body;
            CHECK_EQ(strcmp(got, round ? "" : "one two three"), 0);
        }
        spec.exec_bytes = 4; /* for EXEC */
        uint64_t cancelled = rig_submit_bytes(&spec, "lent", 4, fds, 3);
        CHECK_EQ(pvs_cancel(rig.core, cancelled, pvs_now(), PVS_BY_CALLER), 0);
        rig_run();
        for (int i = 0; i < 3; i++)
            CHECK_EQ(close(fds[i]), 0); /* ours were never touched */
        rig_close();
    }
}

/* A pool worker has the same descriptors after a task that was lent some as before it. */
static void a_pool_worker_keeps_no_lent_descriptor(void)
{
    rig_open(1);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    int fds[16];
    uint64_t before = rig_submit(&spec, "fds");
    rig_run();
    for (int i = 0; i < 16; i++)
        fds[i] = file_with("x");
    for (int round = 0; round < 20; round++) {
        (void)rig_submit_bytes(&spec, "echo", 4, fds, 16);
        rig_run();
    }
    uint64_t after = rig_submit(&spec, "fds");
    rig_run();
    CHECK_EQ(strcmp(rig_ending(before)->body, rig_ending(after)->body), 0);
    CHECK_EQ(strcmp(rig_ending(after)->body, "0 1 2 3 "), 0);
    CHECK_EQ(rig_ending(before)->event.pid, rig_ending(after)->event.pid);
    channel_close_all(fds, 16);
    rig_close();
}

/* ---- the rest -------------------------------------------------------------------------------------- */

static void closing_with_tasks_running_leaves_nothing(void)
{
    rig_open(4);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    int fd = file_with("x");
    (void)rig_submit(&spec, "!ignore");
    (void)rig_submit(&spec, "!daemon");
    (void)rig_submit_bytes(&spec, "!wait", 5, &fd, 1);
    (void)rig_shell(&spec, "trap '' TERM; setsid sleep 100 & sleep 100");
    for (int i = 0; i < 10; i++)
        (void)rig_submit_bytes(&spec, "!wait", 5, &fd, 1);
    rig_until_notes(3);
    (void)close(fd);
    rig_close();
}

static void started_is_told_once_before_the_end(void)
{
    rig_open(2);
    pvs_want_started(rig.core, 1);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    for (int i = 0; i < 300; i++)
        (void)rig_submit(&spec, "echo x");
    spec.kind = PVS_FORK;
    uint64_t forked = rig_submit(&spec, "exit 1");
    uint64_t program = rig_shell(&spec, "exit 0");
    rig_run();
    for (uint64_t id = 1; id <= program; id++)
        CHECK_EQ(rig.tasks[id - 1].starts, 1);
    CHECK_EQ(forked + 1, program);
    rig_close();
}

static void notes_arrive_in_order_before_the_end(void)
{
    rig_open(2);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    (void)rig_submit(&spec, "notes 1000");
    (void)rig_submit(&spec, "notes 1000");
    rig_run();
    CHECK_EQ(rig.notes, 2000);
    rig_close();
}

/* Workers that write notes for ever fill every step's room. All else goes on. */
static void floods_of_notes_starve_nobody(void)
{
    rig_open(8);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    uint64_t floods[4];
    for (int i = 0; i < 4; i++)
        floods[i] = rig_submit(&spec, "!flood");
    rig_until_notes(1000);
    for (int i = 0; i < 20; i++) {
        (void)rig_submit(&spec, "echo among floods");
        (void)rig_submit(&spec, "exit 1");
        (void)rig_shell(&spec, "exit 0");
    }
    rig_run_to(4, 20);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pvs_cancel(rig.core, floods[i], pvs_now(), PVS_BY_CALLER), 0);
    rig_run();
    rig_close();
}

/* Nothing to do: no wake-up. The spare and the pool worker sleep too, and the timer is not armed. */
static void idle_means_no_wakeups(void)
{
    rig_open(2);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    spec.timeout_ns = 60000000000u;
    for (int i = 0; i < 50; i++)
        (void)rig_submit(&spec, "echo x");
    spec.kind = PVS_FORK;
    (void)rig_submit(&spec, "echo y");
    rig_run();
    for (int i = 0; i < 30; i++) /* the fork's exit, the spare's birth */
        (void)rig_step(20);
    uint32_t woken = 0;
    for (int i = 0; i < 10; i++)
        woken += pvs_wait(rig.core, 50) != 0;
    CHECK_EQ(woken, 0);
    CHECK_EQ(rig.core->armed, 0);
    rig_close();
}

static void survivors_survive_the_end_and_the_close(void)
{
    rig_open(2);
    struct pvs_spec spec = rig_spec(PVS_FORK);
    pid_t pids[32];
    spec.flags = PVS_SURVIVE;
    uint64_t worker = rig_submit(&spec, "daemons 2"), program = rig_shell(&spec, "setsid sleep 1000 & exit 0");
    rig_run();
    RIG_WANT(worker, PVS_SUCCEEDED, 0);
    RIG_WANT(program, PVS_SUCCEEDED, 0);
    spec.flags = 0;
    for (int i = 0; i < 10; i++) { /* others' ends sweep what is left of them, and only that */
        spec.kind = PVS_FORK;
        (void)rig_submit(&spec, "daemons 1");
        (void)rig_shell(&spec, "setsid sleep 1000 & exit 0");
        rig_run();
    }
    pvs_close(rig.core, 3000);
    long left = 0;
    /* workers that got their EOF may still be on their way out */
    for (uint64_t until = pvs_now() + rig_seconds(2); pvs_now() < until; rig_nap(10)) {
        left = kill_children(getpid(), pids, 32);
        if (left == 3)
            break;
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
    }
    CHECK_EQ(left, 3);
    for (long i = 0; i < left; i++) {
        siginfo_t info = {0};
        CHECK_EQ(waitid(P_PID, (id_t)pids[i], &info, WEXITED | WNOHANG | WNOWAIT), 0);
        CHECK_EQ(info.si_pid, 0); /* alive */
        CHECK_EQ(kill(pids[i], SIGKILL), 0);
    }
    rig_no_child_left();
    CHECK_EQ(rig_count_fds(), rig.fds_before);
}

static void what_cannot_be_taken_is_refused(void)
{
    struct pvs_settings set = {.workers = 1, .capacity = 4, .payload_bytes = 4096};
    char text[8000] = "";
    rig_open_with(&set);
    struct pvs_spec good = rig_spec(PVS_POOL), spec = good;
    CHECK_EQ(pvs_submit(rig.core, &good, 1, text, sizeof(text), NULL, 0), -EFBIG);
    spec.priority = 10;
    CHECK_EQ(pvs_submit(rig.core, &spec, 1, text, 1, NULL, 0), -EINVAL);
    spec = good, spec.lane = 64;
    CHECK_EQ(pvs_submit(rig.core, &spec, 1, text, 1, NULL, 0), -EINVAL);
    spec = good, spec.keeper = 3;
    CHECK_EQ(pvs_submit(rig.core, &spec, 1, text, 1, NULL, 0), -EINVAL);
    spec = good, spec.kind = PVS_EXEC, spec.exec_bytes = 2;
    CHECK_EQ(pvs_submit(rig.core, &spec, 1, text, 1, NULL, 0), -EINVAL);
    CHECK_EQ(pvs_submit(rig.core, &good, 1, text, 1, (int[]){999}, 1), -EBADF);
    good.flags = PVS_HOLD;
    uint64_t ids[4];
    for (int i = 0; i < 4; i++)
        ids[i] = rig_submit(&good, "echo");
    CHECK_EQ(pvs_submit(rig.core, &good, 1, text, 1, NULL, 0), -ENOBUFS);
    CHECK_EQ(pvs_step(rig.core, 1, NULL, 63), -EINVAL);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pvs_cancel(rig.core, ids[i], 1, PVS_BY_CALLER), 0);
    rig_run();
    rig_close();
}

/* Sizes that wrap where a size has 32 bits would give less memory than the core believes it has. */
static void what_cannot_be_mapped_is_refused(void)
{
    struct pvs_settings all[] = {{.payload_bytes = UINT64_C(1) << 62},
                                 {.capacity = 1u << 26, .payload_bytes = 4096},
                                 {.max_workers = 1024, .buffer_bytes = 1u << 26}};

    for (int i = 0; i < 3; i++) {
        pvs_core *core = NULL;
        if (i > 0 && sizeof(size_t) > 4)
            break; /* there they can be had, if not filled */
        CHECK_EQ(pvs_open(&core, &all[i]), -EINVAL);
        CHECK(core == NULL);
    }
}

/* Once, then never again; and not at all if it was taken back. */
static void the_caller_can_have_itself_woken(void)
{
    struct pvs_settings set = {.workers = 0};
    struct pvs_event events[PVS_MIN_EVENTS];
    struct pollfd ready = {0, POLLIN, 0};
    pvs_core *core = NULL;

    CHECK_EQ(pvs_open(&core, &set), 0);
    ready.fd = pvs_fileno(core);
    CHECK_EQ(poll(&ready, 1, 0), 0);
    pvs_wake_at(core, pvs_now() + 20000000);
    CHECK_EQ(poll(&ready, 1, 10000), 1);
    CHECK_EQ(pvs_step(core, pvs_now(), events, PVS_MIN_EVENTS), 0);
    CHECK_EQ(poll(&ready, 1, 50), 0);
    pvs_wake_at(core, pvs_now() + 50000000);
    pvs_wake_at(core, 0);
    CHECK_EQ(poll(&ready, 1, 100), 0);
    pvs_close(core, 0);
}

int main(void)
{
    RUN(what_cannot_be_mapped_is_refused);
    RUN(each_end_of_a_worker_has_its_reason);
    RUN(programs_have_output_result_and_status);
    RUN(output_is_cut_and_a_result_is_not);
    RUN(payloads_and_results_of_every_size_arrive);
    RUN(a_deadline_kills_at_once_or_with_grace);
    RUN(cancel_waits_for_the_grace_and_a_second_does_not);
    RUN(cancel_hurries_a_graceful_deadline);
    RUN(what_waits_too_long_expires);
    RUN(held_tasks_wait_for_release_and_can_be_finished);
    RUN(inline_and_thread_tasks_are_the_callers);
    RUN(what_runs_is_known_without_looking_through_what_waits);
    RUN(a_thread_that_overran_leaves_a_clean_place);
    RUN(without_workers_all_is_inline);
    RUN(a_lane_runs_no_more_than_its_limit);
    RUN(workers_go_up_and_down);
    RUN(surplus_workers_leave_when_they_are_done);
    RUN(a_keeper_that_is_killed_is_replaced);
    RUN(one_dead_keeper_does_not_stop_the_others);
    RUN(a_retired_keeper_leaves_when_its_tasks_have_ended);
    RUN(lent_descriptors_arrive_and_are_closed_once);
    RUN(a_pool_worker_keeps_no_lent_descriptor);
    RUN(closing_with_tasks_running_leaves_nothing);
    RUN(started_is_told_once_before_the_end);
    RUN(notes_arrive_in_order_before_the_end);
    RUN(floods_of_notes_starve_nobody);
    RUN(idle_means_no_wakeups);
    RUN(the_caller_can_have_itself_woken);
    RIG_RUN_WITH(rig_is_subreaper(), "PR_SET_CHILD_SUBREAPER", survivors_survive_the_end_and_the_close);
    RUN(what_cannot_be_taken_is_refused);
    return 0;
}
