/*
 * frame.h - what travels between supervisor, keeper and workers, and the page they share. Internal.
 *
 * All three are one build on one machine: native byte order, fixed sizes, no padding.
 */
#ifndef PVS_FRAME_H
#define PVS_FRAME_H

#include <stdatomic.h>

#include "task.h"

/* ---- supervisor -> keeper: SOCK_SEQPACKET, one struct a message, descriptors alongside --------- */

enum keeper_op {
    KEEPER_HELLO = 1, /* proc = number of process slots; descriptors: the shared page, then what the flags say */
    KEEPER_SPAWN = 2, /* descriptors: channel; for EXEC channel, stdin, stdout, stderr, exec block, lent ones */
    KEEPER_TERM = 3,  /* SIGTERM to the whole tree, SIGKILL after grace_ns; answered with REPORT_SIGNALLED */
    KEEPER_KILL = 4,  /* SIGKILL to the leader; the tree follows when it is dead */
    KEEPER_CALM = 5   /* the task of a KEEPER_TERM has ended and its worker lives on; answered with REPORT_SIGNALLED */
};

#define HELLO_PIDFD 1u  /* the supervisor's pidfd */
#define HELLO_CGROUP 2u /* the folder for the tasks' cgroups */

struct keeper_request {
    uint32_t op, proc, gen, kind;
    uint32_t flags, exec_bytes;
    uint32_t nfds, reserved; /* how many descriptors come with it */
    int32_t nice, ionice;
    uint64_t memory, cpu, files;
    uint64_t grace_ns; /* of KEEPER_TERM */
};

enum report_op {
    REPORT_HELLO = 1,   /* pid of the keeper; descriptor: its pidfd, where there is one */
    REPORT_SPAWNED = 2, /* pid; descriptor: pidfd, where there is one */
    REPORT_FAILED = 3,  /* error = errno; value 1: exec failed, 0: spawn failed */
    REPORT_EXITED = 4,  /* value = wait status, error = errno if the status was lost */
    REPORT_SIGNALLED = 5
};

struct keeper_report {
    uint32_t op, proc, gen;
    int32_t pid, error, value;
};

#define EXEC_FIXED_FDS 5 /* channel, stdin, stdout, stderr, exec block */

/* ---- supervisor -> worker: SOCK_STREAM, header then payload; lent descriptors with the header --- */

#define JOB_MAGIC 0x4a535650u /* "PVSJ" */
#define REPLY_MAGIC 0x5250u   /* "PR" */
#define JOB_LIMITS 1u         /* memory .. ionice count */
#define JOB_ONE_SHOT 2u       /* the worker leaves after this one */
#define JOB_AHEAD 4u          /* sent ahead: the worker claims it */
#define JOB_SURVIVE 8u        /* what it leaves behind lives on */

struct job_frame {
    uint32_t magic, length;
    uint32_t entry, nfds;
    uint64_t id;
    uint64_t timeout_ns; /* 0 = none */
    uint64_t started_ns; /* not JOB_AHEAD: when it was dispatched */
    uint64_t memory, cpu, files;
    int32_t nice, ionice;
    uint32_t flags, reserved;
};

/* ---- worker -> supervisor ----------------------------------------------------------------------- */

struct reply_frame {
    uint16_t magic;
    uint8_t type; /* enum pvs_reply */
    uint8_t entry;
    uint32_t length;
    uint32_t id_low;
    uint32_t run_ns; /* how long the task ran, saturated */
};

/* ---- the shared page: who owns a task that was sent ahead --------------------------------------- */

#define RING 32u

/* FREE -> OFFERED (supervisor) -> RUNNING (worker, by compare-and-swap) -> FREE (supervisor, with the result)
 *                 OFFERED -> WITHDRAWN (supervisor, by compare-and-swap) -> FREE (worker, on passing it) */
enum entry_state { ENTRY_FREE = 0, ENTRY_OFFERED = 1, ENTRY_RUNNING = 2, ENTRY_WITHDRAWN = 3 };

struct entry {
    uint64_t since; /* written before RUNNING is published */
    _Atomic uint32_t state;
    uint32_t reserved;
};

/*
 * Replies that a worker holds back while more jobs wait in its buffer, so that many go out in one system call. They are
 * here for all to see, so that a kill loses none of them and a long task hides none of them.
 * Positions count the bytes of the worker's reply stream, modulo 2^32. bytes[] holds [flushed, published) at position
 * % OUTBOX_BYTES; the worker later writes the very same bytes to its channel, so a reader that took them from here drops
 * as many from there. `flushed` is stored before `published`: what went straight to the channel was never here.
 */
#define OUTBOX_BYTES 4096u

struct outbox {
    _Atomic uint32_t published, flushed;
    char bytes[OUTBOX_BYTES];
};

struct shared_proc {
    struct entry entry[RING];
    struct outbox out;
};

#endif
