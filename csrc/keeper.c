/*
 * keeper.c - the one process that spawns, is subreaper, signals trees, reaps and reports.
 *
 * It has one thread and owns no policy: the supervisor asks, it does, it reports. When its channel reads EOF it kills
 * all that is left and leaves.
 */
#include "channel.h"
#include "child.h"
#include "kill.h"
#include "spawn.h"
#include "worker.h"

#include <string.h>
#include <sys.h>

#define MOST_SURVIVORS 256

/* FREE -> ALIVE (spawned) -> DEAD (a zombie that still holds its pid and group while its tree is ended) -> FREE */
enum leader_state { LEADER_FREE = 0, LEADER_ALIVE, LEADER_DEAD };

struct leader {
    uint8_t state, survive;
    uint32_t gen;
    pid_t pid;
};

struct keeper {
    int fd, signals;
    struct leader *leaders;
    uint32_t count;
    struct shared_proc *page;
    const struct pvs_hooks *hooks;
    pid_t survivors[MOST_SURVIVORS]; /* left behind by tasks that asked for it */
    uint32_t survivor_count;
    uint64_t swept_since; /* since when unknown children refuse to be gone; 0 = none left */
};

static int report(const struct keeper *k, struct keeper_report r, int fd)
{
    long n = channel_send(k->fd, &r, sizeof(r), &fd, fd >= 0, 0);
    return n < 0 ? (int)n : 0;
}

static void report_spawned(const struct keeper *k, const struct keeper_request *q, pid_t pid)
{
    int pidfd = sys_pidfd_open(pid); /* before 5.3 there is none: then the supervisor asks us to kill */

    (void)report(k, (struct keeper_report){REPORT_SPAWNED, q->proc, q->gen, pid, 0, 0}, pidfd);
    if (pidfd >= 0)
        (void)sys_close(pidfd);
}

/* ---- the dead ----------------------------------------------------------------------------------- */

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

/* What a surviving task leaves has just become our child. Remembered, so that no sweep takes it. */
static void adopt_survivors(struct keeper *k)
{
    pid_t pids[MOST_SURVIVORS];
    long n = kill_children(getpid(), pids, MOST_SURVIVORS);

    for (long i = 0; i < n && i < MOST_SURVIVORS; i++)
        if (!is_known(k, pids[i]) && k->survivor_count < MOST_SURVIVORS)
            k->survivors[k->survivor_count++] = pids[i];
}

static void reap_survivors(struct keeper *k)
{
    for (uint32_t i = 0; i < k->survivor_count;) {
        if (sys_waitpid(k->survivors[i], NULL, WNOHANG) != 0)
            k->survivors[i] = k->survivors[--k->survivor_count];
        else
            i++;
    }
}

