/* The n-th call of each system call fails with each errno that can happen, in the supervisor, in the keeper and in the
 * workers: every accepted task still ends exactly once, in time, nothing is left open, nobody is left alive.
 * slow: plain sanitized
 * links: all
 * flags: -Itests/c/seam */
#define SEAM_MAIN
#include <sys.h>

#include "cycle.h"

/* What the kernel may say, besides the descriptors and arguments that are ours to get right. */
static const struct {
    int call, errors[5];
} failures[] = {
    {SEAM_malloc, {ENOMEM}},
    {SEAM_mmap, {ENOMEM}},
    {SEAM_close, {EINTR, EIO}},
    {SEAM_read, {EINTR, EAGAIN}},
    {SEAM_write, {EINTR, ENOSPC}},
    {SEAM_recv, {EINTR, ENOMEM, ECONNRESET}},
    {SEAM_send, {EINTR, ENOMEM, EPIPE}},
    {SEAM_recvmsg, {EINTR, ENOMEM}},
    {SEAM_sendmsg, {EINTR, EAGAIN, ENOMEM, ENOBUFS, ETOOMANYREFS}},
    {SEAM_socketpair, {EMFILE, ENFILE, ENOMEM}},
    {SEAM_pipe2, {EMFILE, ENFILE}},
    {SEAM_shutdown, {ENOTCONN}},
    {SEAM_dup, {EMFILE}},
    {SEAM_dup2, {EINTR, EMFILE}},
    {SEAM_nonblock, {EINVAL}},
    {SEAM_memfd, {EMFILE, ENOMEM, ENOSYS}},
    {SEAM_open, {EMFILE, ENOENT, EACCES}},
    {SEAM_ftruncate, {EINTR, ENOSPC}},
    {SEAM_lseek, {EINVAL}},
    {SEAM_epoll_create, {EMFILE, ENOMEM}},
    {SEAM_epoll_ctl, {ENOMEM, ENOSPC}},
    {SEAM_epoll_wait, {EINTR}},
    {SEAM_eventfd, {EMFILE, ENOMEM}},
    {SEAM_timerfd, {EMFILE, ENOMEM}},
    {SEAM_timerfd_settime, {EINVAL}},
    {SEAM_signalfd, {EMFILE, ENOMEM}},
    {SEAM_poll, {EINTR, ENOMEM}},
    {SEAM_fork, {EAGAIN, ENOMEM}},
    {SEAM_clone, {EAGAIN, ENOMEM}},
    {SEAM_execve, {ENOMEM, ETXTBSY}},
    {SEAM_kill, {EPERM, ESRCH}},
    {SEAM_waitpid, {EINTR, ECHILD}},
    {SEAM_waitid, {EINTR, ECHILD}},
    {SEAM_pidfd_open, {EMFILE, ENOSYS}},
    {SEAM_pidfd_kill, {EPERM, ENOSYS}},
    {SEAM_close_range, {ENOSYS, EPERM}},
    {SEAM_prctl, {EPERM}},
    {SEAM_setsid, {EPERM}},
    {SEAM_setrlimit, {EPERM}},
};

/* A bit of everything. No timeout helps what can end by itself, so a report that is lost shows; but a kill that is refused is not
 * repeated: it is of a child that is not reaped yet, and can only fail for one that has become another user's. */
static void submit_all(int failing)
{
    struct pvs_spec spec = rig_spec(PVS_POOL);

    spec.timeout_ns = failing == SEAM_kill ? 300000000u : 0;
    for (int i = 0; i < 6; i++)
        cycle_submit(&spec, "echo pool", 9, NULL, 0);
    cycle_submit(&spec, "lent", 4, &cycle_fd, 1);
    cycle_submit(&spec, "big 70000", 9, NULL, 0);
    cycle_submit(&spec, "notes 5", 7, NULL, 0);
    cycle_submit(&spec, "daemons 1", 9, NULL, 0);
    spec.kind = PVS_FORK;
    cycle_submit(&spec, "echo fork", 9, NULL, 0);
    cycle_submit(&spec, "signal 9", 8, NULL, 0);
    spec.limit_files = 64;
    cycle_submit(&spec, "lent", 4, &cycle_fd, 1);
    spec.limit_files = 0;
    cycle_program(&spec, "echo out", "");
    cycle_program(&spec, "cat >&3; setsid sleep 50 & exit 0", "a result");
    spec.timeout_ns = 20000000u;
    spec.grace_ns = 20000000u;
    cycle_submit(&spec, "!wait", 5, NULL, 0);
    spec.flags = PVS_GRACEFUL;
    cycle_submit(&spec, "!ignore", 7, NULL, 0);
}

