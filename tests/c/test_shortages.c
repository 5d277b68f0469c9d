/* What a machine lacks for a while, a hundred times each on one core: descriptors, memory, processes. Whatever was refused ended
 * explicitly, and as soon as the shortage is over everything runs again; nothing has become less after a hundred of them.
 * slow: plain sanitized
 * links: all
 * flags: -Itests/c/seam */
#define SEAM_MAIN
#include <sys.h>

#include "cycle.h"

#define TIMES 100u

static const struct shortage {
    int call, error;
} shortages[] = {
    {SEAM_socketpair, EMFILE}, {SEAM_socketpair, ENFILE}, {SEAM_pipe2, EMFILE},   {SEAM_pipe2, ENFILE},
    {SEAM_memfd, EMFILE},      {SEAM_memfd, ENFILE},      {SEAM_dup, EMFILE},     {SEAM_pidfd_open, EMFILE},
    {SEAM_fork, EAGAIN},       {SEAM_fork, ENOMEM},       {SEAM_clone, EAGAIN},   {SEAM_clone, ENOMEM},
    {SEAM_malloc, ENOMEM},     {SEAM_execve, ENOMEM},     {SEAM_sendmsg, ENOMEM}, {SEAM_recvmsg, ENOMEM},
};

static uint64_t submit_three(uint64_t *forked, uint64_t *program)
{
    struct pvs_spec spec = rig_spec(PVS_POOL);
    uint64_t pool = rig_submit(&spec, "exit 3"); /* so the next one needs a new worker */

    spec.kind = PVS_FORK;
    *forked = rig_submit(&spec, "echo x");
    *program = rig_shell(&spec, "exit 0");
    return pool;
}

static void explicit(uint64_t id)
{
    const struct pvs_event *e = &rig_ending(id)->event;

    CHECK(e->outcome == PVS_SUCCEEDED || (e->outcome == PVS_FAILED && e->reason != 0));
}

static uint32_t open_fds(void)
{
    return (uint32_t)rig_count_fds();
}

/* The whole cycle lacks it once (the n-th time in turn), the next one nothing. */
static uint32_t lack(const struct shortage *s, uint32_t round)
{
    uint64_t forked, program;

    seam_arm(s->call, 1 + (long)(round % 3), s->error, 0, SEAM_ALL);
    uint64_t pool = submit_three(&forked, &program);
    cycle_run_all();
    seam_rest();
    explicit(pool);
    explicit(forked);
    explicit(program);
    uint32_t hits = (uint32_t)atomic_load(&seam->hits);
    cycle_mend();
    pool = submit_three(&forked, &program);
    cycle_run_all();
    RIG_WANT(pool, PVS_FAILED, PVS_R_EXIT_STATUS);
    RIG_WANT(forked, PVS_SUCCEEDED, 0);
    RIG_WANT(program, PVS_SUCCEEDED, 0);
    return hits;
}

static void each_a_hundred_times(void)
{
    for (uint32_t i = 0; i < sizeof(shortages) / sizeof(shortages[0]); i++) {
        uint32_t hits = 0, fds = 0, times = rig_scale(TIMES);
        if (!share_is_mine(i))
            continue;
        check_case = seam_names[shortages[i].call];
        rig_open(2);
        rig.keeper_may_die = 1;
        for (uint32_t round = 0; hits < times; round++) {
            CHECK(round < 10 * times);
            hits += lack(&shortages[i], round);
            if (round == 5)
                fds = open_fds();
        }
        printf("%s: %s met %u times, %u keepers lost\n", check_case, strerrorname_np(shortages[i].error), hits,
               rig.keeper_deaths);
        CHECK(times < 6 || open_fds() <= fds + 4); /* a spare or a worker more */
        rig_close();
    }
}

int main(void)
{
    seam_open();
    cycle_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    check_case = "in shares";
    share_out(each_a_hundred_times, cycle_prepare);
    return 0;
}
