/* deadlines.c - what the time and the caller's cancels do to tasks that run or wait. */
#include "core.h"

#include <string.h>
#include <sys.h>

#define FLOOD_NS 20000000u

static void note_lateness(struct pvs_core *c, uint64_t due)
{
    uint64_t late = c->now - due;

    c->stats.late_count++;
    c->stats.late_sum_ns += late;
    if (late > c->stats.late_max_ns)
        c->stats.late_max_ns = late;
}

/* A task behind the front that could not be taken back has been claimed. */
static int runs_ahead(const struct proc *p)
{
    for (uint32_t i = p->first + 1; p->first != p->next && i != p->next; i++)
        if (p->tasks[i % RING] != PVS_NONE)
            return 1;
    return 0;
}

static void begin_stop(struct pvs_core *c, uint32_t index, int outcome, int gracefully)
{
    struct proc *p = &c->procs[index];
    struct task *t = task_at(c, proc_front(p));

    (void)batch_recall(c, index);
    if (runs_ahead(p)) { /* the worker is past this task: its reply is there by now, or it lies */
        uint32_t front = p->first;
        collect_all(c, index);
        if (p->first == front && !p->listed)
            collect_doom(c, index, PVS_R_BAD_FRAME);
        return;
    }
    p->decided = 1;
    p->outcome = (uint8_t)outcome;
    t->state = PVS_ST_STOPPING;
    if (!gracefully) {
        proc_kill(c, index);
        return;
    }
    p->watch = WATCH_GRACE;
    p->deadline = c->now + spec_of(c, t)->grace_ns;
    proc_term(c, index);
}

/* A thread cannot be stopped: its END is told now, its place stays taken until pvs_finish(). */
static void thread_overran(struct pvs_core *c, uint32_t index, int outcome)
{
    struct proc *p = &c->procs[index];
    struct task *t = task_at(c, proc_front(p));

    if (!has_room(c, 1))
        return;
    struct pvs_event *e = emit(c, PVS_EV_END, t->id);
    e->kind = PVS_THREAD;
    e->queued_ns = t->queued_at;
    e->started_ns = t->started_at;
    e->ended_ns = c->now;
    e->outcome = outcome;
    e->cause = t->cause;
    e->after_ns = outcome == PVS_TIMED_OUT ? spec_of(c, t)->timeout_ns : 0;
    c->stats.ended++;
    c->stats.timeouts += outcome == PVS_TIMED_OUT;
    t->state = PVS_ST_STOPPING;
    p->answered = 1;
    p->watch = WATCH_NONE;
    p->deadline = 0;
}

/* A complete frame that is readable now wins: look once more before the axe falls. 1: the task is still there. */
static int still_running(struct pvs_core *c, uint32_t index, uint32_t front)
{
    const struct proc *p = &c->procs[index];

    if (p->state == PROC_THREAD)
        return 1;
    if (p->kind != PVS_EXEC)
        collect_all(c, index);
    if (p->state == PROC_FREE || p->exited || p->first == p->next || p->first != front)
        return 0;
    /* this step had no room for all that it said: the next one looks again, but a flood gains no more than that */
    return !p->listed || c->now > p->deadline + FLOOD_NS;
}

static void run_deadline(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];
    uint32_t front = p->first;
    uint64_t due;

    if (!still_running(c, index, front))
        return;
    if (p->state == PROC_THREAD) {
        note_lateness(c, p->deadline);
        thread_overran(c, index, PVS_TIMED_OUT);
        return;
    }
    proc_watch_front(c, index); /* a task sent ahead may have begun later than we knew */
    due = p->deadline;
    if (due > c->now)
        return;
    note_lateness(c, due);
    begin_stop(c, index, PVS_TIMED_OUT, (spec_of(c, task_at(c, proc_front(p)))->flags & PVS_GRACEFUL) != 0);
}

/* The kernel holds a process that was killed: its task ends all the same, its slot waits for the report. */
static void give_up(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];

    p->watch = WATCH_NONE;
    p->deadline = 0;
    if (p->first == p->next)
        return;
    if (!p->decided && !p->reason)
        p->reason = PVS_R_LOST_STATUS;
    p->lost = 1;
    p->listed = 1;
    c->more = 1;
}

