/*
 * burial.c - see a death, finish its tree, spare what is to survive, and only then reap and report.
 *
 * Whatever becomes the keeper's child without being asked for is an orphan of a task: it is killed, unless it comes from
 * one that survives. Where it comes from is told by when it comes: the kernel gives an orphan away when its parent dies.
 */
#include "keeper.h"

#include "cgroup.h"
#include "kill.h"

#include <sys.h>

void burial_group(const struct keeper *k, uint32_t index, int remove)
{
    const struct leader *l = &k->leaders[index];
    struct cgroup_name name = cgroup_name(getpid(), index, l->gen);

    if (l->grouped && remove)
        cgroup_remove(k->cgroup, &name);
    else if (l->grouped && !l->survive)
        cgroup_kill(k->cgroup, &name);
}

static int is_known(void *arg, pid_t pid)
{
    const struct keeper *k = arg;

    for (uint32_t i = 0; i < k->count; i++)
        if (k->leaders[i].state != LEADER_FREE && k->leaders[i].pid == pid)
            return 1;
    for (uint32_t i = 0; i < k->survivor_count; i++)
        if (k->survivors[i] == pid)
            return 1;
    return 0;
}

static void remember(struct keeper *k, pid_t pid)
{
    if (k->survivor_count < MOST_SURVIVORS)
        k->survivors[k->survivor_count++] = pid;
}

/* In the session of a task that has ended and did not ask to survive. */
static int is_of_the_dead(const struct keeper *k, pid_t pid)
{
    pid_t session = getsid(pid);

    for (uint32_t i = 0; i < k->count; i++)
        if (k->leaders[i].state == LEADER_DEAD && !k->leaders[i].survive && k->leaders[i].pid == session)
            return 1;
    return 0;
}

static size_t list_children(struct keeper *k)
{
    long n = k->seen ? kill_read_own(k->children, k->seen, k->seen_room) : 0;

    return n < 0 ? 0 : (size_t)n;
}

/* What a surviving task leaves has just become our child. Remembered, so that no sweep takes it. */
static void adopt_survivors(struct keeper *k)
{
    size_t n = list_children(k);

    for (size_t i = 0; i < n && i < k->seen_room; i++)
        if (!is_known(k, k->seen[i]) && !is_of_the_dead(k, k->seen[i]))
            remember(k, k->seen[i]);
}

/* Without reaping: a zombie's pid and group cannot be reused while we signal. 1 dead; -1 dead, and reaped by another. */
static int has_died(pid_t pid)
{
    siginfo_t info = {0};

    if (sys_waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
        return errno == ECHILD ? -1 : 0;
    return info.si_pid == pid;
}

static void mark_dead(struct keeper *k)
{
    int adopt = 0;

    for (uint32_t i = 0; i < k->count; i++) {
        struct leader *l = &k->leaders[i];
        int died = l->state == LEADER_ALIVE ? has_died(l->pid) : 0;
        if (!died)
            continue;
        if (l->survive)
            adopt = 1;
        else if (died > 0)
            (void)sys_kill(-l->pid, SIGKILL);
        burial_group(k, i, 0);
        l->state = LEADER_DEAD;
    }
    if (adopt)
        adopt_survivors(k);
}

/* What one that survives leaves in its turn survives too. After mark_dead(), so that what the dead left is told apart. */
static void reap_survivors(struct keeper *k)
{
    int adopt = 0;

    for (uint32_t i = 0; i < k->survivor_count;) {
        if (sys_waitpid(k->survivors[i], NULL, WNOHANG) != 0) {
            k->survivors[i] = k->survivors[--k->survivor_count];
            adopt = 1;
        } else {
            i++;
        }
    }
    if (adopt)
        adopt_survivors(k);
}

static int survivor_died(const struct keeper *k)
{
    for (uint32_t i = 0; i < k->count; i++)
        if (k->leaders[i].state == LEADER_ALIVE && k->leaders[i].survive && has_died(k->leaders[i].pid))
            return 1;
    for (uint32_t i = 0; i < k->survivor_count; i++)
        if (has_died(k->survivors[i]))
            return 1;
    return 0;
}

/* On its way out a leader takes no orphans any more, though it is not dead: those of its tree come to us before it does. */
static int survivor_leaves(const struct keeper *k)
{
    for (uint32_t i = 0; i < k->count; i++)
        if (k->leaders[i].state == LEADER_ALIVE && k->leaders[i].survive && kill_is_leaving(k->leaders[i].pid))
            return 1;
    return 0;
}

int burial_sweep(struct keeper *k)
{
    for (int round = 0; round < 4; round++) {
        size_t n = list_children(k), left = n > k->seen_room ? n - k->seen_room : 0;
        pid_t *list = k->seen;
        for (size_t i = 0; i < n && i < k->seen_room; i++) {
            if (is_known(k, list[i]))
                continue;
            /* it may be what a survivor left that died after mark_dead(), but before the list was made */
            if (survivor_died(k)) {
                mark_dead(k);
                reap_survivors(k);
                left++;
                break;
            }
            if (survivor_leaves(k)) {
                left++;
                continue;
            }
            (void)sys_kill(list[i], SIGKILL);
            left += sys_waitpid(list[i], NULL, WNOHANG) == 0;
        }
        if (left == 0)
            return 1;
    }
    return 0;
}

/* Killed, but the kernel does not let them go: they shall not hold up every later report. */
static void leave_stuck(struct keeper *k)
{
    size_t n = list_children(k);

    for (size_t i = 0; i < n && i < k->seen_room; i++)
        if (!is_known(k, k->seen[i]))
            remember(k, k->seen[i]);
    k->swept_since = 0;
}

static void report_dead(struct keeper *k)
{
    for (uint32_t i = 0; i < k->count; i++) {
        struct leader *l = &k->leaders[i];
        int status = 0, error = 0;
        if (l->state != LEADER_DEAD)
            continue;
        pid_t pid = sys_waitpid(l->pid, &status, WNOHANG);
        if (pid == 0) {
            l->state = LEADER_ALIVE; /* it is not dead at all */
            continue;
        }
        if (pid < 0)
            error = errno;
        burial_group(k, i, 1);
        l->state = LEADER_FREE;
        (void)keeper_report(k, (struct keeper_report){REPORT_EXITED, i, l->gen, l->pid, error, status}, -1);
    }
}

/* See the death, finish the tree, and only then reap and report. A child stuck in the kernel delays this by 1 s at most. */
void burial_all(struct keeper *k)
{
    mark_dead(k);
    reap_survivors(k);
    if (burial_sweep(k)) {
        k->swept_since = 0;
    } else {
        uint64_t now = sys_now();
        if (!k->swept_since)
            k->swept_since = now;
        if (now - k->swept_since < 1000000000u)
            return;
        leave_stuck(k);
    }
    report_dead(k);
}
