/*
 * core.h - the supervisor's side, shared by core.c and its rooms. Internal.
 *
 *   core.c     open, close, step, cancel: the order of things
 *   proc.c     process slots: spawn, feed, end
 *   collect.c  bytes and reports that come back
 *   store.c    sized-once stores: payload blocks, specs, lent descriptors
 */
#ifndef PVS_CORE_H
#define PVS_CORE_H

#include <sys/epoll.h>

#include "frame.h"
#include "queue.h"

#define MOST_KEEPERS 16u
#define TASK_CANCEL 0x40u /* in task.flags, above those of the caller: pvs_cancel() was called while it ran */
#define TASK_CANCEL_AGAIN 0x80u
#define TX_BYTES 8192u     /* jobs below this go out in one piece */
#define PVS_MIN_EVENTS 64u /* a process that ends may end a whole ring of tasks in one go */
#define EXITED_UNSEEN 2
#define LOST_NS 5000000000u   /* a killed process that the kernel does not let die */
#define LINGER_NS 1000000000u /* a worker that has answered must ask for more, or exit, within this */

/* ---- store.c ------------------------------------------------------------------------------------ */

#define BLOCK_DATA 60u
struct block {
    uint32_t next;
    char data[BLOCK_DATA];
};

struct spec_slot {
    struct pvs_spec spec;
    uint32_t users, hash, next;
};

struct store {
    struct block *blocks;
    uint32_t block_count, block_bump, block_free, blocks_left;
    struct spec_slot *specs;
    uint32_t spec_count, spec_bump, spec_free, spec_last;
    uint32_t *spec_hash;
    uint32_t hash_mask;
    int (*fds)[PVS_MAX_FDS + 1]; /* [0] = how many; free list through [0] */
    uint32_t fds_bump, fds_free, fds_count;
};

PVS_CHECKED int store_init(struct store *s, uint32_t capacity, uint64_t payload_bytes);
void store_free(struct store *s);
/* -ENOBUFS: no room now; -EFBIG: never. */
PVS_CHECKED int store_payload(struct store *s, const char *data, size_t length, uint32_t *first);
void store_payload_drop(struct store *s, uint32_t first, size_t length);
/* Copies length bytes from offset on; walks from the first block. */
void store_payload_read(const struct store *s, uint32_t first, size_t offset, char *out, size_t length);
PVS_CHECKED int store_spec(struct store *s, const struct pvs_spec *spec, uint32_t *index);
void store_spec_drop(struct store *s, uint32_t index);
PVS_CHECKED int store_fds(struct store *s, const int *fds, uint32_t nfds, uint32_t *index);
void store_fds_drop(struct store *s, uint32_t index);

/* ---- processes ---------------------------------------------------------------------------------- */

enum proc_state {
    PROC_FREE = 0,
    PROC_WANTED,   /* the spawn request has not been sent yet */
    PROC_SPAWNING, /* sent, not reported */
    PROC_LIVE,
    PROC_THREAD /* no process: a THREAD task's place */
};

/* What the proc's deadline means. */
enum proc_watch { WATCH_NONE = 0, WATCH_RUN, WATCH_GRACE, WATCH_LINGER, WATCH_LOST };

struct growing { /* bytes of one stream: in the slot's part of the region, or, when they outgrow it, allocated */
    char *base, *home;
    uint32_t size, length, limit;
    uint8_t eof, truncated;
};

