/*
 * pvs.h - the public interface of the pvsched core.
 *
 * The core knows ids, priorities, deadlines and descriptors. It knows no JSON and no Python.
 * - No global state: everything hangs off a pvs_core, a pvs_keeper's own process, or a pvs_worker.
 * - Functions return 0 or a positive count, or a negative errno.
 * - The current time is an argument: nanoseconds of CLOCK_MONOTONIC (a test may pass its own).
 * - A pvs_core belongs to one thread at a time. pvs_worker_* belong to a worker process.
 *
 * cffi reads the part between the two marks below from this very text (PVS_CHECKED is removed).
 */
#ifndef PVS_H
#define PVS_H

#include <stddef.h>
#include <stdint.h>

#define PVS_CHECKED __attribute__((warn_unused_result))

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */

/* ---- words ---------------------------------------------------------------------------------- */

enum pvs_policy { PVS_FIFO = 0, PVS_STRICT = 1, PVS_EDF = 2, PVS_FAIR = 3 };

/* How a task runs. INLINE and THREAD run in the supervisor: step() hands them over with PVS_EV_START
 * and the caller answers with pvs_finish(). FORK and POOL run in a worker, EXEC is a program. */
enum pvs_kind { PVS_INLINE = 0, PVS_THREAD = 1, PVS_FORK = 2, PVS_POOL = 3, PVS_EXEC = 4 };

enum pvs_state {
    PVS_ST_NONE = 0, /* no such task, or it has ended */
    PVS_ST_HELD = 1, /* counted, with a queue deadline, but not to be started before pvs_release() */
    PVS_ST_QUEUED = 2,
    PVS_ST_OFFERED = 3,  /* sent ahead to a busy pool worker; still counts as queued */
    PVS_ST_STARTING = 4, /* given to a worker that has not reported its pid yet */
    PVS_ST_RUNNING = 5,
    PVS_ST_STOPPING = 6 /* cancelled or overrun; its tree is being ended */
};

enum pvs_outcome { PVS_SUCCEEDED = 0, PVS_FAILED = 1, PVS_TIMED_OUT = 2, PVS_EXPIRED = 3, PVS_CANCELLED = 4 };

/* Why a task failed, as far as the core can tell (PVS_R_RAISED: the worker said so itself). */
enum pvs_reason {
    PVS_R_NONE = 0,
    PVS_R_RAISED = 1,
    PVS_R_NO_RESULT = 2, /* exited 0, or closed its channel, without a result */
    PVS_R_BAD_FRAME = 3, /* what came back is not a frame of ours */
    PVS_R_RESULT_TOO_LARGE = 4,
    PVS_R_EXIT_STATUS = 5,
    PVS_R_WORKER_DIED = 6,
    PVS_R_SPAWN_FAILED = 7, /* error = errno */
    PVS_R_EXEC_FAILED = 8,  /* error = errno */
    PVS_R_LOST_STATUS = 9
};

enum pvs_cause { PVS_BY_NONE = 0, PVS_BY_CALLER = 1, PVS_BY_CLIENT_LEFT = 2, PVS_BY_REPLACED = 3, PVS_BY_SHUTDOWN = 4 };

enum pvs_event_type {
    PVS_EV_END = 1,         /* a task ended; once per accepted task */
    PVS_EV_START = 2,       /* an INLINE or THREAD task is the caller's to run now; see pvs_payload(), pvs_lent() */
    PVS_EV_STARTED = 3,     /* a task started in a worker (only while pvs_want_started is on) */
    PVS_EV_PROGRESS = 4,    /* body: what the worker sent */
    PVS_EV_LOG = 5,         /* body: what the worker sent */
    PVS_EV_WORKER_DIED = 6, /* pid, exit_kind, exit_value; id = the task it ran, or 0 */
    PVS_EV_KEEPER_DIED = 7  /* value = the keeper's index; attach a new one with pvs_replace_keeper() */
};

enum pvs_flag {
    PVS_GRACEFUL = 1, /* at the timeout SIGTERM, grace, SIGKILL; otherwise SIGKILL at once */
    PVS_SURVIVE = 2,
    PVS_HOLD = 4 /* start as PVS_ST_HELD */
};

/* ---- the supervisor's side ------------------------------------------------------------------ */

typedef struct pvs_core pvs_core;