/* 1: the call was made and failed. */
static int one_failure(int call, long at, int error, int for_ever, int who)
{
    struct pvs_settings set = {.workers = 2, .policy = PVS_FIFO, .buffer_bytes = 4096};

    memset(&rig, 0, sizeof(rig));
    rig.keeper_may_die = 1;
    rig.strays = call == SEAM_prctl;
    rig.fds_before = rig_count_fds();
    seam_arm(call, at, error, for_ever, who);
    int e = pvs_open(&rig.core, &set);
    if (e < 0) {
        CHECK_EQ(e, call == SEAM_malloc || call == SEAM_mmap ? -ENOMEM : -error);
        CHECK_EQ(rig_count_fds(), rig.fds_before);
        seam_rest();
        return 1;
    }
    atomic_store(&seam->counting, 0);
    int fd = rig_fork_keeper();
    atomic_store(&seam->counting, 1);
    e = pvs_attach_keeper(rig.core, fd);
    if (e < 0) {
        (void)close(fd);
        pvs_close(rig.core, 1000);
    } else {
        submit_all(call);
        cycle_run_all();
        seam_rest();
        pvs_close(rig.core, 3000);
    }
    seam_rest();
    rig_no_child_left();
    CHECK_EQ(rig_count_fds(), rig.fds_before);
    return atomic_load(&seam->hits) > 0;
}

static long counted[SEAM_COUNT];

static void count_calls(int who)
{
    CHECK_EQ(one_failure(0, 0, 0, 0, who), 0);
    for (int i = 0; i < SEAM_COUNT; i++)
        counted[i] = atomic_load(&seam->count[i]);
}

/* All of them; a part of them (PVSCHED_SCALE below 1) where a machine is slow. */
static int is_left_out(uint32_t number)
{
    return number % 100 >= rig_scale(100);
}

static uint32_t cases, runs, hits;

static void one_case(int call, long at, int error, int for_ever, int who)
{
    char text[128];

    if (!share_is_mine(cases++) || is_left_out(cases / SHARES))
        return;
    snprintf(text, sizeof(text), "%s %ld fails with %s%s, in %s", seam_names[call], at, strerrorname_np(error),
             for_ever ? " for ever" : "", who == SEAM_SUPERVISOR ? "the supervisor" : "the others");
    check_case = text;
    if (getenv("PVS_TALK"))
        printf("%s\n", text), fflush(stdout);
    hits += (uint32_t)one_failure(call, at, error, for_ever, who);
    runs++;
}

static void each_single_failure(int who)
{
    cases = runs = hits = 0;
    count_calls(who);
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        int call = failures[i].call;
        for (int k = 0; k < 5 && failures[i].errors[k]; k++)
            for (long n = 1; n <= counted[call]; n++)
                one_case(call, n, failures[i].errors[k], 0, who);
        for (long n = 1; n <= counted[call] && (call == SEAM_malloc || call == SEAM_mmap); n++)
            one_case(call, n, ENOMEM, 1, who); /* memory that has run out does so for ever */
    }
    printf("%u runs, %u failures met\n", runs, hits);
    CHECK(hits >= runs * 3 / 4); /* two cycles are not quite the same */
}

static void in_the_supervisor(void)
{
    each_single_failure(SEAM_SUPERVISOR);
}

static void in_the_keeper_and_the_workers(void)
{
    each_single_failure(SEAM_OTHERS);
}

/* What a kernel lacks, it lacks every time. */
static void for_ever_too(void)
{
    static const int calls[][2] = {{SEAM_pidfd_open, ENOSYS}, {SEAM_pidfd_kill, ENOSYS}, {SEAM_close_range, ENOSYS},
                                   {SEAM_fork, EAGAIN},       {SEAM_clone, EAGAIN},      {SEAM_pipe2, EMFILE},
                                   {SEAM_socketpair, EMFILE}, {SEAM_memfd, ENOSYS}};

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        check_case = seam_names[calls[i][0]];
        (void)one_failure(calls[i][0], 1, calls[i][1], 1, SEAM_ALL);
    }
}

int main(void)
{
    seam_open();
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    cycle_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    RUN(for_ever_too);
    check_case = "in shares";
    share_out(in_the_supervisor, cycle_prepare);
    share_out(in_the_keeper_and_the_workers, cycle_prepare);
    return 0;
}
