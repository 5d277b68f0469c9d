/* core.c - open, close, submit, cancel, and step(): wake -> collect -> expire -> dispatch. */
#include "core.h"

#include "channel.h"

#include <string.h>
#include <sys.h>

/* ---- events ------------------------------------------------------------------------------------- */

struct pvs_event *emit(struct pvs_core *c, int type, uint64_t id)
{
    struct pvs_event *e = &c->out.at[c->out.count++];

    memset(e, 0, sizeof(*e));
    e->type = type;
    e->id = id;
    return e;
}

int has_room(struct pvs_core *c, uint32_t events)
{
    if (c->out.max - c->out.count >= events && c->grave_count + 3 * events <= c->grave_room)
        return 1;
    c->more = 1;
    return 0;
}

void come_back(struct pvs_core *c, struct proc *p)
{
    p->listed = 1;
    c->more = 1;
}

void bury_memory(struct pvs_core *c, char *memory)
{
    if (memory)
        c->graves[c->grave_count++] = memory;
}

int watch_fd(struct pvs_core *c, int fd, uint32_t events, uint64_t tag)
{
    struct epoll_event ev = {.events = events, .data.u64 = tag};
    return sys_epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

void rewatch_fd(struct pvs_core *c, int fd, uint32_t events, uint64_t tag)
{
    struct epoll_event ev = {.events = events, .data.u64 = tag};
    (void)sys_epoll_ctl(c->epoll, EPOLL_CTL_MOD, fd, &ev);
}

void unwatch_fd(struct pvs_core *c, int fd)
{
    (void)sys_epoll_ctl(c->epoll, EPOLL_CTL_DEL, fd, NULL);
}

/* ---- tasks -------------------------------------------------------------------------------------- */

struct task *task_at(struct pvs_core *c, uint32_t slot)
{
    return &c->queue.slab[slot];
}

const struct pvs_spec *spec_of(const struct pvs_core *c, const struct task *t)
{
    return &c->store.specs[t->spec].spec;
}

static void task_forget(struct pvs_core *c, uint32_t slot)
{
    struct task *t = task_at(c, slot);
    uint32_t keeper = spec_of(c, t)->keeper;
    int kind = spec_of(c, t)->kind;

    store_payload_drop(&c->store, t->payload, t->length);
    store_fds_drop(&c->store, t->fds);
    store_spec_drop(&c->store, t->spec);
    queue_release_record(&c->queue, slot);
    if (kind >= PVS_FORK && --c->keepers[keeper].tasks == 0 && c->keepers[keeper].retired)
        keeper_release(c, keeper);
}

void task_announce(struct pvs_core *c, struct task *t, int pid)
{
    if (!c->want_started || t->announced || !has_room(c, 2))
        return;
    t->announced = 1;
    struct pvs_event *e = emit(c, PVS_EV_STARTED, t->id);
    e->queued_ns = t->queued_at;
    e->started_ns = t->started_at;
    e->pid = pid;
    e->kind = t->kind;
}

static struct pvs_event *end_event(struct pvs_core *c, struct task *t, int outcome, int reason)
{
    const struct pvs_spec *spec = spec_of(c, t);
    struct pvs_event *e = emit(c, PVS_EV_END, t->id);

    e->kind = t->kind;
    e->queued_ns = t->queued_at;
    e->started_ns = t->started_at;
    /* its worker may have begun after this step's time was taken */
    e->ended_ns = c->now > t->started_at ? c->now : t->started_at;
    e->outcome = outcome;
    e->reason = reason;
    e->cause = t->cause;
    e->pid = t->proc != PVS_NONE ? c->procs[t->proc].pid : 0;
    if (outcome == PVS_TIMED_OUT)
        e->after_ns = spec->timeout_ns;
    c->stats.ended++;
    c->stats.timeouts += outcome == PVS_TIMED_OUT;
    return e;
}

struct pvs_event *task_end(struct pvs_core *c, uint32_t slot, int outcome, int reason)
{
    struct pvs_event *e = end_event(c, task_at(c, slot), outcome, reason);

    task_forget(c, slot);
    return e;
}

void task_done(struct pvs_core *c, uint32_t slot, int outcome, int reason, int error)
{
    struct task *t = task_at(c, slot);

    t->state = PVS_ST_STOPPING;
    t->outcome = (uint8_t)outcome;
    t->reason = (uint8_t)reason;
    t->proc = PVS_NONE;
    t->heap_child = (uint32_t)error; /* it is on no heap any more */
    t->next = PVS_NONE;
    if (c->done_tail == PVS_NONE)
        c->done_head = slot;
    else
        task_at(c, c->done_tail)->next = slot;
    c->done_tail = slot;
}

static void tell_done(struct pvs_core *c)
{
    while (c->done_head != PVS_NONE && has_room(c, 1)) {
        uint32_t slot = c->done_head;
        struct task *t = task_at(c, slot);
        int error = (int)t->heap_child;
        c->done_head = t->next;
        if (c->done_head == PVS_NONE)
            c->done_tail = PVS_NONE;
        task_end(c, slot, t->outcome, t->reason)->error = error;
    }
}

/* ---- submit and cancel -------------------------------------------------------------------------- */

static int spec_is_valid(const struct pvs_core *c, const struct pvs_spec *s, size_t length)
{
    if (s->kind < PVS_INLINE || s->kind > PVS_EXEC || s->priority < 0 || s->priority >= PVS_PRIORITIES)
        return 0;
    if (s->lane >= c->set.lanes || (s->kind == PVS_EXEC && (s->exec_bytes == 0 || s->exec_bytes > length)))
        return 0;
    if (s->kind < PVS_FORK || c->set.workers == 0)
        return s->kind < PVS_FORK || s->keeper < MOST_KEEPERS;
    return s->keeper < MOST_KEEPERS && c->keepers[s->keeper].used && !c->keepers[s->keeper].retired;
}

static void task_setup(struct pvs_core *c, struct task *t, const struct pvs_spec *spec, uint64_t now)
{
    t->queue_deadline = spec->queue_timeout_ns ? now + spec->queue_timeout_ns : 0;
    t->lane = (uint16_t)spec->lane;
    t->priority = (uint8_t)spec->priority;
    t->class = spec->kind == PVS_INLINE ? CLASS_INLINE : CLASS_PLACE;
    t->kind = (uint8_t)spec->kind;
    t->flags = (uint8_t)(spec->flags & (PVS_GRACEFUL | PVS_SURVIVE | PVS_HOLD));
    t->cause = PVS_BY_NONE;
    t->announced = 0;
    t->proc = PVS_NONE;
    t->queued_at = now;
    t->started_at = 0;
    if (spec->kind >= PVS_FORK)
        c->keepers[spec->keeper].tasks++;
}

int64_t pvs_submit(pvs_core *c, const struct pvs_spec *spec, uint64_t now, const char *payload, size_t length,
                   const int *fds, uint32_t nfds)
{
    uint32_t first = PVS_NONE, lent = PVS_NONE, interned = PVS_NONE;
    int e;

    if (!spec_is_valid(c, spec, length))
        return -EINVAL;
    uint32_t slot = queue_alloc(&c->queue);
    if (slot == PVS_NONE)
        return -ENOBUFS;
    e = store_payload(&c->store, payload, length, &first);
    if (e == 0)
        e = store_fds(&c->store, fds, nfds, &lent);
    if (e == 0)
        e = store_spec(&c->store, spec, &interned);
    if (e < 0) {
        store_payload_drop(&c->store, first, length);
        store_fds_drop(&c->store, lent);
        queue_release_record(&c->queue, slot);
        return e;
    }
    struct task *t = task_at(c, slot);
    t->spec = interned;
    t->payload = first;
    t->length = (uint32_t)length;
    t->fds = lent;
    task_setup(c, t, spec, now);
    if (spec->flags & PVS_HOLD)
        queue_hold(&c->queue, slot);
    else
        queue_push(&c->queue, slot);
    c->stats.submitted++;
    pvs_wake(c);
    return (int64_t)t->id;
}

int pvs_release(pvs_core *c, uint64_t id)
{
    uint32_t slot = queue_find(&c->queue, id);

    if (slot == PVS_NONE || task_at(c, slot)->state != PVS_ST_HELD)
        return -ENOENT;
    queue_push(&c->queue, slot);
    pvs_wake(c);
    return 0;
}

/* It has ended, and the caller has just not been told; or has, and its thread is still busy. */
static int is_over(const struct pvs_core *c, const struct task *t)
{
    if (t->state != PVS_ST_STOPPING)
        return 0;
    return t->proc == PVS_NONE || (c->procs[t->proc].state == PROC_THREAD && c->procs[t->proc].answered);
}

int pvs_cancel(pvs_core *c, uint64_t id, uint64_t now, int32_t cause)
{
    uint32_t slot = queue_find(&c->queue, id);
    struct task *t = slot == PVS_NONE ? NULL : task_at(c, slot);

    if (!t || is_over(c, t))
        return -ENOENT;
    if (now > c->now)
        c->now = now;
    if (t->cause == PVS_BY_NONE)
        t->cause = (uint8_t)cause;
    if (t->state == PVS_ST_HELD || t->state == PVS_ST_QUEUED) {
        queue_remove(&c->queue, slot);
        task_done(c, slot, PVS_CANCELLED, 0, 0);
    } else if (t->state == PVS_ST_OFFERED && batch_withdraw(c, slot)) {
        queue_ended(&c->queue, t->lane);
        task_done(c, slot, PVS_CANCELLED, 0, 0);
    } else if (t->proc != PVS_NONE) {
        cancel_given(c, slot);
    } /* INLINE: it runs in the caller's own thread; pvs_finish() says how it ended */
    pvs_wake(c);
    return 0;
}

/* A THREAD's place is free again. 1: it overran, and its END was told then. */
static int leave_thread(struct pvs_core *c, struct task *t)
{
    uint32_t index = t->proc;
    int told = c->procs[index].answered;

    c->places--;
    t->proc = PVS_NONE;
    proc_free(c, index);
    return told;
}

int pvs_finish(pvs_core *c, uint64_t id, uint64_t now, int32_t outcome, int32_t reason)
{
    uint32_t slot = queue_find(&c->queue, id);
    struct task *t = slot == PVS_NONE ? NULL : task_at(c, slot);

    (void)now;
    if (!t || t->state == PVS_ST_QUEUED || t->state == PVS_ST_OFFERED ||
        (t->state == PVS_ST_STOPPING && t->proc == PVS_NONE))
        return -ENOENT;
    if (t->proc != PVS_NONE && c->procs[t->proc].state != PROC_THREAD)
        return -EINVAL; /* it is a worker's, not the caller's */
    if (t->state == PVS_ST_HELD) {
        queue_remove(&c->queue, slot);
    } else {
        queue_ended(&c->queue, t->lane);
        if (t->proc != PVS_NONE && leave_thread(c, t)) {
            task_forget(c, slot);
            pvs_wake(c);
            return 0;
        }
        if (t->cause != PVS_BY_NONE)
            outcome = PVS_CANCELLED;
    }
    task_done(c, slot, outcome, outcome == PVS_CANCELLED ? 0 : reason, 0);
    pvs_wake(c);
    return 0;
}

/* ---- the step ----------------------------------------------------------------------------------- */

void pvs_wake(pvs_core *c)
{
    uint64_t one = 1;
    ssize_t n;

    if (atomic_exchange(&c->woken, 1) != 0)
        return;
    do
        n = sys_write(c->wake, &one, sizeof(one));
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) /* EAGAIN: it is as readable as can be */
        atomic_store(&c->woken, 0);
}

