/*
 * rig.h - a core, a keeper and workers in plain C, for the tests of what runs in processes.
 *
 * The test process is a subreaper, so that nothing that a keeper leaves behind can hide: rig_close() wants no child left,
 * the same descriptors as before, and a keeper that left with 0. What a worker does is said by its payload, see rig_worker.h.
 */
#ifndef RIG_H
#define RIG_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "channel.h"
#include "check.h"
#include "core.h"
#include "kill.h"
#include "rig_worker.h"
#include <sys.h>

#define RIG_TASKS 16384u
#define RIG_BODY 256u

struct ending { /* what is kept of one task */
    uint64_t id;
    int ends, starts;
    struct pvs_event event;
    char body[RIG_BODY], out[RIG_BODY], err[RIG_BODY];
};

struct rig {
    pvs_core *core;
    int keeper; /* index */
    int fds_before;
    uint32_t live;
    struct ending tasks[RIG_TASKS]; /* by id - 1 */
    uint32_t notes, deaths, keeper_deaths, steps;
    int keeper_may_die;
    int strays; /* no subreaper: what calls setsid and outlives its parent is lost to the keeper, as the docs say */
};

static struct rig rig;

/* How much the long amounts are multiplied by. */
static inline uint32_t rig_scale(uint32_t amount)
{
    const char *text = getenv("PVSCHED_SCALE");
    double scale = text ? atof(text) : 1;
    double scaled = amount * (scale > 0 ? scale : 1);
    return scaled < 1 ? 1 : (uint32_t)scaled;
}

/* How many times slower than usual this machine may be; what takes longer than that hangs. */
static inline uint64_t rig_seconds(uint32_t seconds)
{
    const char *text = getenv("PVSCHED_PATIENCE");
    double patience = text ? atof(text) : 1;
    return (uint64_t)(seconds * (patience > 1 ? patience : 1) * 1e9);
}

