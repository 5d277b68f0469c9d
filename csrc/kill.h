/* kill.h - finding and ending process trees, as the keeper or a worker sees them. Internal. */
#ifndef PVS_KILL_H
#define PVS_KILL_H

#include <sys/types.h>

#include "frame.h"

/* Children of a process, by /proc/PID/task/TID/children, or by reading every /proc/PID/stat where that file is absent.
 * Returns how many there are (it may be more than max), or -errno. */
PVS_CHECKED long kill_children(pid_t of, pid_t *out, size_t max);
/* The same for the calling process while it has one thread, through a file that stays open: a third of the cost.
 * kill_open_own() gives its descriptor or -errno, and kill_read_own() takes either. */
PVS_CHECKED int kill_open_own(void);
PVS_CHECKED long kill_read_own(int fd, pid_t *out, size_t max);
/* It has begun to exit, or is a zombie. 0 where /proc cannot tell. */
PVS_CHECKED int kill_is_leaving(pid_t pid);
/* SIGTERM to the group that `leader` leads and to all that descends from it. The leader must be an unreaped child of
 * the caller: then its pid and its group cannot be reused meanwhile. */
void kill_term_tree(pid_t leader);
/* SIGKILL to every child of the calling process for which keep() says 0. Returns how many were signalled. An unreaped
 * child's pid cannot be reused, so this hits no stranger. */
PVS_CHECKED long kill_own_children(int (*keep)(void *arg, pid_t pid), void *arg);

#endif