/* Marks leaders that have died, without reaping: a zombie's pid and group cannot be reused while we signal. */
static int mark_dead(struct keeper *k)
{
    int found = 0;

    for (uint32_t i = 0; i < k->count; i++) {
        struct leader *l = &k->leaders[i];
        siginfo_t info = {0};
        if (l->state != LEADER_ALIVE || sys_waitid(P_PID, (id_t)l->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
            continue;
        if (info.si_pid != l->pid)
            continue;
        if (l->survive)
            adopt_survivors(k);
        else
            (void)sys_kill(-l->pid, SIGKILL);
        l->state = LEADER_DEAD;
        found = 1;
    }
    return found;
}

/* Kills and reaps children that are nobody's. 1 if none is left. */
static int sweep(struct keeper *k)
{
    for (int round = 0; round < 4; round++) {
        pid_t pids[64];
        long n = kill_children(getpid(), pids, 64), left = 0;
        for (long i = 0; i < n && i < 64; i++) {
            if (is_known(k, pids[i]))
                continue;
            (void)sys_kill(pids[i], SIGKILL);
            left += sys_waitpid(pids[i], NULL, WNOHANG) == 0;
        }
        if (n < 0 || (left == 0 && n < 64))
            return 1;
    }
    return 0;
}

static void report_dead(struct keeper *k)
{
    for (uint32_t i = 0; i < k->count; i++) {
        struct leader *l = &k->leaders[i];
        int status = 0, error = 0;
        if (l->state != LEADER_DEAD)
            continue;
        if (sys_waitpid(l->pid, &status, 0) != l->pid)
            error = errno;
        l->state = LEADER_FREE;
        (void)report(k, (struct keeper_report){REPORT_EXITED, i, l->gen, l->pid, error, status}, -1);
    }
}

/* See the death, finish the tree, and only then reap and report. A child stuck in the kernel delays this by 1 s at most. */
static void bury(struct keeper *k)
{
    uint64_t now = sys_now();

    reap_survivors(k);
    if (!mark_dead(k) && !k->swept_since && sweep(k))
        return;
    if (!sweep(k)) {
        if (!k->swept_since)
            k->swept_since = now;
        if (now - k->swept_since < 1000000000u)
            return;
    }
    k->swept_since = 0;
    report_dead(k);
}

/* ---- requests ----------------------------------------------------------------------------------- */

static int hello(struct keeper *k, const struct keeper_request *q, const int *fds, uint32_t nfds)
{
    size_t bytes = sizeof(struct shared_proc) * q->proc;

    if (k->leaders || nfds != 1 || q->proc == 0 || q->proc > 65536)
        return -EPROTO;
    k->leaders = sys_malloc(sizeof(struct leader) * q->proc);
    if (!k->leaders)
        return -ENOMEM;
    memset(k->leaders, 0, sizeof(struct leader) * q->proc);
    void *page = sys_mmap(bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0]);
    if (page == MAP_FAILED)
        return -errno;
    k->page = page;
    k->count = q->proc;
    int pidfd = sys_pidfd_open(getpid());
    int e = report(k, (struct keeper_report){REPORT_HELLO, 0, 0, getpid(), 0, 0}, pidfd);
    if (pidfd >= 0)
        (void)sys_close(pidfd);
    return e;
}

static void enlist(struct keeper *k, const struct keeper_request *q, pid_t pid)
{
    k->leaders[q->proc] = (struct leader){LEADER_ALIVE, (q->flags & PVS_SURVIVE) != 0, q->gen, pid};
    report_spawned(k, q, pid);
}

/* 1: this is the new worker. */
static int spawn(struct keeper *k, const struct keeper_request *q, const int *fds, uint32_t nfds, pvs_worker **worker)
{
    struct spawn_failure failure = {EPROTO, 0};
    int pid = -1;

    if (q->kind == PVS_EXEC) {
        pid = spawn_program(q, fds, nfds, &failure);
    } else if (nfds == 1) {
        pid = spawn_worker(k->hooks, fds[0], (q->flags & PVS_SURVIVE) != 0);
        if (pid == 0) {
            *worker = worker_new(3, &k->page[q->proc]);
            if (!*worker)
                _exit(111);
            return 1;
        }
        failure.error = -pid;
    }
    if (pid > 0)
        enlist(k, q, pid);
    else
        (void)report(k, (struct keeper_report){REPORT_FAILED, q->proc, q->gen, 0, failure.error, failure.exec}, -1);
    return 0;
}

static void stop(struct keeper *k, const struct keeper_request *q)
{
    const struct leader *l = &k->leaders[q->proc];
    int alive = l->state == LEADER_ALIVE && l->gen == q->gen;

    if (alive && q->op == KEEPER_KILL)
        (void)sys_kill(l->pid, SIGKILL); /* ours and unreaped: no stranger */
    if (q->op != KEEPER_TERM)
        return;
    if (alive)
        kill_term_tree(l->pid);
    (void)report(k, (struct keeper_report){REPORT_SIGNALLED, q->proc, q->gen, 0, 0, 0}, -1);
}

/* 1: in a new worker; 0: go on; -errno: the channel is at its end. */
static int serve(struct keeper *k, pvs_worker **worker)
{
    struct keeper_request q;
    int fds[CHANNEL_MAX_FDS], e = 0;
    uint32_t nfds = CHANNEL_MAX_FDS;
    long n = channel_recv(k->fd, &q, sizeof(q), fds, &nfds, MSG_DONTWAIT);

    if (n == -EAGAIN || n == -EINTR)
        return 0;
    if (n != (long)sizeof(q))
        return n < 0 ? (int)n : -EPIPE;
    if (q.op == KEEPER_HELLO)
        e = hello(k, &q, fds, nfds);
    else if (!k->leaders || q.proc >= k->count)
        e = -EPROTO;
    else if (q.op == KEEPER_SPAWN)
        e = spawn(k, &q, fds, nfds, worker);
    else
        stop(k, &q);
    if (e != 1) /* in a worker they are closed, and their numbers may be others' by now */
        channel_close_all(fds, nfds);
    return e;
}

/* ---- its life ----------------------------------------------------------------------------------- */

static int left_to_end(const struct keeper *k)
{
    for (uint32_t i = 0; i < k->count; i++)
        if (k->leaders[i].state == LEADER_ALIVE && !k->leaders[i].survive)
            return 1;
    return 0;
}

/* The supervisor has gone. Nothing that did not ask to survive stays: at most 5 s for those that the kernel holds. */
static void end_all(struct keeper *k)
{
    uint64_t until = sys_now() + 5000000000u;

    for (uint32_t i = 0; i < k->count; i++) {
        const struct leader *l = &k->leaders[i];
        if (l->state == LEADER_ALIVE && !l->survive) {
            (void)sys_kill(-l->pid, SIGKILL);
            (void)sys_kill(l->pid, SIGKILL);
        }
    }
    for (;;) {
        bury(k);
        if ((!left_to_end(k) && sweep(k)) || sys_now() > until)
            return;
        struct pollfd p = {k->signals, POLLIN, 0};
        if (sys_poll(&p, 1, 20) > 0) {
            struct signalfd_siginfo info;
            (void)sys_read(k->signals, &info, sizeof(info));
        }
    }
}

static int prepare(struct keeper *k)
{
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    if (sigprocmask(SIG_SETMASK, &child, NULL) < 0)
        return -errno;
    k->signals = sys_signalfd(&child);
    if (k->signals < 0)
        return -errno;
    /* refused under emulators: what calls setsid there and outlives its parent is lost to us; the docs say so */
    (void)sys_prctl(PR_SET_CHILD_SUBREAPER, 1);
    return 0;
}

static void dispose(struct keeper *k)
{
    if (k->signals >= 0)
        (void)sys_close(k->signals);
    free(k->leaders);
}

int pvs_keeper_main(int fd, const struct pvs_hooks *hooks, pvs_worker **worker)
{
    struct keeper k = {.fd = fd, .signals = -1, .hooks = hooks};
    int e = prepare(&k);

    while (e == 0) {
        struct pollfd p[2] = {{fd, POLLIN, 0}, {k.signals, POLLIN, 0}};
        if (sys_poll(p, 2, k.swept_since ? 20 : -1) < 0 && errno != EINTR)
            break;
        if (p[1].revents) {
            struct signalfd_siginfo info;
            (void)sys_read(k.signals, &info, sizeof(info));
        }
        if (p[1].revents || k.swept_since)
            bury(&k);
        if (p[0].revents)
            e = serve(&k, worker);
    }
    if (e == 1) {
        free(k.leaders); /* spawn_worker closed the descriptors */
        return 1;
    }
    end_all(&k);
    dispose(&k);
    return e == -EPIPE || e == -ECONNRESET || e == 0 ? 0 : e;
}
