/* child.h - what runs between fork and the task. Internal. */
#ifndef PVS_CHILD_H
#define PVS_CHILD_H

#include <sys/types.h>

#include "frame.h"

/* Its cgroup if it has one (entrance: of cgroup_make(), or -1), own session and group, child subreaper, and (unless it is to survive) dead when the keeper dies. Async-signal-safe. */
PVS_CHECKED int child_lead(pid_t keeper, int survive, int entrance);
/* Every signal back to its default and none blocked. Async-signal-safe. */
void child_reset_signals(void);
/* Closes every descriptor from first on. Async-signal-safe. */
void child_close_from(unsigned first);
/* rlimits, nice, ionice; 0 (ionice: -1) leaves one alone. */
PVS_CHECKED int child_limit(uint64_t memory, uint64_t cpu, uint64_t files, int32_t nice, int32_t ionice);

#endif
