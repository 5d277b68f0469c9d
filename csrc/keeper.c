/*
 * keeper.c - the one process that spawns, is subreaper, signals trees and reports; how it buries is in burial.c.
 *
 * It has one thread and owns no policy: the supervisor asks, it does, it reports. When its channel reads EOF it kills
 * all that is left and leaves.
 */
#include "keeper.h"

#include "cgroup.h"
#include "channel.h"
#include "child.h"
#include "kill.h"
#include "slice.h"
#include "spawn.h"
#include "worker.h"

#include <string.h>
#include <sys.h>

static int is_passing(int error)
{
    return error == -ENOMEM || error == -ENOBUFS || error == -EAGAIN || error == -EINTR || error == -EMFILE ||
           error == -ENFILE || error == -ETOOMANYREFS;
}

/* A report that is lost is a task that never ends: a shortage is waited for, if need be without the descriptor. */
int keeper_report(const struct keeper *k, struct keeper_report r, int fd)
{
    long n = channel_send(k->fd, &r, sizeof(r), &fd, fd >= 0, 0);

    while (is_passing((int)n)) {
        (void)sys_poll(NULL, 0, 1);
        n = channel_send(k->fd, &r, sizeof(r), NULL, 0, 0);
    }
    return n < 0 ? (int)n : 0;
}

static void report_spawned(const struct keeper *k, const struct keeper_request *q, pid_t pid)
{
    int pidfd = sys_pidfd_open(pid); /* before 5.3 there is none: then the supervisor asks us to kill */

    (void)keeper_report(k, (struct keeper_report){REPORT_SPAWNED, q->proc, q->gen, pid, 0, 0}, pidfd);
    if (pidfd >= 0)
        (void)sys_close(pidfd);
}

/* ---- requests ----------------------------------------------------------------------------------- */

static int hello(struct keeper *k, const struct keeper_request *q, int *fds, uint32_t nfds)
{
    size_t bytes = sizeof(struct shared_proc) * q->proc;

    if (k->leaders || nfds < 1 || nfds != q->nfds || q->proc == 0 || q->proc > 65536)
        return -EPROTO;
    k->seen_room = q->proc + MOST_SURVIVORS + MOST_STRANGERS;
    k->seen = sys_malloc(sizeof(pid_t) * k->seen_room);
    k->leaders = sys_malloc(sizeof(struct leader) * q->proc);
    if (!k->leaders || !k->seen)
        return -ENOMEM;
    for (uint32_t i = 1; i < nfds; i++) {
        *(i == 1 && (q->flags & HELLO_PIDFD) ? &k->supervisor : &k->cgroup) = fds[i];
        fds[i] = -1; /* kept */
    }
    if (k->cgroup >= 0)
        cgroup_clean(k->cgroup);
    memset(k->leaders, 0, sizeof(struct leader) * q->proc);
    void *page = sys_mmap(bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0]);
    if (page == MAP_FAILED)
        return -errno;
    k->page = page;
    k->count = q->proc;
    int pidfd = sys_pidfd_open(getpid());
    int e = keeper_report(k, (struct keeper_report){REPORT_HELLO, 0, 0, getpid(), 0, 0}, pidfd);
    if (pidfd >= 0)
        (void)sys_close(pidfd);
    return e;
}

static void enlist(struct keeper *k, const struct keeper_request *q, pid_t pid, int grouped)
{
    k->leaders[q->proc] =
        (struct leader){LEADER_ALIVE, (q->flags & PVS_SURVIVE) != 0, (uint8_t)grouped, q->gen, pid, 0};
    report_spawned(k, q, pid);
}

/* 1: this is the new worker. */
static int spawn(struct keeper *k, const struct keeper_request *q, const int *fds, uint32_t nfds, pvs_worker **worker)
{
    struct spawn_failure failure = {EMFILE, 0}; /* some descriptors found no room here */
    struct cgroup_name name = cgroup_name(getpid(), q->proc, q->gen);
    int pid = -1, entrance = k->cgroup < 0 ? -1 : cgroup_make(k->cgroup, &name, q->memory);

    if (nfds != q->nfds) {
        pid = -1;
    } else if (q->kind == PVS_EXEC) {
        pid = spawn_program(q, fds, nfds, entrance, &failure);
    } else if (nfds == 1) {
        pid = spawn_worker(k->hooks, fds[0], (q->flags & PVS_SURVIVE) != 0, entrance);
        if (pid == 0) {
            *worker = worker_new(3, &k->page[q->proc]);
            if (!*worker)
                _exit(111);
            return 1;
        }
        failure.error = -pid;
    }
    if (entrance >= 0)
        (void)sys_close(entrance);
    if (entrance >= 0 && pid <= 0)
        cgroup_remove(k->cgroup, &name);
    if (pid > 0)
        enlist(k, q, pid, entrance >= 0);
    else
        (void)keeper_report(k, (struct keeper_report){REPORT_FAILED, q->proc, q->gen, 0, failure.error, failure.exec},
                            -1);
    return 0;
}

