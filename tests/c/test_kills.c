/* SIGKILL at every system call of one whole cycle, to the supervisor and to the keeper: with the supervisor all goes, and nothing is
 * left; with the keeper every task still ends once, its successor serves, and nothing is left either.
 * slow: plain sanitized
 * links: all
 * flags: -Itests/c/seam */
#define SEAM_MAIN
#include <sys.h>

#include "cycle.h"

static void submit_all(void)
{
    struct pvs_spec spec = rig_spec(PVS_POOL);

    cycle_submit(&spec, "echo pool", 9, NULL, 0);
    cycle_submit(&spec, "lent", 4, &cycle_fd, 1);
    cycle_submit(&spec, "big 70000", 9, NULL, 0);
    spec.kind = PVS_FORK;
    cycle_submit(&spec, "echo fork", 9, NULL, 0);
    cycle_submit(&spec, "signal 9", 8, NULL, 0);
    cycle_program(&spec, "cat >&3", "a result");
    spec.timeout_ns = 20000000u;
    cycle_submit(&spec, "!stop", 5, NULL, 0);
    cycle_program(&spec, "exec sleep 50", "");
    spec.flags = PVS_GRACEFUL;
    spec.grace_ns = 20000000u;
    cycle_submit(&spec, "!ignore", 7, NULL, 0);
}

/* ---- the supervisor -------------------------------------------------------------------------------------------------- */

static void live_and_die(void)
{
    seam->supervisor = (int)getpid();
    rig_open(2);
    submit_all();
    cycle_run_all();
    pvs_close(rig.core, 3000);
    _exit(0);
}

/* A whole life in a child of ours, to which all that it leaves comes. 1: it was killed. */
static int supervisor_killed_at(long at)
{
    int status;

    memset(&rig, 0, sizeof(rig));
    rig.fds_before = rig_count_fds();
    seam_arm_kill(at, SEAM_SUPERVISOR);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        live_and_die();
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    seam_rest();
    CHECK(status == 0 || status == SIGKILL);
    rig_no_child_left(); /* the keeper has left with 0 */
    CHECK_EQ(rig_count_fds(), rig.fds_before);
    return status == SIGKILL;
}

/* ---- the keeper ------------------------------------------------------------------------------------------------------ */

static void second_round(void)
{
    struct pvs_spec spec = rig_spec(PVS_POOL);
    uint64_t pool = rig_submit(&spec, "echo pool");
    spec.kind = PVS_FORK;
    uint64_t forked = rig_submit(&spec, "echo fork"), program = rig_shell(&spec, "exit 0");

    cycle_run_all();
    RIG_WANT(pool, PVS_SUCCEEDED, 0);
    RIG_WANT(forked, PVS_SUCCEEDED, 0);
    RIG_WANT(program, PVS_SUCCEEDED, 0);
}

/* A keeper that dies before it is attached is the host's to replace. 1: this one did. */
static int attach_or_replace(void)
{
    int fd = rig_fork_keeper();
    int e = pvs_attach_keeper(rig.core, fd);

    if (e == 0)
        return 0;
    CHECK_EQ(e, -EPIPE);
    CHECK_EQ(close(fd), 0);
    seam_rest();
    CHECK_EQ(pvs_attach_keeper(rig.core, rig_fork_keeper()), 0);
    return 1;
}

static int keeper_killed_at(long at)
{
    struct pvs_settings set = {.workers = 2, .policy = PVS_FIFO, .buffer_bytes = 4096};

    memset(&rig, 0, sizeof(rig));
    rig.keeper_may_die = 1;
    rig.fds_before = rig_count_fds();
    CHECK_EQ(pvs_open(&rig.core, &set), 0);
    seam_arm_kill(at, SEAM_KEEPER);
    int killed = attach_or_replace();
    submit_all();
    cycle_run_all();
    seam_rest();
    for (int i = 0; !killed && at && atomic_load(&seam->calls) >= at && !rig.keeper_deaths; i++) {
        CHECK(i < 500); /* it was killed at the very end, and that is on its way to us */
        (void)rig_step(20);
    }
    cycle_mend();
    killed += (int)rig.keeper_deaths;
    second_round();
    rig.keeper_deaths = 0; /* nobody called setsid on its own: so nothing may outlive even this */
    rig_close();
    return killed;
}

/* ---- every place ----------------------------------------------------------------------------------------------------- */

static void at_every_call(int who, int (*killed_at)(long))
{
    static char text[64];
    uint32_t killed = 0, runs = 0;

    CHECK_EQ(killed_at(0), 0);
    long calls = atomic_load(&seam->calls);
    CHECK(calls > 50);
    for (long n = 1; n <= calls; n++) {
        if (!share_is_mine((uint32_t)n) || (uint32_t)n / SHARES % 100 >= rig_scale(100))
            continue;
        snprintf(text, sizeof(text), "%s killed at its call %ld", who == SEAM_KEEPER ? "keeper" : "supervisor", n);
        check_case = text;
        if (getenv("PVS_TALK"))
            printf("%s\n", text), fflush(stdout);
        killed += (uint32_t)killed_at(n);
        runs++;
    }
    printf("%ld calls, %u runs, killed in %u\n", calls, runs, killed);
    CHECK(killed >= runs * 3 / 4); /* two cycles are not quite the same */
}

static void the_supervisor(void)
{
    at_every_call(SEAM_SUPERVISOR, supervisor_killed_at);
}

static void the_keeper(void)
{
    at_every_call(SEAM_KEEPER, keeper_killed_at);
}

int main(void)
{
    seam_open();
    cycle_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    check_case = "in shares";
    share_out(the_supervisor, cycle_prepare);
    share_out(the_keeper, cycle_prepare);
    return 0;
}
