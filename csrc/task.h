/*
 * task.h - the slab of task records that queue.c and core.c share. Internal.
 *
 * A record is named by its slot (an index), never by pointer, so that links take 4 bytes. Slot NONE ends a list.
 */
#ifndef PVS_TASK_H
#define PVS_TASK_H

#include "pvs.h"

#define PVS_NONE UINT32_MAX
#define PVS_PRIORITIES 10
#define PVS_MAX_FDS 16

/* Which resource a waiting task needs: a worker's place, or the caller's own thread. */
enum task_class { CLASS_PLACE = 0, CLASS_INLINE = 1, CLASS_COUNT = 2 };
#define MASK_PLACE (1u << CLASS_PLACE)
#define MASK_INLINE (1u << CLASS_INLINE)

/* The two lists that a waiting task is on. The first of a list keeps whatever prev it had; the last has next = PVS_NONE. */
enum task_list { LIST_PRIORITY = 0, LIST_SEQ = 1, LIST_COUNT = 2 };
struct link {
    uint32_t next, prev;
};

struct task {
    /* what the queue uses: the first 32 bytes are all that a neighbour in a list needs, and lie in one cache line */
    uint64_t id; /* also the sequence number; 0 = the slot is free */
    union {
        struct link links[LIST_COUNT]; /* by enum task_list: the same four words */
        struct {
            uint32_t next, prev;         /* FIFO of (lane, class, priority); free list */
            uint32_t seq_next, seq_prev; /* all of (lane, class) by submission */
        };
    };
    uint16_t lane;
    uint8_t priority;
    uint8_t class; /* enum task_class */
    uint8_t state; /* enum pvs_state */
    uint8_t kind;
    uint8_t flags;
    uint8_t cause;
    uint64_t queue_deadline;                   /* ns, 0 = none */
    uint32_t heap_child, heap_next, heap_prev; /* pairing heap of queue deadlines, see deadline.h */
    uint32_t hash_next;                        /* id -> slot chain */
    /* what the core uses */
    uint32_t spec;    /* interned pvs_spec */
    uint32_t payload; /* first block */
    uint32_t length;
    uint32_t proc;   /* process slot, PVS_NONE while none */
    uint32_t fds;    /* index into the lent-descriptor table, PVS_NONE = none lent */
    uint8_t outcome; /* while on the done list */
    uint8_t reason;
    uint8_t announced; /* PVS_EV_STARTED was emitted */
    uint8_t entry;     /* place in its process's ring */
    uint64_t queued_at;
    uint64_t started_at;
};

#endif
