/* Two system calls fail in one run, in spawning and reaping: what copes with the first failure must cope with the second one.
 * All pairs of calls of one small cycle (a worker, a fork, a program, and their deaths) are some ten thousand runs: CI takes a
 * tenth, drawn at random, PVSCHED_SCALE=10 all of them.
 * slow: plain sanitized
 * links: all
 * flags: -Itests/c/seam */
#define SEAM_MAIN
#include <sys.h>

#include "cycle.h"

/* What spawning and reaping call, in all the processes, and what it most likely says when it fails. */
static const int failures[][2] = {
    {SEAM_malloc, ENOMEM},     {SEAM_recvmsg, ENOMEM},    {SEAM_sendmsg, EAGAIN},   {SEAM_sendmsg, ENOBUFS},
    {SEAM_socketpair, EMFILE}, {SEAM_pipe2, EMFILE},      {SEAM_memfd, EMFILE},     {SEAM_dup, EMFILE},
    {SEAM_dup2, EMFILE},       {SEAM_epoll_ctl, ENOMEM},  {SEAM_poll, ENOMEM},      {SEAM_fork, EAGAIN},
    {SEAM_clone, EAGAIN},      {SEAM_execve, ENOMEM},     {SEAM_kill, EPERM},       {SEAM_waitpid, ECHILD},
    {SEAM_waitid, ECHILD},     {SEAM_pidfd_open, EMFILE}, {SEAM_pidfd_kill, EPERM}, {SEAM_close_range, ENOSYS},
    {SEAM_prctl, EPERM},       {SEAM_setsid, EPERM},      {SEAM_read, EINTR},       {SEAM_lseek, EINVAL},
};
#define KINDS (sizeof(failures) / sizeof(failures[0]))
#define MOST_PLACES 1024

static struct place {
    int call, error;
    long at;
} places[MOST_PLACES];
static uint32_t place_count;

/* A timeout helps only where a kill fails, as in test_syscalls.c. */
static void submit_few(int refused_kill)
{
    struct pvs_spec spec = rig_spec(PVS_POOL);

    spec.timeout_ns = refused_kill ? 50000000u : 0;
    cycle_submit(&spec, "echo pool", 9, NULL, 0);
    spec.kind = PVS_FORK;
    cycle_submit(&spec, "signal 9", 8, NULL, 0);
    cycle_program(&spec, "cat >&3", "a result");
    spec.timeout_ns = 10000000u;
    cycle_submit(&spec, "!wait", 5, NULL, 0);
}

/* One cycle in which both fail, or none; how many did. */
static long both_fail(const struct place *one, const struct place *other)
{
    struct pvs_settings set = {.workers = 1, .policy = PVS_FIFO, .buffer_bytes = 4096};

    seam_rest();
    rig_open_with(&set);
    rig.keeper_may_die = 1;
    rig.strays = one->call == SEAM_prctl || other->call == SEAM_prctl;
    seam_arm(one->call, one->at, one->error, 0, SEAM_ALL);
    seam->second.call = other->call, seam->second.at = other->at, seam->second.error = other->error;
    submit_few(one->call == SEAM_kill || other->call == SEAM_kill);
    cycle_run_all();
    seam_rest();
    rig_close();
    return atomic_load(&seam->hits);
}

static void find_places(void)
{
    const struct place none = {0, 0, 0};

    CHECK_EQ(both_fail(&none, &none), 0);
    place_count = 0;
    for (size_t i = 0; i < KINDS; i++)
        for (long n = 1; n <= atomic_load(&seam->count[failures[i][0]]); n++) {
            CHECK(place_count < MOST_PLACES);
            places[place_count++] = (struct place){failures[i][0], failures[i][1], n};
        }
}

static void pair(const struct place *one, const struct place *other, uint32_t *met)
{
    static char text[128];

    snprintf(text, sizeof(text), "%s %ld fails with %s, and %s %ld with %s", seam_names[one->call], one->at,
             strerrorname_np(one->error), seam_names[other->call], other->at, strerrorname_np(other->error));
    check_case = text;
    if (getenv("PVS_TALK"))
        printf("%s\n", text), fflush(stdout);
    *met += both_fail(one, other) == 2;
}

/* Each share draws the same numbers, and takes its part. */
static void pairs_of_failures(void)
{
    uint32_t number = 0, runs = 0, met = 0, part = rig_scale(10000);
    uint64_t random = 1;

    for (uint32_t i = 0; i < place_count; i++)
        for (uint32_t k = i + 1; k < place_count; k++) {
            if (places[i].call == places[k].call && places[i].at == places[k].at)
                continue;
            if (draw(&random, 100000) >= part || !share_is_mine(number++))
                continue;
            pair(&places[i], &places[k], &met);
            runs++;
        }
    printf("%u places, %u runs, both failed in %u\n", place_count, runs, met);
    CHECK(met >= runs / 2); /* the first may keep the second from being called */
}

int main(void)
{
    seam_open();
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    cycle_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    find_places();
    check_case = "pairs_of_failures";
    share_out(pairs_of_failures, cycle_prepare);
    return 0;
}
