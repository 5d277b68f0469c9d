/* spawn.h - making processes: a worker by fork, a program by vfork and exec. Internal, for the keeper. */
#ifndef PVS_SPAWN_H
#define PVS_SPAWN_H

#include "frame.h"

/* Forks with the host language's hooks. >0 the child's pid, 0 in the child, -errno. In the child signals are at their
 * default, it leads its own session (in its own cgroup, if entrance is not -1), and only 0, 1, 2 and channel (as descriptor 3) are open. */
PVS_CHECKED int spawn_worker(const struct pvs_hooks *hooks, int channel, int survive, int entrance);

struct spawn_failure {
    int error; /* errno */
    int exec;  /* 1: execve failed, 0: something before it */
};

/* fds: channel, stdin, stdout, stderr, exec block, lent...; they become 3, 0, 1, 2, -, 4... in the program.
 * Returns the pid, or -1 with *failure. */
PVS_CHECKED int spawn_program(const struct keeper_request *request, const int *fds, uint32_t nfds, int entrance,
                              struct spawn_failure *failure);

#endif
