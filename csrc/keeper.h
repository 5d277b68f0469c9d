/* keeper.h - the keeper's own state, and what its two files ask of each other. Internal. */
#ifndef PVS_KEEPER_H
#define PVS_KEEPER_H

#include "frame.h"

#include <sys/types.h>

#define MOST_SURVIVORS 1024
#define MOST_STRANGERS 512 /* looked at in one go; those beyond come in the next */

/* FREE -> ALIVE (spawned) -> DEAD (a zombie that still holds its pid and group while its tree is ended) -> FREE */
enum leader_state { LEADER_FREE = 0, LEADER_ALIVE, LEADER_DEAD };

struct leader {
    uint8_t state, survive, grouped; /* grouped: it has a cgroup of its own */
    uint32_t gen;
    pid_t pid;
    uint64_t kill_at; /* when its grace is over; 0 = nobody asked it to stop */
};

struct keeper {
    int fd, signals;
    int children;   /* the kernel's list of ours, kept open; negative where it has none */
    int supervisor; /* its pidfd, or -1: tells of its death even while a child of it holds its end of the channel */
    int cgroup;     /* folder for the tasks' cgroups, or -1 */
    struct leader *leaders;
    uint32_t count;
    struct shared_proc *page;
    const struct pvs_hooks *hooks;
    pid_t *seen; /* children, as last listed */
    size_t seen_room;
    pid_t survivors[MOST_SURVIVORS]; /* left behind by tasks that asked for it, or killed and held by the kernel */
    uint32_t survivor_count;
    uint64_t swept_since; /* since when unknown children refuse to be gone; 0 = none left */
};

/* ---- keeper.c ------------------------------------------------------------------------------------ */
/* To the supervisor. 0 or -errno: it is gone. */
int keeper_report(const struct keeper *k, struct keeper_report r, int fd);

/* ---- burial.c ------------------------------------------------------------------------------------ */
/* Sees deaths, finishes the trees, and only then reaps and reports. Called after SIGCHLD, and while swept_since is set. */
void burial_all(struct keeper *k);
/* Kills and reaps children that are nobody's. 1 if none is left. */
PVS_CHECKED int burial_sweep(struct keeper *k);
/* The cgroup of a leader: what lives in it is killed, or with `remove` its folder goes. */
void burial_group(const struct keeper *k, uint32_t index, int remove);

#endif
