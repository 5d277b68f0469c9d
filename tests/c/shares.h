/*
 * shares.h - many cases that mostly wait, shared out among several processes.
 */
#ifndef SHARES_H
#define SHARES_H

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define SHARES 4u

static uint32_t share;

static inline int share_is_mine(uint32_t number)
{
    return number % SHARES == share;
}

static inline void share_end_all(const pid_t *pids)
{
    for (uint32_t i = 0; i < SHARES; i++)
        if (pids[i] > 0)
            (void)kill(pids[i], SIGKILL);
}

/* Runs it in each share. The first that fails ends the others, and the program. */
static inline void share_out(void (*run)(void), void (*prepare)(void))
{
    pid_t pids[SHARES], pid;
    int status, worst = 0;

    (void)fflush(NULL);
    for (share = 0; share < SHARES; share++) {
        pids[share] = fork();
        CHECK(pids[share] >= 0);
        if (pids[share] == 0) {
            if (prepare)
                prepare();
            run();
            exit(0);
        }
    }
    while ((pid = waitpid(-1, &status, 0)) > 0)
        for (uint32_t i = 0; i < SHARES; i++) {
            if (pids[i] != pid)
                continue;
            pids[i] = 0;
            if (status != 0 && worst == 0) {
                worst = status;
                share_end_all(pids);
            }
        }
    CHECK_EQ(worst, 0);
}

#endif