/* All sizes are fixed here; later calls refuse rather than grow. 0 takes the default. */
struct pvs_settings {
    uint32_t capacity;      /* tasks waiting + running; default 4096 */
    uint32_t lanes;         /* default 64 */
    uint32_t workers;       /* running at once, inline excepted; 0 = every task inline */
    uint32_t max_workers;   /* pvs_set_workers may go up to here; default max(workers, 16) */
    uint32_t buffer_bytes;  /* per worker, for results; default 65536 */
    uint32_t batch;         /* most tasks sent ahead to one pool worker; default 32, at most 32 */
    uint32_t inline_budget; /* inline tasks handed over per step; default 1 */
    uint32_t spares;        /* most one-shot workers made ahead; default 1 */
    uint64_t payload_bytes; /* for all waiting payloads together; default capacity * 1 KiB, at least 8 MiB */
    int32_t policy;         /* enum pvs_policy */
    int32_t zot_exact;      /* fair only: zot's own order */
};

/* What one kind of task looks like; may be reused for any number of pvs_submit() calls. */
struct pvs_spec {
    int32_t kind;              /* enum pvs_kind */
    int32_t priority;          /* 0 (most urgent) .. 9 */
    uint32_t lane;             /* 0 .. settings.lanes - 1 */
    uint32_t keeper;           /* index, from pvs_attach_keeper(); FORK, POOL, EXEC */
    uint32_t flags;            /* enum pvs_flag */
    uint32_t result_limit;     /* bytes; default 1 MiB */
    uint32_t output_limit;     /* EXEC: bytes kept of stdout, and of stderr; default 64 KiB */
    uint32_t exec_bytes;       /* EXEC: this many leading bytes of the payload are the exec block, the rest is stdin */
    uint64_t timeout_ns;       /* from dispatch; 0 = none */
    uint64_t queue_timeout_ns; /* from submit; 0 = none */
    uint64_t grace_ns;
    uint64_t limit_memory; /* bytes of RLIMIT_AS; 0 = no limit */
    uint64_t limit_cpu;    /* seconds of RLIMIT_CPU; 0 = no limit */
    uint64_t limit_files;  /* RLIMIT_NOFILE; 0 = no limit */
    int32_t nice;          /* added; 0 = unchanged */
    int32_t ionice;        /* class << 13 | level, as ioprio_set takes it; -1 = unchanged */
};

/* One thing that happened. Bodies live until the next pvs_step(): at pvs_bodies(core) + body when body is below
 * pvs_bodies_size(core), else body is an address. The layout has no padding: "<9Q14i2I" in Python's struct words. */
struct pvs_event {
    uint64_t id;
    uint64_t queued_ns;
    uint64_t started_ns; /* 0 = never */
    uint64_t ended_ns;
    uint64_t body;     /* the result, progress or log text */
    uint64_t out;      /* EXEC: stdout */
    uint64_t err;      /* EXEC: stderr */
    uint64_t after_ns; /* timed out: the run time that was allowed */
    uint64_t reserved;
    int32_t type;      /* enum pvs_event_type */
    int32_t kind;      /* enum pvs_kind the task ran as (INLINE for all when workers = 0) */
    int32_t outcome;   /* enum pvs_outcome */
    int32_t reason;    /* enum pvs_reason */
    int32_t cause;     /* enum pvs_cause */
    int32_t error;     /* errno of a failed spawn or exec */
    int32_t pid;       /* of the worker; 0 = none */
    int32_t exit_kind; /* 0 unknown, 1 exit code, 2 signal */
    int32_t exit_value;
    int32_t signal;    /* timed out: the last signal sent for it; 0 = none */
    int32_t truncated; /* EXEC: output was cut at output_limit */
    int32_t value;     /* KEEPER_DIED: index; END: 1 if a result frame came */
    int32_t out_len;
    int32_t err_len;
    uint32_t body_len;
    uint32_t missed;
};

