/* The n-th call of each system call fails with each errno that can happen, in the supervisor, in the keeper and in the
 * workers: every accepted task still ends exactly once, in time, nothing is left open, nobody is left alive.
 * slow: plain sanitized
 * links: all
 * flags: -Itests/c/seam */
#define SEAM_MAIN
#include <sys.h>

#include "rig.h"

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

static int fd_of_cat;

/* A bit of everything. Refused submits are no tasks. */
static void submit_if_taken(const struct pvs_spec *spec, const char *text, size_t length, const int *fds, uint32_t nfds)
{
    int64_t id = pvs_submit(rig.core, spec, pvs_now(), text, length, fds, nfds);

    CHECK(id > 0 || id == -EMFILE || id == -ENOMEM);
    if (id <= 0)
        return;
    rig.tasks[id - 1].id = (uint64_t)id;
    rig.live++;
}

static void submit_program(const struct pvs_spec *like, const char *script, const char *input)
{
    static char block[12000];
    struct pvs_spec spec = *like;
    uint32_t count[3] = {3, 0, 0};
    size_t length = sizeof(count);

    memcpy(block, count, sizeof(count));
    for (int i = 0; i < 3; i++) {
        const char *word = i == 0 ? "/bin/sh" : i == 1 ? "-c" : script;
        memcpy(block + length, word, strlen(word) + 1);
        length += strlen(word) + 1;
    }
    spec.kind = PVS_EXEC;
    spec.exec_bytes = (uint32_t)length;
    memcpy(block + length, input, strlen(input));
    submit_if_taken(&spec, block, length + strlen(input), &fd_of_cat, 1);
}

static void submit_all(void)
{
    struct pvs_spec spec = rig_spec(PVS_POOL);

    spec.timeout_ns = 300000000u; /* whatever hangs ends here */
    for (int i = 0; i < 6; i++)
        submit_if_taken(&spec, "echo pool", 9, NULL, 0);
    submit_if_taken(&spec, "lent", 4, &fd_of_cat, 1);
    submit_if_taken(&spec, "big 70000", 9, NULL, 0);
    submit_if_taken(&spec, "notes 5", 7, NULL, 0);
    submit_if_taken(&spec, "daemons 1", 9, NULL, 0);
    spec.kind = PVS_FORK;
    submit_if_taken(&spec, "echo fork", 9, NULL, 0);
    submit_if_taken(&spec, "signal 9", 8, NULL, 0);
    spec.limit_files = 64;
    submit_if_taken(&spec, "lent", 4, &fd_of_cat, 1);
    spec.limit_files = 0;
    submit_program(&spec, "echo out", "");
    submit_program(&spec, "cat >&3; setsid sleep 50 & exit 0", "a result");
    spec.timeout_ns = 20000000u;
    spec.grace_ns = 20000000u;
    submit_if_taken(&spec, "!wait", 5, NULL, 0);
    spec.flags = PVS_GRACEFUL;
    submit_if_taken(&spec, "!ignore", 7, NULL, 0);
}

/* A keeper that could not start, or died, is replaced: that is the host's part. */
static void mend(void)
{
    if (rig.core->keepers[0].dead && rig.keeper_deaths) {
        seam_rest();
        CHECK_EQ(pvs_replace_keeper(rig.core, 0, rig_fork_keeper()), 0);
    }
}

static uint64_t run_mended(void)
{
    uint64_t from = pvs_now();

    while (rig.live) {
        uint64_t took = pvs_now() - from;
        if (took > 9000000000u)
            return took;
        int n = pvs_wait(rig.core, 20);
        CHECK(n >= 0 || n == -EINTR);
        (void)rig_step(0);
        mend();
    }
    return pvs_now() - from;
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
        submit_all();
        uint64_t took = run_mended();
        if (rig.live)
            for (uint32_t i = 0; i < RIG_TASKS; i++)
                if (rig.tasks[i].id && !rig.tasks[i].ends)
                    fprintf(stderr, "task %u is in state %d\n", i + 1, rig_state(i + 1));
        CHECK_EQ(rig.live, 0);
        CHECK(took < 9000000000u);
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

/* Every n takes minutes (PVSCHED_SCALE=100): a fast run takes the first ones and then ever larger steps. */
static long next_of(long n)
{
    return n + 1 + n * 150 / (long)rig_scale(100);
}

static void each_single_failure(int who)
{
    char text[128];
    uint32_t runs = 0;

    count_calls(who);
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        int call = failures[i].call;
        for (int k = 0; k < 5 && failures[i].errors[k]; k++) {
            long n = 1;
            for (; n <= counted[call]; n = next_of(n)) {
                snprintf(text, sizeof(text), "%s %ld fails with %s, in %s", seam_names[call], n,
                         strerrorname_np(failures[i].errors[k]),
                         who == SEAM_SUPERVISOR ? "the supervisor" : "the others");
                check_case = text;
                if (getenv("PVS_TALK"))
                    printf("%s\n", text), fflush(stdout);
                (void)one_failure(call, n, failures[i].errors[k], 0, who);
                runs++;
            }
        }
    }
    printf("%u runs\n", runs);
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
    fd_of_cat = open("/dev/null", O_RDONLY | O_CLOEXEC);
    RUN(for_ever_too);
    RUN(in_the_supervisor);
    RUN(in_the_keeper_and_the_workers);
    return 0;
}