struct proc {
    uint8_t state, kind, watch;
    uint8_t killed;                          /* SIGKILL was sent or asked for */
    uint8_t want_term, want_kill, want_calm; /* requests that the keeper has not taken yet */
    uint8_t term_sent;                       /* not acknowledged: a late SIGTERM must not hit the next task */
    uint8_t grace_runs;                      /* the keeper kills it when the grace is over */
    uint8_t exited;                   /* 1: the keeper reported its end; EXITED_UNSEEN: the keeper is gone itself */
    uint8_t listed;                   /* has bytes or an end that the last step had no room for */
    uint8_t answered;                 /* a one-shot that has had its task */
    uint8_t doomed;                   /* broke the protocol: no further task */
    uint8_t closing;                  /* told to leave */
    uint8_t cancel_asked;             /* one of its tasks has a TASK_CANCEL to be looked at */
    uint8_t decided, outcome, reason; /* what the running task will end as, once its process is gone */
    uint32_t gen, keeper;
    int pid, pidfd, channel, out_fd, err_fd, signal;
    int error, exit_kind, exit_value;
    int give[EXEC_FIXED_FDS]; /* descriptors for the spawn request; -1 = none */
    uint32_t tasks[RING];     /* task slots; PVS_NONE = withdrawn or done */
    uint32_t first, next;     /* counters: oldest outstanding, next to give */
    uint64_t deadline;        /* 0 = none; its meaning is `watch` */
    uint64_t recall;          /* when to take back what waits behind a long task; 0 = nothing does */
    uint32_t recall_front;
    uint32_t run_ns;           /* smoothed run time of its tasks; 0 = none has run */
    uint32_t tx_start, tx_end; /* in its part of txbufs */
    uint32_t tx_task;          /* a large job being sent, PVS_NONE = none */
    size_t tx_offset;
    uint8_t tx_armed, fds_sent;
    uint8_t lost; /* killed, and the kernel keeps it */
    struct growing rx, out, err;
    uint32_t rx_start;  /* parsed up to here */
    uint64_t rx_pinned; /* step in which an event points into rx */
    uint32_t stream_at,
        stream_seen; /* bytes of the reply stream received, and known (received, or read in the outbox) */
    char *big;       /* a body that is larger than rx */
    uint32_t big_got;
    struct reply_frame big_frame;
};

struct keeper_link {
    int fd, pidfd, pid;
    uint8_t used, dead, retired, armed;
    uint32_t tasks; /* live tasks that name it */
};

struct emitted {
    struct pvs_event *at;
    uint32_t max, count;
};

struct pvs_core {
    struct pvs_settings set;
    struct queue queue;
    struct store store;
    struct proc *procs;
    uint32_t proc_count, procs_used; /* high-water mark */
    struct shared_proc *page;
    int page_fd, epoll, wake, timer;
    int cgroup; /* folder for the tasks' cgroups, or -1 */
    char *region, *txbufs, *stage;
    size_t region_size;
    char **graves; /* allocated bodies of the last step */
    uint32_t grave_count, grave_room;
    uint64_t now, armed, step;
    uint64_t wake_at; /* pvs_wake_at(); 0 = not wanted */
    struct keeper_link keepers[MOST_KEEPERS];
    struct epoll_event ready[64];
    int ready_count;
    uint32_t done_head, done_tail; /* ended, not told yet; linked through task.next */
    uint32_t places;               /* taken */
    uint32_t spare_keeper;         /* the one that FORK last used; PVS_NONE */
    int want_started, more, trim;
    _Atomic int woken;
    struct emitted out;
    struct pvs_stats stats;
};

/* epoll tags: kind in the upper half, index below */
enum tag { TAG_WAKE = 1, TAG_TIMER, TAG_KEEPER, TAG_CHANNEL, TAG_OUT, TAG_ERR };
#define TAG(kind, index) (((uint64_t)(kind) << 32) | (index))

/* ---- core.c ------------------------------------------------------------------------------------- */
struct pvs_event *emit(struct pvs_core *c, int type, uint64_t id);
/* Room for that many events and their bodies; if not, the caller comes back in the next step. */
int has_room(struct pvs_core *c, uint32_t events);
PVS_CHECKED int watch_fd(struct pvs_core *c, int fd, uint32_t events, uint64_t tag);
void rewatch_fd(struct pvs_core *c, int fd, uint32_t events, uint64_t tag);
void unwatch_fd(struct pvs_core *c, int fd);
void bury_memory(struct pvs_core *c, char *memory);
struct task *task_at(struct pvs_core *c, uint32_t slot);
const struct pvs_spec *spec_of(const struct pvs_core *c, const struct task *t);
/* An END event with what every one has; then the record is gone. Needs room for one event. */
struct pvs_event *task_end(struct pvs_core *c, uint32_t slot, int outcome, int reason);
/* The END event comes with the next step. A picked task must have been uncounted by queue_ended() before. */
void task_done(struct pvs_core *c, uint32_t slot, int outcome, int reason, int error);
/* It has more than this step can tell: collect_listed() looks at it in the next. */
void come_back(struct pvs_core *c, struct proc *p);
/* Emits STARTED if somebody wants it. */
void task_announce(struct pvs_core *c, struct task *t, int pid);

