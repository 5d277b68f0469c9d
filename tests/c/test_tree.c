/* Bad children: whatever a task does to stay, it is dead by deadline + grace + 50 ms, has one outcome, and leaves nobody.
 * Late wake-ups of a busy machine count against the 50 ms, so only most of the rounds have to keep it.
 * tries: 2 (its children race with a busy machine's other work)
 * links: all */
#include "rig.h"

#define SOON 60000000u
#define GRACE 40000000u
#define SLACK 50000000u

static const struct {
    const char *text;
    int outcome;
} bad[] = {
    {"!daemon 3", PVS_TIMED_OUT}, {"!ignore", PVS_TIMED_OUT},   {"!stop", PVS_TIMED_OUT},
    {"!close", PVS_TIMED_OUT},    {"!flood", PVS_TIMED_OUT},    {"garbage 10", PVS_TIMED_OUT},
    {"garbage 0", PVS_FAILED},    {"!shut 0", PVS_TIMED_OUT},   {"!shut 1", PVS_TIMED_OUT},
    {"!wait", PVS_TIMED_OUT},     {"half 1000", PVS_TIMED_OUT},
};

static uint32_t late, rounds;

static void look_at(uint64_t id, int outcome, uint64_t allowed)
{
    const struct pvs_event *e = &rig_ending(id)->event;
    uint64_t took = e->ended_ns - e->started_ns;

    CHECK(e->outcome == outcome ||
          (outcome == PVS_FAILED && e->outcome == PVS_TIMED_OUT)); /* had it time to misbehave? */
    rounds++;
    late += took > allowed + SLACK;
    CHECK(took < allowed + rig_seconds(3));
}

static void every_bad_worker_is_dead_in_time(void)
{
    for (uint32_t round = 0; round < rig_scale(4); round++) {
        for (int kind = PVS_FORK; kind <= PVS_POOL; kind++) {
            rig_open(4);
            struct pvs_spec spec = rig_spec(kind);
            spec.timeout_ns = SOON, spec.grace_ns = GRACE;
            for (uint32_t i = 0; i < 2 * sizeof(bad) / sizeof(bad[0]); i++) {
                spec.flags = i % 2 ? PVS_GRACEFUL : 0;
                (void)rig_submit(&spec, bad[i / 2].text);
            }
            rig_run();
            for (uint32_t i = 0; i < 2 * sizeof(bad) / sizeof(bad[0]); i++)
                look_at(i + 1, bad[i / 2].outcome, SOON + (i % 2 ? GRACE : 0));
            rig_close();
        }
    }
}

static void every_bad_program_is_dead_in_time(void)
{
    static const char *const scripts[] = {
        "trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 100' & while :; do sleep 100; done",
        "kill -STOP $$; sleep 100",
        "exec 3>&- >&- 2>&-; sleep 100",
        "yes",
        "yes >&3",
        "cat /dev/zero >&2",
        "(setsid sleep 100 &) ; (sleep 100 &) ; sleep 100",
        "while :; do (setsid sleep 1 &); done", /* ever new ones */
    };

    for (uint32_t round = 0; round < rig_scale(4); round++) {
        rig_open(4);
        struct pvs_spec spec = rig_spec(PVS_EXEC);
        spec.timeout_ns = SOON, spec.grace_ns = GRACE;
        uint64_t ids[8];
        for (int i = 0; i < 8; i++)
            ids[i] = rig_shell(&spec, scripts[i]);
        rig_run();
        for (int i = 0; i < 8; i++)
            look_at(ids[i], i == 4 ? PVS_FAILED : PVS_TIMED_OUT, SOON);
        rig_close();
    }
}

/* More children than fit one look. */
static void many_strangers_are_found(void)
{
    rig_open(2);
    struct pvs_spec spec = rig_spec(PVS_FORK);
    uint64_t answers = rig_submit(&spec, "daemons 150");
    spec.timeout_ns = rig_seconds(50);
    uint64_t dies = rig_shell(&spec, "i=0; while [ $i -lt 80 ]; do setsid sleep 100 & i=$((i+1)); done; kill -9 $$");
    rig_run_to(0, 60);
    RIG_WANT(answers, PVS_SUCCEEDED, 0);
    RIG_WANT(dies, PVS_FAILED, PVS_R_WORKER_DIED);
    rig_close();
}

/* A host's other child has our end of the channel open, and lives on: the keeper must not. */
static void the_keeper_leaves_with_its_supervisor(void)
{
    int told[2];
    struct {
        pid_t keeper, other;
    } pids = {0, 0};

    CHECK_EQ(pipe2(told, O_CLOEXEC), 0);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    pid_t supervisor = fork();
    if (supervisor == 0) {
        rig_open(1);
        struct pvs_spec spec = rig_spec(PVS_FORK);
        (void)rig_submit(&spec, "!daemon 1");
        rig_until_notes(1);
        pids.other = fork();
        if (pids.other == 0) {
            (void)close(told[1]);
            do_for_ever();
        }
        pids.keeper = rig.core->keepers[0].pid;
        CHECK_EQ(write(told[1], &pids, sizeof(pids)), sizeof(pids));
        do_for_ever();
    }
    CHECK_EQ(read(told[0], &pids, sizeof(pids)), sizeof(pids));
    CHECK_EQ(kill(supervisor, SIGKILL), 0);
    CHECK_EQ(waitpid(supervisor, NULL, 0), supervisor);
    uint64_t until = pvs_now() + rig_seconds(8); /* it may take 5 s itself */
    for (; kill(pids.keeper, 0) == 0; rig_nap(5)) {
        CHECK(pvs_now() < until);
        (void)waitpid(pids.keeper, NULL, WNOHANG);
    }
    pid_t left[16]; /* one look may miss some, while others come and go */
    for (; kill_children(getpid(), left, 16) != 1 || left[0] != pids.other; rig_nap(5))
        CHECK(pvs_now() < until);
    CHECK_EQ(kill(pids.other, SIGKILL), 0);
    CHECK_EQ(waitpid(pids.other, NULL, 0), pids.other);
    channel_close_all(told, 2);
}

/* What a terminal or an init says to all is not for the keeper; and a host that ignores SIGCHLD changes nothing. */
static void the_keeper_hears_no_foreign_signal(void)
{
    rig_ignore_sigchld = 1;
    rig_open(1);
    rig_ignore_sigchld = 0;
    struct pvs_spec spec = rig_spec(PVS_POOL);
    uint64_t first = rig_submit(&spec, "exit 5");
    rig_run();
    RIG_WANT(first, PVS_FAILED, PVS_R_EXIT_STATUS);
    for (int sig = SIGHUP; sig <= SIGTERM; sig++)
        if (sig == SIGHUP || sig == SIGINT || sig == SIGQUIT || sig == SIGTERM)
            CHECK_EQ(kill(rig.core->keepers[0].pid, sig), 0);
    uint64_t second = rig_submit(&spec, "echo x");
    rig_run();
    RIG_WANT(second, PVS_SUCCEEDED, 0);
    CHECK_EQ(rig.keeper_deaths, 0);
    rig_close();
}

int main(void)
{
    RUN(every_bad_worker_is_dead_in_time);
    RUN(every_bad_program_is_dead_in_time);
    RUN(many_strangers_are_found);
    RIG_RUN_WITH(rig_is_subreaper(), "PR_SET_CHILD_SUBREAPER", the_keeper_leaves_with_its_supervisor);
    RUN(the_keeper_hears_no_foreign_signal);
    printf("%u of %u rounds later than 50 ms after their time\n", late, rounds);
    return 0;
}