static void proc_deadline(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];

    switch (p->watch) {
    case WATCH_RUN:
        run_deadline(c, index);
        break;
    case WATCH_GRACE:
        if (p->state == PROC_THREAD)
            thread_overran(c, index, p->outcome);
        else if (still_running(c, index, p->first))
            proc_kill(c, index);
        break;
    case WATCH_LINGER:
        if (p->first != p->next && !p->decided)
            p->reason = PVS_R_NO_RESULT;
        proc_kill(c, index);
        break;
    default:
        give_up(c, index);
        break;
    }
}

static void expire_queued(struct pvs_core *c, uint32_t slot)
{
    struct task *t = task_at(c, slot);

    queue_remove(&c->queue, slot);
    note_lateness(c, t->queue_deadline);
    task_done(c, slot, PVS_EXPIRED, 0, 0);
}

/* Tasks that were sent ahead still wait, as far as their queue deadline goes. */
static void expire_offered(struct pvs_core *c, uint32_t index)
{
    const struct proc *p = &c->procs[index];

    for (uint32_t i = p->first; i != p->next; i++) {
        uint32_t slot = p->tasks[i % RING];
        struct task *t = slot == PVS_NONE ? NULL : task_at(c, slot);
        if (!t || t->state != PVS_ST_OFFERED || !t->queue_deadline || t->queue_deadline > c->now)
            continue;
        if (!batch_withdraw(c, slot))
            continue;
        queue_ended(&c->queue, t->lane);
        task_done(c, slot, PVS_EXPIRED, 0, 0);
    }
}

void expire_all(struct pvs_core *c)
{
    if (c->wake_at <= c->now)
        c->wake_at = 0;
    for (uint32_t i = 0; i < c->procs_used; i++) {
        struct proc *p = &c->procs[i];
        if (p->state == PROC_FREE)
            continue;
        if (p->next - p->first > 1)
            expire_offered(c, i);
        if (p->recall && p->recall <= c->now)
            batch_check_recall(c, i);
        if (p->deadline && p->deadline <= c->now)
            proc_deadline(c, i);
    }
    for (;;) {
        uint32_t slot = queue_next_expiry(&c->queue);
        if (slot == PVS_NONE || task_at(c, slot)->queue_deadline > c->now)
            return;
        expire_queued(c, slot);
    }
}

/* ---- cancels ------------------------------------------------------------------------------------- */

static void cancel_thread(struct pvs_core *c, struct proc *p)
{
    const struct task *t = task_at(c, proc_front(p));

    if (p->answered)
        return;
    p->outcome = PVS_CANCELLED;
    p->watch = WATCH_GRACE;
    p->deadline = (t->flags & TASK_CANCEL_AGAIN) ? c->now : c->now + spec_of(c, t)->grace_ns;
}

static int any_cancelled(struct pvs_core *c, const struct proc *p)
{
    for (uint32_t i = p->first; i != p->next; i++)
        if (p->tasks[i % RING] != PVS_NONE && (task_at(c, p->tasks[i % RING])->flags & TASK_CANCEL))
            return 1;
    return 0;
}

/* What is readable wins. Then the front is stopped if it was cancelled; one behind it that is claimed will be the front. */
static void cancel_running(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];

    if (!p->killed)
        collect_all(c, index);
    uint32_t slot = proc_front(p);
    if (p->exited || p->killed || slot == PVS_NONE)
        return;
    struct task *t = task_at(c, slot);
    if (!(t->flags & TASK_CANCEL)) {
        p->cancel_asked = (uint8_t)any_cancelled(c, p);
        return;
    }
    if (t->state == PVS_ST_OFFERED)
        proc_watch_front(c, index); /* it has just been claimed */
    if (!p->decided)
        begin_stop(c, index, PVS_CANCELLED, !(t->flags & TASK_CANCEL_AGAIN));
    else if (t->flags & TASK_CANCEL_AGAIN)
        proc_kill(c, index);
    p->cancel_asked = (uint8_t)(!p->decided && any_cancelled(c, p));
}