/* ---- proc.c: slots and the tasks in them -------------------------------------------------------- */
/* Gives the task to a process or thread. 0; -EAGAIN: no slot or keeper now (the task is untouched). */
PVS_CHECKED int proc_start(struct pvs_core *c, uint32_t slot);
uint32_t proc_front(const struct proc *p); /* task slot, PVS_NONE = idle */
/* The front task is done with: on to the next one of the ring, or to idle. */
void proc_advance(struct pvs_core *c, uint32_t index);
/* Looks what runs now and sets the deadline. */
void proc_watch_front(struct pvs_core *c, uint32_t index);
/* Puts the task in the slot's ring and its job in the outgoing buffer. ahead: the worker still runs another. */
void proc_assign(struct pvs_core *c, uint32_t index, uint32_t slot, int ahead);
void proc_flush(struct pvs_core *c, uint32_t index);
/* Closes all that is its own and frees the slot. It has no task. */
void proc_free(struct pvs_core *c, uint32_t index);
/* Makes one-shot workers ahead of need. */
void proc_spares(struct pvs_core *c);
/* Idle pool workers above the number wanted leave. */
void proc_trim(struct pvs_core *c);
/* It has LINGER_NS to be gone, unless something earlier is due. */
void proc_linger(struct pvs_core *c, uint32_t index);

/* ---- spawning.c: what is asked of the keeper ---------------------------------------------------- */
PVS_CHECKED int proc_spawn(struct pvs_core *c, uint32_t index, int kind, uint32_t keeper, uint32_t slot);
void proc_ask_keeper(struct pvs_core *c, uint32_t keeper);
void proc_kill(struct pvs_core *c, uint32_t index);
/* SIGTERM to its tree, and SIGKILL after the front's grace, without a further call from anyone. */
void proc_term(struct pvs_core *c, uint32_t index);
/* The task that was asked to stop has ended: the worker may have the next when the keeper has taken back its SIGKILL. */
void proc_calm(struct pvs_core *c, uint32_t index);
/* Lets an idle worker leave. */
void proc_dismiss(struct pvs_core *c, uint32_t index);

/* ---- batch.c: tasks sent ahead to busy pool workers --------------------------------------------- */
void batch_fill(struct pvs_core *c);
/* Takes one back; 1 if it was still to be had. It is on no list then, and still counted as picked. */
PVS_CHECKED int batch_withdraw(struct pvs_core *c, uint32_t slot);
/* Takes back all that waits behind the front of this process; returns how many. */
uint32_t batch_recall(struct pvs_core *c, uint32_t index);
/* Its time has come: recalls if the same task still runs. */
void batch_check_recall(struct pvs_core *c, uint32_t index);
/* Takes one back from whichever process has most. 1 if there was one. */
PVS_CHECKED int batch_steal(struct pvs_core *c);

/* ---- deadlines.c -------------------------------------------------------------------------------- */
void expire_all(struct pvs_core *c);
void apply_cancels(struct pvs_core *c);
/* A task that a process has is cancelled: stopped at once if it runs and has said nothing yet, else in the next step. */
void cancel_given(struct pvs_core *c, uint32_t slot);
void arm_timer(struct pvs_core *c);

/* ---- collect.c: bytes that come back ------------------------------------------------------------ */
/* One read, then what is whole. 1 if anything came. */
int collect_channel(struct pvs_core *c, uint32_t index);
/* All that is readable now, as far as there is room to tell of it. */
void collect_all(struct pvs_core *c, uint32_t index);
/* Closes its streams; what they have brought stays. */
void collect_no_more(struct pvs_core *c, uint32_t index);
/* It broke the protocol. Its task ends when it is dead. */
void collect_doom(struct pvs_core *c, uint32_t index, int reason);
void collect_output(struct pvs_core *c, uint32_t index, int err);

/* ---- reports.c: what the keeper says ------------------------------------------------------------ */
void collect_keeper(struct pvs_core *c, uint32_t keeper);
/* Ends that found no room in the last step. */
void collect_listed(struct pvs_core *c);
/* The process is gone: its task ends, what was sent ahead waits again, the slot is free. */
void proc_ended(struct pvs_core *c, uint32_t index);
void keeper_tell_hello(struct pvs_core *c, uint32_t keeper);
void keeper_release(struct pvs_core *c, uint32_t keeper);

static inline struct entry *entry_of(const struct pvs_core *c, uint32_t index, uint32_t counter)
{
    return &c->page[index].entry[counter % RING];
}

#endif
