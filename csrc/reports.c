/* reports.c - what the keeper says: a process lives, could not be made, is gone; and the keeper's own end. */
#include "cgroup.h"
#include "channel.h"
#include "core.h"

#include <string.h>
#include <sys.h>

#define MOST_ENDS (RING + 3) /* events of one process that ends: its ring, a STARTED, WORKER_DIED */

/* ---- a process is gone --------------------------------------------------------------------------- */

static void set_exit(struct proc *p, int status)
{
    p->exit_kind = WIFSIGNALED(status) ? 2 : 1;
    p->exit_value = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

/* How its task ended, as far as nobody decided before. */
static int judge(const struct proc *p, int *reason)
{
    *reason = 0;
    if (p->decided)
        return p->outcome;
    *reason = p->reason;
    if (p->reason)
        return PVS_FAILED;
    if (p->exit_kind == 0)
        *reason = PVS_R_LOST_STATUS;
    else if (p->exit_kind == 2)
        *reason = PVS_R_WORKER_DIED;
    else if (p->exit_value)
        *reason = PVS_R_EXIT_STATUS;
    else if (p->kind != PVS_EXEC)
        *reason = PVS_R_NO_RESULT;
    return *reason ? PVS_FAILED : PVS_SUCCEEDED;
}

static uint64_t place_of(const struct pvs_core *c, const char *at)
{
    int inside = at >= c->region && at < c->region + c->region_size;
    return inside ? (uint64_t)(at - c->region) : (uint64_t)(uintptr_t)at;
}

static void add_output(const struct pvs_core *c, const struct proc *p, struct pvs_event *e)
{
    e->out = place_of(c, p->out.base);
    e->out_len = (int32_t)p->out.length;
    e->err = place_of(c, p->err.base);
    e->err_len = (int32_t)p->err.length;
    e->truncated = p->out.truncated || p->err.truncated;
    if (e->outcome != PVS_SUCCEEDED || p->rx.length == 0)
        return;
    e->body = place_of(c, p->rx.base);
    e->body_len = p->rx.length;
    e->value = 1;
}

static void end_front(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];
    uint32_t slot = proc_front(p);
    int reason, outcome = judge(p, &reason), signal = p->signal;
    struct task *t = task_at(c, slot);

    if (p->decided && p->exit_kind == 2 && p->exit_value == SIGKILL &&
        !p->killed) { /* by its keeper, after the grace */
        signal = SIGKILL;
        c->stats.kills++;
    }
    if (t->state == PVS_ST_OFFERED && !p->decided && batch_withdraw(c, slot)) { /* it never began */
        t->kind = (uint8_t)spec_of(c, t)->kind;
        queue_unpick(&c->queue, slot);
        return; /* withdrawing it went on to the next */
    }
    if (t->state == PVS_ST_OFFERED) { /* it was claimed, and that is all we know */
        t->started_at = entry_of(c, index, p->first)->since;
        c->stats.started++;
    }
    if (t->state != PVS_ST_STARTING)
        task_announce(c, t, p->pid);
    queue_ended(&c->queue, t->lane);
    struct pvs_event *e = task_end(c, slot, outcome, reason);
    e->error = p->error;
    e->exit_kind = p->exit_kind;
    e->exit_value = p->exit_value;
    if (outcome == PVS_TIMED_OUT)
        e->signal = signal;
    if (p->kind == PVS_EXEC)
        add_output(c, p, e);
    proc_advance(c, index);
}

/* What was sent ahead never began, or it would be the front. */
static void requeue_rest(struct pvs_core *c, uint32_t index)
{
    (void)batch_recall(c, index);
    while (proc_front(&c->procs[index]) != PVS_NONE)
        end_front(c, index);
}

static void tell_worker_died(struct pvs_core *c, const struct proc *p, uint64_t id)
{
    struct pvs_event *e = emit(c, PVS_EV_WORKER_DIED, id);

    e->pid = p->pid;
    e->exit_kind = p->exit_kind;
    e->exit_value = p->exit_value;
    e->error = p->error;
}

/* A task that no process was ever made for: the keeper died before it took the request. */
static int never_asked(const struct pvs_core *c, const struct proc *p)
{
    return p->state == PROC_WANTED && !p->reason && c->keepers[p->keeper].dead;
}