void apply_cancels(struct pvs_core *c)
{
    for (uint32_t i = 0; i < c->procs_used; i++) {
        struct proc *p = &c->procs[i];
        if (!p->cancel_asked)
            continue;
        p->cancel_asked = 0;
        if (p->state == PROC_THREAD)
            cancel_thread(c, p);
        else if (p->state != PROC_FREE)
            cancel_running(c, i);
    }
}

/* Nothing that a worker has said, and no end of a program, waits to be looked at. What it would have said counts no more. */
static int has_said_nothing(const struct pvs_core *c, uint32_t index)
{
    const struct proc *p = &c->procs[index];
    struct pollfd f = {p->kind == PVS_EXEC ? p->pidfd : p->channel, POLLIN, 0};
    const struct outbox *out = &c->page[index].out;

    if (f.fd < 0 || p->rx.eof || p->rx.length > p->rx_start || sys_poll(&f, 1, 0) != 0)
        return 0;
    return p->kind != PVS_POOL || atomic_load_explicit(&out->published, memory_order_acquire) == p->stream_seen;
}

static int can_stop_now(struct pvs_core *c, uint32_t index, uint32_t slot)
{
    const struct proc *p = &c->procs[index];
    int state = task_at(c, slot)->state;

    if (proc_front(p) != slot || (state != PVS_ST_RUNNING && state != PVS_ST_STARTING))
        return 0;
    if (p->state != PROC_LIVE && p->state != PROC_SPAWNING)
        return 0;
    return !p->decided && !p->killed && !p->exited && !p->listed && !p->big && has_said_nothing(c, index);
}

void cancel_given(struct pvs_core *c, uint32_t slot)
{
    struct task *t = task_at(c, slot);
    uint32_t index = t->proc;
    struct proc *p = &c->procs[index];
    int again = (t->flags & TASK_CANCEL) != 0;

    t->flags |= again ? TASK_CANCEL_AGAIN : TASK_CANCEL;
    p->cancel_asked = 1;
    if (p->state == PROC_THREAD)
        return;
    if (again && p->decided && proc_front(p) == slot) {
        proc_kill(c, index);
    } else if (can_stop_now(c, index, slot)) {
        (void)batch_recall(c, index);
        if (!runs_ahead(p))
            begin_stop(c, index, PVS_CANCELLED, 1);
    }
}

/* ---- the timer ----------------------------------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return b && (!a || b < a) ? b : a;
}

static uint64_t next_deadline(struct pvs_core *c)
{
    uint64_t at = c->wake_at;
    uint32_t slot = queue_next_expiry(&c->queue);

    if (slot != PVS_NONE)
        at = earlier(at, task_at(c, slot)->queue_deadline);
    for (uint32_t i = 0; i < c->procs_used; i++) {
        const struct proc *p = &c->procs[i];
        if (p->state == PROC_FREE)
            continue;
        at = earlier(at, p->deadline);
        at = earlier(at, p->recall);
        for (uint32_t k = p->first; k != p->next && p->next - p->first > 1; k++)
            if (p->tasks[k % RING] != PVS_NONE && task_at(c, p->tasks[k % RING])->state == PVS_ST_OFFERED)
                at = earlier(at, task_at(c, p->tasks[k % RING])->queue_deadline);
    }
    return at;
}

/* Left alone when it fires early enough: a timer that is set a thousand times a second costs more than one that
 * fires for nothing. Disarmed when nothing is due, so that an idle process never wakes. */
void arm_timer(struct pvs_core *c)
{
    uint64_t at = next_deadline(c);
    struct itimerspec t;

    if (at ? (c->armed && c->armed <= at) : !c->armed)
        return;
    memset(&t, 0, sizeof(t));
    t.it_value.tv_sec = (time_t)(at / 1000000000u);
    t.it_value.tv_nsec = (long)(at % 1000000000u);
    if (sys_timerfd_settime(c->timer, &t) == 0)
        c->armed = at;
}