static void take_wake(struct pvs_core *c)
{
    uint64_t count;

    (void)sys_read(c->wake, &count, sizeof(count));
    (void)atomic_exchange(&c->woken,
                          0); /* an exchange: what was written before a pvs_wake() that found 1 is seen from here on */
}

static void take_timer(struct pvs_core *c)
{
    uint64_t count;

    if (sys_read(c->timer, &count, sizeof(count)) > 0)
        c->armed = 0;
}

static void collect_one(struct pvs_core *c, uint64_t tag, uint32_t events)
{
    uint32_t index = (uint32_t)tag;

    switch (tag >> 32) {
    case TAG_WAKE:
        take_wake(c);
        break;
    case TAG_TIMER:
        take_timer(c);
        break;
    case TAG_KEEPER:
        if (events & EPOLLOUT)
            proc_ask_keeper(c, index);
        collect_keeper(c, index);
        break;
    case TAG_CHANNEL:
        if (events & EPOLLOUT)
            proc_flush(c, index);
        collect_channel(c, index);
        break;
    case TAG_OUT:
    case TAG_ERR:
        collect_output(c, index, tag >> 32 == TAG_ERR);
        break;
    default:
        break;
    }
}

/* Hands INLINE tasks, or with workers = 0 any task, to the caller. */
static void dispatch_inline(struct pvs_core *c)
{
    unsigned mask = c->set.workers ? MASK_INLINE : MASK_INLINE | MASK_PLACE;

    for (uint32_t i = 0; i < c->set.inline_budget && has_room(c, 1); i++) {
        uint32_t slot = queue_pick(&c->queue, mask);
        if (slot == PVS_NONE)
            return;
        struct task *t = task_at(c, slot);
        t->state = PVS_ST_RUNNING;
        t->started_at = c->now;
        t->kind = PVS_INLINE;
        c->stats.started++;
        struct pvs_event *e = emit(c, PVS_EV_START, t->id);
        e->queued_ns = t->queued_at;
        e->started_ns = c->now;
        e->kind = PVS_INLINE;
    }
    pvs_wake(c); /* there may be more: the budget was used up */
}