static void stop(struct keeper *k, const struct keeper_request *q)
{
    struct leader *l = &k->leaders[q->proc];
    int alive = l->state == LEADER_ALIVE && l->gen == q->gen;

    if (alive && q->op == KEEPER_KILL)
        (void)sys_kill(l->pid, SIGKILL); /* ours and unreaped: no stranger */
    if (q->op != KEEPER_TERM && q->op != KEEPER_CALM)
        return;
    if (alive)
        l->kill_at = q->op == KEEPER_TERM ? sys_now() + q->grace_ns : 0;
    if (alive && q->op == KEEPER_TERM)
        kill_term_tree(l->pid);
    (void)keeper_report(k, (struct keeper_report){REPORT_SIGNALLED, q->proc, q->gen, 0, 0, 0}, -1);
}

/* 1: in a new worker; 0: go on; -errno: the channel is at its end. */
static int serve(struct keeper *k, pvs_worker **worker)
{
    struct keeper_request q;
    int fds[CHANNEL_MAX_FDS], e = 0;
    uint32_t nfds = CHANNEL_MAX_FDS;
    long n = channel_recv(k->fd, &q, sizeof(q), fds, &nfds, MSG_DONTWAIT);

    if (is_passing((int)n))
        return 0;
    if (n != (long)sizeof(q)) {
        channel_close_all(fds, nfds);
        return n < 0 ? (int)n : -EPIPE;
    }
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
            burial_group(k, i, 0);
            (void)sys_kill(-l->pid, SIGKILL);
            (void)sys_kill(l->pid, SIGKILL);
        }
    }
    for (;;) {
        burial_all(k);
        if ((!left_to_end(k) && burial_sweep(k)) || sys_now() > until)
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
    static const int not_for_us[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGALRM, SIGUSR1, SIGUSR2};
    sigset_t child;

    /* it leaves when its supervisor does, and not because a terminal or an init speaks to all at once */
    for (size_t i = 0; i < sizeof(not_for_us) / sizeof(not_for_us[0]); i++)
        (void)signal(not_for_us[i], SIG_IGN);
    (void)signal(SIGCHLD, SIG_DFL); /* where a host ignores it, no child would leave a status */
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    if (sigprocmask(SIG_SETMASK, &child, NULL) < 0)
        return -errno;
    k->signals = sys_signalfd(&child);
    if (k->signals < 0)
        return -errno;
    k->children = kill_open_own();
    (void)slice_set(SLICE_NS);
    /* refused under emulators: what calls setsid there and outlives its parent is lost to us; the docs say so */
    (void)sys_prctl(PR_SET_CHILD_SUBREAPER, 1);
    return 0;
}

static void dispose(struct keeper *k)
{
    channel_close_all((int[]){k->signals, k->supervisor, k->children, k->cgroup}, 4);
    free(k->leaders);
    free(k->seen);
}

/* Whoever was asked to stop and has not by the end of its grace. Returns the milliseconds until the next, -1: none. */
static int kill_overdue(struct keeper *k)
{
    uint64_t now = 0, next = 0;

    for (uint32_t i = 0; i < k->count; i++) {
        struct leader *l = &k->leaders[i];
        if (l->state != LEADER_ALIVE || !l->kill_at)
            continue;
        now = now ? now : sys_now();
        if (l->kill_at <= now) {
            (void)sys_kill(l->pid, SIGKILL);
            l->kill_at = 0;
        } else if (!next || l->kill_at < next) {
            next = l->kill_at;
        }
    }
    if (!next)
        return -1;
    uint64_t ms = (next - now) / 1000000u + 1;
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

/* One turn of its loop: what serve() says. */
static int turn(struct keeper *k, pvs_worker **worker)
{
    struct pollfd p[3] = {{k->fd, POLLIN, 0}, {k->signals, POLLIN, 0}, {k->supervisor, POLLIN, 0}};

    int wait = kill_overdue(k);

    if (k->swept_since && (wait < 0 || wait > 20))
        wait = 20;
    if (sys_poll(p, 3, wait) < 0) {
        if (!is_passing(-errno))
            return -errno;
        if (errno != EINTR)
            (void)usleep(1000);
        return 0;
    }
    if (p[1].revents) {
        struct signalfd_siginfo info;
        (void)sys_read(k->signals, &info, sizeof(info));
    }
    if (p[1].revents || k->swept_since)
        burial_all(k);
    if (p[2].revents)
        return -EPIPE;
    return p[0].revents ? serve(k, worker) : 0;
}

int pvs_keeper_main(int fd, const struct pvs_hooks *hooks, pvs_worker **worker)
{
    struct keeper k = {.fd = fd, .signals = -1, .supervisor = -1, .cgroup = -1, .children = -1, .hooks = hooks};
    int e = prepare(&k);

    while (e == 0)
        e = turn(&k, worker);
    if (e == 1) {
        free(k.leaders); /* spawn_worker closed the descriptors */
        free(k.seen);
        return 1;
    }
    end_all(&k);
    dispose(&k);
    return e == -EPIPE || e == -ECONNRESET ? 0 : e;
}