/* It was killed, and no keeper is left that sees it dead: its part of the shared page is not another's before that. */
static int still_dies(const struct pvs_core *c, const struct proc *p)
{
    struct pollfd f = {p->pidfd, POLLIN, 0};

    return p->exited == EXITED_UNSEEN && p->pidfd >= 0 && c->now < p->deadline && sys_poll(&f, 1, 0) == 0;
}

void proc_ended(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];

    p->listed = 0;
    if (still_dies(c, p)) {
        come_back(c, p);
        return;
    }
    collect_all(c, index);
    if (p->listed)
        return;
    if (!has_room(c, MOST_ENDS)) {
        come_back(c, p);
        return;
    }
    uint32_t front = proc_front(p);
    int expected = p->closing || p->answered || p->killed || p->kind != PVS_POOL || p->reason == PVS_R_SPAWN_FAILED ||
                   p->decided || p->grace_runs || p->term_sent || (front == PVS_NONE && c->keepers[p->keeper].retired);
    uint64_t id = front == PVS_NONE ? 0 : task_at(c, front)->id;
    if (front != PVS_NONE && never_asked(c, p) && task_at(c, front)->state != PVS_ST_STOPPING) {
        task_at(c, front)->proc = PVS_NONE;
        task_at(c, front)->started_at = 0;
        task_at(c, front)->kind = (uint8_t)spec_of(c, task_at(c, front))->kind;
        queue_unpick(&c->queue, front);
        proc_advance(c, index);
    } else if (front != PVS_NONE) {
        end_front(c, index);
    }
    requeue_rest(c, index);
    if (!expected)
        tell_worker_died(c, p, id);
    proc_free(c, index);
}

/* The kernel does not let a killed process die: its task ends, the slot goes on waiting for the report. */
static void end_without_report(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];

    p->listed = 0;
    if (!has_room(c, MOST_ENDS)) {
        come_back(c, p);
        return;
    }
    requeue_rest(c, index);
    collect_no_more(c, index); /* an event points to what it has said up to here */
    p->watch = WATCH_NONE;
    p->deadline = 0;
}

/* What ends goes first, and then nobody is always the first. */
void collect_listed(struct pvs_core *c)
{
    for (uint32_t i = 0; i < c->procs_used; i++) {
        const struct proc *p = &c->procs[i];
        if (!p->listed || p->state == PROC_FREE)
            continue;
        if (p->exited)
            proc_ended(c, i);
        else if (p->lost)
            end_without_report(c, i);
    }
    for (uint32_t i = 0; i < c->procs_used; i++) {
        uint32_t index = (uint32_t)((i + c->step) % c->procs_used);
        struct proc *p = &c->procs[index];
        if (!p->listed || p->state == PROC_FREE || p->exited || p->lost)
            continue;
        p->listed = 0;
        (void)collect_channel(c, index);
    }
}

/* ---- reports ------------------------------------------------------------------------------------- */

static void spawned(struct pvs_core *c, uint32_t index, const struct keeper_report *r, int pidfd)
{
    struct proc *p = &c->procs[index];
    uint32_t front = proc_front(p);

    p->state = PROC_LIVE;
    p->pid = r->pid;
    p->pidfd = pidfd;
    if (front != PVS_NONE && task_at(c, front)->state == PVS_ST_STARTING) {
        task_at(c, front)->state = PVS_ST_RUNNING;
        task_announce(c, task_at(c, front), p->pid);
    }
    if (p->rx.length > p->rx_start) /* it was quicker than its keeper */
        (void)collect_channel(c, index);
}

static void failed(struct pvs_core *c, uint32_t index, const struct keeper_report *r)
{
    struct proc *p = &c->procs[index];

    p->exited = 1;
    p->error = r->error;
    p->reason = r->value ? PVS_R_EXEC_FAILED : PVS_R_SPAWN_FAILED;
    if (proc_front(p) == PVS_NONE)
        c->spare_keeper = PVS_NONE; /* no spare can be made now: not again before the next task asks for one */
    proc_ended(c, index);
}