/* A look at one task, or at the whole. */
struct pvs_task_info {
    uint64_t id, queued_ns, started_ns, deadline_ns, queue_deadline_ns;
    uint32_t lane, ahead; /* ahead: tasks that the policy would pick before it (HELD: 0) */
    int32_t state, kind, priority, pid;
    int32_t lane_full, no_worker; /* what keeps it waiting, besides those ahead */
};
struct pvs_stats {
    uint64_t submitted, ended, started, kills, timeouts, wakeups, spawned, batched, late_max_ns, late_sum_ns,
        late_count;
    uint64_t oldest_queued_ns; /* submit time of the longest waiting task; 0 = none waits */
    uint32_t waiting, held, running, workers, processes, idle, spares, capacity, payload_blocks_free, lanes;
};
struct pvs_lane_info {
    uint32_t waiting[10]; /* by priority */
    uint32_t running, limit, weight_milli, reserved;
    uint64_t started; /* n of the fair policy */
};

PVS_CHECKED int pvs_open(pvs_core **out, const struct pvs_settings *settings);
/* Kills and forgets all that is left; waits at most grace_ms for the keepers to finish. Emits nothing: cancel first. */
void pvs_close(pvs_core *core, uint32_t grace_ms);

/* Readable whenever pvs_step() has something to do. Owned by the core. */
int pvs_fileno(const pvs_core *core);
/* Sleeps until then, at most timeout_ms (-1: for ever). 1 ready, 0 timeout, -EINTR. */
PVS_CHECKED int pvs_wait(pvs_core *core, int timeout_ms);
/* wake -> collect -> expire -> dispatch. Never blocks, allocates only for results above buffer_bytes.
 * Fills at most max events (at least 64) and returns their number. What found no room makes fileno() readable again. */
PVS_CHECKED int pvs_step(pvs_core *core, uint64_t now, struct pvs_event *events, uint32_t max);
const char *pvs_bodies(const pvs_core *core);
uint64_t pvs_bodies_size(const pvs_core *core);

/* Copies payload and duplicates fds (at most 16). Returns the new id (> 0), or -ENOBUFS (queue full),
 * -EFBIG (payload can never fit), -EINVAL, -EMFILE... */
PVS_CHECKED int64_t pvs_submit(pvs_core *core, const struct pvs_spec *spec, uint64_t now, const char *payload,
                               size_t length, const int *fds, uint32_t nfds);
/* A held task becomes an ordinary waiting one, at the place of its own sequence number. */
PVS_CHECKED int pvs_release(pvs_core *core, uint64_t id);
/* -ENOENT if there is no such live task. Queued: ends at the next step. Running: SIGTERM, grace, SIGKILL; again: SIGKILL. */
PVS_CHECKED int pvs_cancel(pvs_core *core, uint64_t id, uint64_t now, int32_t cause);
/* The caller has run an INLINE or THREAD task (or withdraws a HELD one) itself. The END event carries no body. */
PVS_CHECKED int pvs_finish(pvs_core *core, uint64_t id, uint64_t now, int32_t outcome, int32_t reason);
/* What a live task was submitted with, for whoever runs an INLINE or THREAD one: its payload's length, of which at most
 * room bytes are copied; and how many descriptors it was lent, which stay the core's and open until the task has ended. */
PVS_CHECKED int64_t pvs_payload(const pvs_core *core, uint64_t id, char *to, size_t room);
PVS_CHECKED int pvs_lent(const pvs_core *core, uint64_t id, int fds[16]);
/* Makes fileno() readable; the only call that any thread may make. */
void pvs_wake(pvs_core *core);
/* Makes fileno() readable at that time (0: not any more), for something that the caller wants to try again. */
void pvs_wake_at(pvs_core *core, uint64_t when);

/* Lanes are numbered by the caller, 0 .. lanes-1; one that was never set has no limit and weight 10000. */
PVS_CHECKED int pvs_set_lane(pvs_core *core, uint32_t lane, uint32_t limit,
                             uint32_t weight_milli); /* limit 0 = none; weight 1000 = "low" */
PVS_CHECKED int pvs_set_policy(pvs_core *core, int32_t policy);
PVS_CHECKED int pvs_set_workers(pvs_core *core, uint32_t workers);
void pvs_want_started(pvs_core *core, int32_t on);

PVS_CHECKED int pvs_task_info(const pvs_core *core, uint64_t id, struct pvs_task_info *out);
/* How many tasks a worker, a program or a thread has; the ids of at most room of them. INLINE ones are the caller's to know. */
uint32_t pvs_running(const pvs_core *core, uint64_t *ids, uint32_t room);
PVS_CHECKED int pvs_lane_info(const pvs_core *core, uint32_t lane, struct pvs_lane_info *out);
void pvs_get_stats(const pvs_core *core, struct pvs_stats *out);

