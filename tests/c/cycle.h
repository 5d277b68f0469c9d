/* cycle.h - one cycle under faults: tasks that may be refused, and a keeper that is replaced where it dies. */
#ifndef CYCLE_H
#define CYCLE_H

#include "rig.h"
#include "shares.h"

#define CYCLE_MOST UINT64_C(9000000000) /* nanoseconds; what takes longer hangs */

static int cycle_fd; /* lent; to be opened before the first cycle */

/* Refused submits are no tasks. */
static inline void cycle_submit(const struct pvs_spec *spec, const char *text, size_t length, const int *fds,
                                uint32_t nfds)
{
    int64_t id = pvs_submit(rig.core, spec, pvs_now(), text, length, fds, nfds);

    CHECK(id > 0 || id == -EMFILE || id == -ENOMEM);
    if (id <= 0)
        return;
    rig.tasks[id - 1].id = (uint64_t)id;
    rig.live++;
}

static inline void cycle_program(const struct pvs_spec *like, const char *script, const char *input)
{
    static char block[12000];
    struct pvs_spec spec = *like;
    uint32_t count[3] = {3, 0, 0};
    size_t length = sizeof(count);

    memcpy(block, count, sizeof(count));
    for (int i = 0; i < 3; i++) {
        const char *word = i == 0 ? "/bin/sh" : i == 1 ? "-c" : script;
        memcpy(block + length, word, strlen(word) + 1);
        length += strlen(word) + 1;
    }
    spec.kind = PVS_EXEC;
    spec.exec_bytes = (uint32_t)length;
    memcpy(block + length, input, strlen(input));
    cycle_submit(&spec, block, length + strlen(input), &cycle_fd, 1);
}

/* A keeper that could not start, or died, is replaced: that is the host's part. */
static inline void cycle_mend(void)
{
    if (rig.core->keepers[0].dead && rig.keeper_deaths) {
        seam_rest();
        CHECK_EQ(pvs_replace_keeper(rig.core, 0, rig_fork_keeper()), 0);
    }
}

/* Until all have ended; returns how long it took. */
static inline uint64_t cycle_run(void)
{
    uint64_t from = pvs_now();

    while (rig.live) {
        uint64_t took = pvs_now() - from;
        if (took > CYCLE_MOST)
            return took;
        int n = pvs_wait(rig.core, 20);
        CHECK(n >= 0 || n == -EINTR);
        (void)rig_step(0);
        cycle_mend();
    }
    return pvs_now() - from;
}

/* Each accepted task has ended, in time. */
static inline void cycle_run_all(void)
{
    uint64_t took = cycle_run();

    for (uint32_t i = 0; rig.live && i < RIG_TASKS; i++)
        if (rig.tasks[i].id && !rig.tasks[i].ends)
            fprintf(stderr, "task %u is in state %d\n", i + 1, rig_state(i + 1));
    CHECK_EQ(rig.live, 0);
    CHECK(took < CYCLE_MOST);
}

/* A share of many cycles has a seam and orphans of its own. */
static inline void cycle_prepare(void)
{
    seam_open();
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

#endif