static void take_report(struct pvs_core *c, uint32_t keeper, const struct keeper_report *r, int *fd)
{
    struct keeper_link *k = &c->keepers[keeper];
    struct proc *p = r->proc < c->proc_count ? &c->procs[r->proc] : NULL;

    if (r->op == REPORT_HELLO) {
        k->pid = r->pid;
        k->pidfd = *fd;
        *fd = -1;
        return;
    }
    if (!p || p->gen != r->gen || p->state == PROC_FREE || p->keeper != keeper)
        return; /* of a process that this slot held before */
    switch (r->op) {
    case REPORT_SPAWNED:
        spawned(c, r->proc, r, *fd);
        *fd = -1;
        break;
    case REPORT_FAILED:
        failed(c, r->proc, r);
        break;
    case REPORT_EXITED:
        p->exited = 1;
        if (!r->error)
            set_exit(p, r->value);
        proc_ended(c, r->proc);
        break;
    case REPORT_SIGNALLED:
        if (p->term_sent)
            p->term_sent--;
        break;
    default:
        break;
    }
}

/* ---- the keeper's end ---------------------------------------------------------------------------- */

void keeper_release(struct pvs_core *c, uint32_t keeper)
{
    struct keeper_link *k = &c->keepers[keeper];

    if (k->fd >= 0) {
        (void)sys_shutdown(k->fd, SHUT_WR); /* it ends what is left, which is idle, and leaves */
        return;
    }
    memset(k, 0, sizeof(*k));
    k->fd = k->pidfd = -1;
}

static void close_keeper(struct pvs_core *c, struct keeper_link *k)
{
    unwatch_fd(c, k->fd);
    (void)sys_close(k->fd);
    if (k->pidfd >= 0)
        (void)sys_close(k->pidfd);
    k->fd = k->pidfd = -1;
    k->dead = 1;
}

/* Its keeper cannot do it any more; the next keeper removes the folder. A task that is to survive is left alone. */
static void end_group(struct pvs_core *c, uint32_t index)
{
    const struct proc *p = &c->procs[index];
    struct cgroup_name name = cgroup_name(c->keepers[p->keeper].pid, index, p->gen);
    uint32_t front = proc_front(p);

    if (c->cgroup >= 0 && (front == PVS_NONE || !(task_at(c, front)->flags & PVS_SURVIVE)))
        cgroup_kill(c->cgroup, &name);
}

static void keeper_gone(struct pvs_core *c, uint32_t keeper)
{
    struct keeper_link *k = &c->keepers[keeper];

    close_keeper(c, k);
    for (uint32_t i = 0; i < c->procs_used; i++) {
        struct proc *p = &c->procs[i];
        if (p->state == PROC_FREE || p->state == PROC_THREAD || p->keeper != keeper)
            continue;
        if (p->pidfd >= 0)
            (void)sys_pidfd_kill(p->pidfd, SIGKILL);
        end_group(c, i);
        p->exited = EXITED_UNSEEN;
        p->deadline = c->now + LOST_NS;
        p->listed = 1; /* ended by collect_listed(), after what is readable now */
        if (p->state != PROC_WANTED && !p->reason)
            p->reason = PVS_R_WORKER_DIED;
    }
    if (!k->retired || k->tasks)
        emit(c, PVS_EV_KEEPER_DIED, 0)->value = (int32_t)keeper;
    collect_listed(c);
    if (k->retired && k->tasks == 0)
        keeper_release(c, keeper);
}

void collect_keeper(struct pvs_core *c, uint32_t keeper)
{
    struct keeper_link *k = &c->keepers[keeper];

    for (int i = 0; i < 64 && k->fd >= 0; i++) {
        struct keeper_report r;
        int fd = -1;
        uint32_t nfds = 1;
        if (!has_room(c, 1)) /* a report is taken only when its consequences can be told */
            return;
        long n = channel_recv(k->fd, &r, sizeof(r), &fd, &nfds, MSG_DONTWAIT);
        if (n == -EAGAIN || n == -EINTR)
            return;
        if (n != (long)sizeof(r)) {
            keeper_gone(c, keeper);
            return;
        }
        take_report(c, keeper, &r, &fd);
        if (fd >= 0)
            (void)sys_close(fd);
    }
}