/* ---- the keeper ----------------------------------------------------------------------------- */

/* Two ends of a keeper's channel: [0] for the supervisor, [1] for the keeper. CLOEXEC both. */
PVS_CHECKED int pvs_keeper_pair(int ends[2]);
/* Starts argv as a grandchild with its end of the channel as descriptor 3, and nothing else open beside 0, 1, 2.
 * The intermediate is waited for by pid; it raises no SIGCHLD here. On success *fd is the supervisor's end. */
PVS_CHECKED int pvs_keeper_exec(char *const argv[], char *const envp[], int *fd);
/* A folder of cgroup v2 that was delegated to us (write access; nothing else makes pvs-... in it). Every process that a keeper
 * attached after this starts gets a cgroup there, by which its tree is killed even where its keeper was, and by which
 * limit_memory holds for the whole tree where the memory controller is enabled. -EBUSY once a keeper is attached;
 * -ENOTSUP: not cgroup v2; -EACCES, -ENOENT... : all goes on without. Needs Linux 5.14 to be of use. */
PVS_CHECKED int pvs_set_cgroup(pvs_core *core, const char *path);
/* The core takes fd. Returns the keeper's index, -ENFILE when there are 16. */
PVS_CHECKED int pvs_attach_keeper(pvs_core *core, int fd);
PVS_CHECKED int pvs_replace_keeper(pvs_core *core, uint32_t keeper, int fd);
/* No further task will name it: it is let go as soon as its tasks have ended. */
PVS_CHECKED int pvs_retire_keeper(pvs_core *core, uint32_t keeper);

/* Called around fork(), for a host language that needs it; NULL for none. */
struct pvs_hooks {
    void (*before_fork)(void *arg);
    void (*after_fork_parent)(void *arg);
    void (*after_fork_child)(void *arg);
    void *arg;
};
typedef struct pvs_worker pvs_worker;
/* The keeper's whole life, on its end of the channel. Returns 0 in the keeper when the supervisor has gone and all is
 * ended; returns 1 in a new worker, with *worker to be used and then _exit(); negative errno if it could not start. */
PVS_CHECKED int pvs_keeper_main(int fd, const struct pvs_hooks *hooks, pvs_worker **worker);

/* ---- a worker's side ------------------------------------------------------------------------ */

enum pvs_reply { PVS_REPLY_RESULT = 1, PVS_REPLY_RAISED = 2, PVS_REPLY_PROGRESS = 3, PVS_REPLY_LOG = 4 };

struct pvs_job {
    uint64_t id;
    uint64_t deadline_ns; /* 0 = none */
    const char *payload;  /* valid until the next pvs_worker_next() */
    uint32_t length;
    uint32_t nfds;
    int32_t fds[16]; /* the next pvs_worker_next() closes those that the handler has not closed itself */
};

/* Blocks for the next job. 1 a job, 0 leave (EOF, or a one-shot worker that has had its task), -EINTR a signal came. */
PVS_CHECKED int pvs_worker_next(pvs_worker *worker, struct pvs_job *job);
/* A result ends the job: what is left below this process is killed first. */
PVS_CHECKED int pvs_worker_send(pvs_worker *worker, int32_t type, const char *body, size_t length);

/* ---- measuring ------------------------------------------------------------------------------ */

/* Nanoseconds for `rounds` pairs of pop + push on the ready queue with `waiting` tasks in it (strict, 10 priorities). */
uint64_t pvs_bench_queue(uint32_t waiting, uint32_t rounds);
/* The same for cancel by id + push. */
uint64_t pvs_bench_cancel(uint32_t waiting, uint32_t rounds);
/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t pvs_now(void);

/* ---- the caller's own thread ----------------------------------------------------------------- */

/* Asks for turns of that length on the processor (the kernel takes 100,000 to 100,000,000; 0 = its default), so that a
 * main loop that wakes is not kept waiting for the end of a longer turn of one that computes. Linux 6.12 and later; older
 * ones accept it and do nothing. Only for SCHED_OTHER and SCHED_BATCH, else -EINVAL. Children inherit it, workers do not. */
PVS_CHECKED int pvs_short_slice(uint64_t slice_ns);

/* cffi: end */

#ifdef __cplusplus
}
#endif
#endif