/* What waits for a keeper that is gone is set aside meanwhile: it must not hold up what waits for another. */
static void dispatch_places(struct pvs_core *c)
{
    uint32_t aside = PVS_NONE;

    while (c->places < c->set.workers && has_room(c, 2)) {
        uint32_t slot = queue_pick(&c->queue, MASK_PLACE);
        if (slot == PVS_NONE) {
            if (!batch_steal(c))
                break;
            continue;
        }
        int e = proc_start(c, slot);
        if (e == 0)
            continue;
        task_at(c, slot)->next = aside;
        aside = slot;
        if (e != -ENOTCONN)
            break;
    }
    while (aside != PVS_NONE) {
        uint32_t slot = aside;
        aside = task_at(c, slot)->next;
        queue_unpick(&c->queue, slot);
    }
}

static void dispatch(struct pvs_core *c)
{
    dispatch_places(c);
    if (c->set.workers && c->places >= c->set.workers)
        batch_fill(c);
    proc_spares(c);
    if (c->trim)
        proc_trim(c);
    dispatch_inline(c);
}

void pvs_wake_at(pvs_core *c, uint64_t when)
{
    c->wake_at = when;
    arm_timer(c);
}

int pvs_wait(pvs_core *c, int timeout_ms)
{
    if (c->ready_count > 0)
        return 1;
    int n = sys_epoll_wait(c->epoll, c->ready, 64, timeout_ms);
    if (n < 0)
        return -errno;
    c->ready_count = n;
    c->stats.wakeups++;
    return n > 0;
}