static inline int rig_count_fds(void)
{
    int count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* ---- the keeper ------------------------------------------------------------------------------------ */

static inline void rig_be_keeper(int fd)
{
    pvs_worker *worker = NULL;
#ifdef SEAM_MAIN
    seam_be_keeper();
#endif
    int e = pvs_keeper_main(fd, NULL, &worker);

    if (e == 1)
        rig_worker(worker);
    _exit(e == 0 ? 0 : 98);
}

static int rig_ignore_sigchld; /* as a host may, and its keeper inherits */

/* Whether what our children leave behind comes to us: an emulator of the user mode may refuse that. */
static inline int rig_is_subreaper(void)
{
    static int known = -1;

    if (known < 0)
        known = prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
    return known;
}

/* Whether a child of vfork() writes into our memory: there an emulator of the user mode forks. */
static inline int rig_vfork_shares(void)
{
    static volatile int shared;

    pid_t pid = vfork();
    if (pid == 0) {
        shared = 1;
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    return shared;
}

/* A case that needs what an emulator may lack: a board's kernel has it, and then the case is run. */
#define RIG_RUN_WITH(probe, what, the_case)                       \
    do {                                                          \
        if (probe)                                                \
            RUN(the_case);                                        \
        else                                                      \
            printf("skipped: no %s here: %s\n", what, #the_case); \
    } while (0)

/* A grandchild, as a real one; it comes to us when its parent leaves, because we are a subreaper. Else a child. */
static inline int rig_fork_keeper(void)
{
    int ends[2], adopts = rig_is_subreaper();

    CHECK_EQ(pvs_keeper_pair(ends), 0);
    pid_t middle = fork();
    CHECK(middle >= 0);
    if (middle == 0) {
        if (adopts && fork() != 0)
            _exit(0);
        (void)setsid();
        if (rig_ignore_sigchld)
            (void)signal(SIGCHLD, SIG_IGN);
        (void)close(ends[0]);
        rig_be_keeper(ends[1]);
    }
    if (adopts)
        CHECK_EQ(waitpid(middle, NULL, 0), middle);
    (void)close(ends[1]);
    return ends[0];
}

/* ---- opening and closing --------------------------------------------------------------------------- */

static inline void rig_open_with(const struct pvs_settings *settings)
{
    memset(&rig, 0, sizeof(rig));
    (void)rig_is_subreaper();
    rig.fds_before = rig_count_fds();
    CHECK_EQ(pvs_open(&rig.core, settings), 0);
    rig.keeper = pvs_attach_keeper(rig.core, rig_fork_keeper());
    CHECK_EQ(rig.keeper, 0);
}

static inline void rig_open(uint32_t workers)
{
    struct pvs_settings set = {.workers = workers, .policy = PVS_STRICT, .buffer_bytes = 4096};
    rig_open_with(&set);
}

static inline void rig_nap(uint32_t ms)
{
    struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    (void)nanosleep(&t, NULL);
}

/* What calls setsid can outlive a keeper that was killed or could not be a subreaper: the docs say so, and here it is
 * the test's to end. */
static inline void rig_end_outliving(void)
{
    pid_t pids[256];
    long n = rig.keeper_deaths || rig.strays ? kill_children(getpid(), pids, 256) : 0;

    for (long i = 0; i < n && i < 256; i++)
        (void)kill(pids[i], SIGKILL);
}

/* Who is still there, for the one who looks into it: its command line may be a script of the test's. */
static inline void rig_say_children(void)
{
    pid_t pids[16];
    long n = kill_children(getpid(), pids, 16);

    for (long i = 0; i < n && i < 16; i++) {
        char path[32], line[256] = "";
        (void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pids[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t length = fd < 0 ? 0 : read(fd, line, sizeof(line) - 1);
        for (ssize_t at = 0; at + 1 < length; at++)
            line[at] = line[at] ? line[at] : ' ';
        (void)close(fd);
        fprintf(stderr, "process %d: %s\n", (int)pids[i], line);
    }
}

/* Everything below us has to be gone soon by itself; keepers must have left well. One may take its 5 s to end what it had. */
static inline void rig_no_child_left(void)
{
    uint64_t until = pvs_now() + rig_seconds(8);

    for (int i = 0; pvs_now() < until; i++) {
        if (i % 100 == 99)
            rig_end_outliving();
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid < 0 && errno == ECHILD)
            return;
        if (pid == 0)
            rig_nap(2);
        else if (pid > 0 && !rig.keeper_may_die && WIFEXITED(status))
            CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 111);
    }
    rig_say_children();
    CHECK(!"a process was left behind");
}

static inline void rig_close(void)
{
    pvs_close(rig.core, (uint32_t)(rig_seconds(3) / 1000000u));
    rig.core = NULL;
    rig_no_child_left();
    CHECK_EQ(rig_count_fds(), rig.fds_before);
}

/* ---- tasks ----------------------------------------------------------------------------------------- */

static inline struct pvs_spec rig_spec(int kind)
{
    return (struct pvs_spec){.kind = kind,
                             .priority = 5,
                             .keeper = (uint32_t)rig.keeper,
                             .result_limit = 1u << 20,
                             .output_limit = 65536,
                             .grace_ns = 5000000000u,
                             .ionice = -1};
}

static inline uint64_t rig_submit_bytes(const struct pvs_spec *spec, const char *payload, size_t length, const int *fds,
                                        uint32_t nfds)
{
    int64_t id = pvs_submit(rig.core, spec, pvs_now(), payload, length, fds, nfds);

    if (id < 0)
        check_failed(__FILE__, __LINE__, strerror((int)-id));
    CHECK(id <= RIG_TASKS);
    rig.tasks[id - 1].id = (uint64_t)id;
    rig.live++;
    return (uint64_t)id;
}

static inline uint64_t rig_submit(const struct pvs_spec *spec, const char *text)
{
    return rig_submit_bytes(spec, text, strlen(text), NULL, 0);
}

/* The exec block of argv (ended by NULL) without an environment, then what is on stdin. */
static inline uint64_t rig_exec_with(const struct pvs_spec *like, const char *const *argv, const char *input,
                                     const int *fds, uint32_t nfds)
{
    static char block[1 << 21];
    uint32_t count[3] = {0, 0, 0};
    size_t at = sizeof(count);
    struct pvs_spec spec = *like;

    for (; argv[count[0]]; count[0]++) {
        memcpy(block + at, argv[count[0]], strlen(argv[count[0]]) + 1);
        at += strlen(argv[count[0]]) + 1;
    }
    memcpy(block, count, sizeof(count));
    spec.kind = PVS_EXEC;
    spec.exec_bytes = (uint32_t)at;
    memcpy(block + at, input, strlen(input));
    return rig_submit_bytes(&spec, block, at + strlen(input), fds, nfds);
}

static inline uint64_t rig_shell(const struct pvs_spec *spec, const char *script)
{
    return rig_exec_with(spec, (const char *const[]){"/bin/sh", "-c", script, NULL}, "", NULL, 0);
}

/* ---- stepping -------------------------------------------------------------------------------------- */

static inline const char *rig_place(uint64_t body)
{
    return body < pvs_bodies_size(rig.core) ? pvs_bodies(rig.core) + body : (const char *)(uintptr_t)body;
}

static inline void rig_copy(char *to, uint64_t from, uint32_t length)
{
    memset(to, 0, RIG_BODY);
    if (length)
        memcpy(to, rig_place(from), length < RIG_BODY ? length : RIG_BODY - 1);
}

/* Reads every byte of a body, so that a sanitizer sees one that is not there. */
static inline void rig_touch(uint64_t body, uint32_t length)
{
    static volatile unsigned char sum;

    for (uint32_t i = 0; i < length; i++)
        sum = (unsigned char)(sum + (unsigned char)rig_place(body)[i]);
}

static inline void rig_take_end(const struct pvs_event *e)
{
    CHECK(e->id >= 1 && e->id <= RIG_TASKS);
    struct ending *t = &rig.tasks[e->id - 1];
    CHECK_EQ(t->id, e->id);
    CHECK_EQ(t->ends, 0); /* exactly once */
    t->ends = 1;
    t->event = *e;
    rig_touch(e->body, e->body_len);
    rig_copy(t->body, e->body, e->body_len);
    rig_copy(t->out, e->out, (uint32_t)e->out_len);
    rig_copy(t->err, e->err, (uint32_t)e->err_len);
    CHECK(rig.live > 0);
    rig.live--;
}

static inline void rig_take(const struct pvs_event *e)
{
    switch (e->type) {
    case PVS_EV_END:
        rig_take_end(e);
        break;
    case PVS_EV_START:
        rig.tasks[e->id - 1].starts++;
        break;
    case PVS_EV_STARTED:
        rig.tasks[e->id - 1].starts++;
        CHECK_EQ(rig.tasks[e->id - 1].ends, 0);
        break;
    case PVS_EV_PROGRESS:
    case PVS_EV_LOG:
        CHECK_EQ(rig.tasks[e->id - 1].ends, 0);
        rig_touch(e->body, e->body_len);
        rig.notes++;
        break;
    case PVS_EV_WORKER_DIED:
        rig.deaths++;
        break;
    default:
        CHECK_EQ(e->type, PVS_EV_KEEPER_DIED);
        rig.keeper_deaths++;
    }
}

static uint32_t rig_max = 64; /* events a step: the least that the core takes */
static uint64_t rig_ahead;    /* added to the clock, to let time pass at once */

static inline uint64_t rig_now(void)
{
    return pvs_now() + rig_ahead;
}

static inline int rig_step(int wait_ms)
{
    static struct pvs_event events[4096];

    int n = pvs_wait(rig.core, wait_ms);
    CHECK(n >= 0 || n == -EINTR);
    n = pvs_step(rig.core, rig_now(), events, rig_max);
    CHECK(n >= 0 && (uint32_t)n <= rig_max);
    rig.steps++;
    for (int i = 0; i < n; i++)
        rig_take(&events[i]);
    return n;
}

/* Until no more than `left` tasks live. */
static inline void rig_run_to(uint32_t left, uint32_t seconds)
{
    uint64_t until = pvs_now() + rig_seconds(seconds);

    while (rig.live > left) {
        CHECK(pvs_now() < until);
        (void)rig_step(100);
    }
}

static inline void rig_run(void)
{
    rig_run_to(0, 20);
}

static inline int rig_state(uint64_t id)
{
    struct pvs_task_info info;
    return pvs_task_info(rig.core, id, &info) < 0 ? PVS_ST_NONE : info.state;
}

static inline void rig_until_state(uint64_t id, int state)
{
    uint64_t until = pvs_now() + rig_seconds(10);

    while (rig_state(id) != state) {
        CHECK(pvs_now() < until);
        CHECK(rig.tasks[id - 1].ends == 0);
        (void)rig_step(20);
    }
}

/* Until it has sent one note: it is where it wants to be. */
static inline void rig_until_notes(uint32_t notes)
{
    uint64_t until = pvs_now() + rig_seconds(10);

    while (rig.notes < notes) {
        CHECK(pvs_now() < until);
        (void)rig_step(20);
    }
}

static inline struct ending *rig_ending(uint64_t id)
{
    CHECK_EQ(rig.tasks[id - 1].ends, 1);
    return &rig.tasks[id - 1];
}

#define RIG_WANT(id, outcome_, reason_) \
    (CHECK_EQ(rig_ending(id)->event.outcome, outcome_), CHECK_EQ(rig_ending(id)->event.reason, reason_))

#endif
