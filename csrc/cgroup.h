/* cgroup.h - a task's own cgroup v2, below a folder that was delegated to us. Internal. */
#ifndef PVS_CGROUP_H
#define PVS_CGROUP_H

#include <sys/types.h>

#include "task.h"

/* Its name is pvs-KEEPER-SLOT-GENERATION, so that keeper and supervisor find it without telling each other. */
struct cgroup_name {
    char text[48];
};
struct cgroup_name cgroup_name(pid_t keeper, uint32_t proc, uint32_t gen);

/* Makes it, with that many bytes in memory.max if there is such a file (0: no limit). Returns the descriptor by which a child
 * enters, or -errno: then the task runs without a cgroup, and its tree is ended by the older means. */
PVS_CHECKED int cgroup_make(int folder, const struct cgroup_name *name, uint64_t memory);
/* The calling process goes in; what it forks from then on is born there. Async-signal-safe. */
PVS_CHECKED int cgroup_enter(int entrance);
/* SIGKILL to all that is in it, since Linux 5.14. */
void cgroup_kill(int folder, const struct cgroup_name *name);
/* Fails while something lives in it (a task that survives), and that is meant. */
void cgroup_remove(int folder, const struct cgroup_name *name);
/* Removes what keepers that are gone could not remove. */
void cgroup_clean(int folder);

#endif