static void release_graves(struct pvs_core *c)
{
    while (c->grave_count)
        free(c->graves[--c->grave_count]);
}

int pvs_step(pvs_core *c, uint64_t now, struct pvs_event *events, uint32_t max)
{
    if (max < PVS_MIN_EVENTS)
        return -EINVAL;
    c->now = now;
    c->step++;
    c->more = 0;
    c->out = (struct emitted){events, max, 0};
    release_graves(c);
    if (c->ready_count == 0) {
        int n = sys_epoll_wait(c->epoll, c->ready, 64, 0);
        c->ready_count = n > 0 ? n : 0;
        c->stats.wakeups += n > 0; /* of a host that sleeps in a loop of its own, and not in pvs_wait() */
    }
    collect_listed(c);
    for (int i = 0; i < c->ready_count; i++)
        collect_one(c, c->ready[i].data.u64, c->ready[i].events);
    c->ready_count = 0;
    apply_cancels(c);
    expire_all(c);
    tell_done(c);
    dispatch(c);
    tell_done(c); /* spawns that failed at once */
    arm_timer(c);
    if (c->more || c->done_head != PVS_NONE)
        pvs_wake(c);
    return (int)c->out.count;
}

const char *pvs_bodies(const pvs_core *c)
{
    return c->region;
}
uint64_t pvs_bodies_size(const pvs_core *c)
{
    return c->region_size;
}
int pvs_fileno(const pvs_core *c)
{
    return c->epoll;
}
uint64_t pvs_now(void)
{
    return sys_now();
}
