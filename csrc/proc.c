/* proc.c - process slots and the tasks in them. */
#include "core.h"

#include "channel.h"

#include <string.h>
#include <sys.h>

uint32_t proc_front(const struct proc *p)
{
    return p->first == p->next ? PVS_NONE : p->tasks[p->first % RING];
}

static void close_one(struct pvs_core *c, int *fd)
{
    if (*fd < 0)
        return;
    unwatch_fd(c, *fd);
    (void)sys_close(*fd);
    *fd = -1;
}

static void growing_reset(struct pvs_core *c, struct growing *g)
{
    if (g->base != g->home)
        bury_memory(c, g->base); /* an event may point there until the next step */
    g->base = g->home;
    g->size = c->set.buffer_bytes;
    g->length = 0;
    g->eof = g->truncated = 0;
}

void proc_free(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];
    struct growing rx = p->rx, out = p->out, err = p->err;
    uint64_t pinned = p->rx_pinned;
    uint32_t gen = p->gen;

    close_one(c, &p->channel);
    close_one(c, &p->out_fd);
    close_one(c, &p->err_fd);
    if (p->pidfd >= 0)
        (void)sys_close(p->pidfd);
    channel_close_all(p->give, EXEC_FIXED_FDS);
    bury_memory(c, p->big);
    growing_reset(c, &rx);
    growing_reset(c, &out);
    growing_reset(c, &err);
    for (uint32_t i = 0; c->page && i < RING; i++)
        atomic_store_explicit(&entry_of(c, index, i)->state, ENTRY_FREE, memory_order_relaxed);
    if (c->page) {
        atomic_store_explicit(&c->page[index].out.flushed, 0, memory_order_relaxed);
        atomic_store_explicit(&c->page[index].out.published, 0, memory_order_relaxed);
    }
    memset(p, 0, sizeof(*p));
    memset(p->give, 0xff, sizeof(p->give));
    memset(p->tasks, 0xff, sizeof(p->tasks));
    p->rx = rx, p->out = out, p->err = err;
    p->rx_pinned = pinned;
    p->gen = gen;
    p->pidfd = p->channel = p->out_fd = p->err_fd = -1;
    p->tx_task = PVS_NONE;
}

/* ---- what runs ----------------------------------------------------------------------------------- */

static void now_running(struct pvs_core *c, struct proc *p, struct task *t, uint64_t since)
{
    if (t->state == PVS_ST_STOPPING || t->state == PVS_ST_RUNNING)
        return;
    t->started_at = since;
    t->state = p->state == PROC_LIVE || p->state == PROC_THREAD ? PVS_ST_RUNNING : PVS_ST_STARTING;
    if (p->state == PROC_LIVE)
        task_announce(c, t, p->pid);
}

/* A task that was sent ahead starts when its worker says so in the shared page. Until then its deadline can be no
 * earlier than now + timeout: look again at that time. */
void proc_watch_front(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];
    uint32_t slot = proc_front(p);

    p->watch = WATCH_NONE;
    p->deadline = 0;
    if (slot == PVS_NONE)
        return;
    struct task *t = task_at(c, slot);
    const struct entry *e = entry_of(c, index, p->first);
    uint64_t since = t->started_at, timeout = spec_of(c, t)->timeout_ns;
    if (t->state == PVS_ST_OFFERED) {
        since = c->now;
        if (atomic_load_explicit(&e->state, memory_order_acquire) == ENTRY_RUNNING) {
            since = e->since;
            now_running(c, p, t, since);
        }
    }
    if (timeout) {
        p->watch = WATCH_RUN;
        p->deadline = since + timeout;
    }
}

void proc_advance(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];

    p->tasks[p->first % RING] = PVS_NONE;
    p->decided = p->outcome = p->reason = 0;
    p->signal = 0;
    while (p->first != p->next && p->tasks[p->first % RING] == PVS_NONE)
        p->first++;
    if (p->first == p->next) {
        c->places--;
        p->recall = 0;
    }
    if (p->want_term || p->grace_runs)
        proc_calm(c, index);
    proc_watch_front(c, index);
}

/* ---- choosing a slot ----------------------------------------------------------------------------- */

/* Limits cannot be undone and what survives must not be a pool's: such a task gets a worker of its own. */
static int runs_as(const struct pvs_spec *s)
{
    int own =
        (s->flags & PVS_SURVIVE) || s->limit_memory || s->limit_cpu || s->limit_files || s->nice || s->ionice >= 0;
    return s->kind == PVS_POOL && own ? PVS_FORK : s->kind;
}

static int is_idle(const struct pvs_core *c, uint32_t index, int kind, uint32_t keeper)
{
    const struct proc *p = &c->procs[index];

    return p->kind == kind && p->keeper == keeper && p->state >= PROC_WANTED && p->state <= PROC_LIVE &&
           p->first == p->next && !p->answered && !p->doomed && !p->killed && !p->closing && !p->exited &&
           !p->term_sent && !p->want_term && !p->grace_runs && p->tx_start == p->tx_end && p->tx_task == PVS_NONE &&
           atomic_load_explicit(&entry_of(c, index, p->next)->state, memory_order_acquire) == ENTRY_FREE;
}

static uint32_t find_idle(const struct pvs_core *c, int kind, uint32_t keeper)
{
    uint32_t found = PVS_NONE;

    for (uint32_t i = 0; i < c->procs_used; i++) {
        if (!is_idle(c, i, kind, keeper))
            continue;
        if (c->procs[i].state == PROC_LIVE)
            return i;
        found = i;
    }
    return found;
}

static uint32_t find_free(struct pvs_core *c)
{
    for (uint32_t i = 0; i < c->proc_count; i++) {
        if (c->procs[i].state != PROC_FREE)
            continue;
        if (i >= c->procs_used)
            c->procs_used = i + 1;
        return i;
    }
    return PVS_NONE;
}

/* All slots are in use: an idle worker of another kind or keeper gives way. */
static void make_room(struct pvs_core *c)
{
    for (uint32_t i = 0; i < c->procs_used; i++) {
        const struct proc *p = &c->procs[i];
        if (p->state == PROC_LIVE && p->first == p->next && !p->closing && !p->answered) {
            proc_dismiss(c, i);
            return;
        }
    }
}

/* More pool workers than are wanted: the idle ones leave now, the others when they are idle. */
void proc_trim(struct pvs_core *c)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < c->procs_used; i++) {
        const struct proc *p = &c->procs[i];
        if (p->state == PROC_FREE || p->kind != PVS_POOL || p->closing || p->exited)
            continue;
        if (++kept > c->set.workers && p->state == PROC_LIVE && p->first == p->next && !p->killed) {
            proc_dismiss(c, i);
            kept--;
        }
    }
    c->trim = kept > c->set.workers;
}

void proc_linger(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];

    if (p->deadline && p->deadline <= c->now + LINGER_NS)
        return;
    p->watch = WATCH_LINGER;
    p->deadline = c->now + LINGER_NS;
}

/* ---- giving a task ------------------------------------------------------------------------------- */

static void append_frame(struct pvs_core *c, uint32_t index, struct task *t, const struct job_frame *f)
{
    struct proc *p = &c->procs[index];
    char *tx = c->txbufs + (size_t)index * TX_BYTES;

    if (sizeof(*f) + t->length > TX_BYTES - p->tx_end) {
        p->tx_task = p->tasks[(p->next - 1) % RING];
        p->tx_offset = 0;
        memcpy(tx, f, sizeof(*f));
        p->tx_end = sizeof(*f);
        return;
    }
    memcpy(tx + p->tx_end, f, sizeof(*f));
    store_payload_read(&c->store, t->payload, 0, tx + p->tx_end + sizeof(*f), t->length);
    p->tx_end += (uint32_t)sizeof(*f) + t->length;
}

/* ahead: sent to a worker that still runs another; the worker claims it. */
void proc_assign(struct pvs_core *c, uint32_t index, uint32_t slot, int ahead)
{
    struct proc *p = &c->procs[index];
    struct task *t = task_at(c, slot);
    const struct pvs_spec *s = spec_of(c, t);
    uint32_t entry = p->next % RING;

    p->tasks[entry] = slot;
    p->next++;
    t->proc = index;
    t->entry = (uint8_t)entry;
    t->kind = p->kind;
    p->fds_sent = (uint8_t)(ahead != 0);
    t->state = ahead ? PVS_ST_OFFERED : PVS_ST_STARTING;
    if (!ahead) {
        t->started_at = c->now;
        c->stats.started++;
        now_running(c, p, t, c->now);
    }
    atomic_store_explicit(&entry_of(c, index, p->next - 1)->state, ahead ? ENTRY_OFFERED : ENTRY_RUNNING,
                          memory_order_release);
    if (p->kind == PVS_EXEC)
        return;
    struct job_frame f = {.magic = JOB_MAGIC, .length = t->length, .entry = entry, .id = t->id};
    f.nfds = t->fds == PVS_NONE ? 0 : (uint32_t)c->store.fds[t->fds][0];
    f.timeout_ns = s->timeout_ns;
    f.started_ns = ahead ? 0 : c->now;
    f.flags = ahead ? JOB_AHEAD : p->kind == PVS_FORK ? JOB_ONE_SHOT | JOB_LIMITS : 0;
    f.flags |= (s->flags & PVS_SURVIVE) ? JOB_SURVIVE : 0;
    f.memory = s->limit_memory, f.cpu = s->limit_cpu, f.files = s->limit_files;
    f.nice = s->nice, f.ionice = s->ionice;
    append_frame(c, index, t, &f);
}

static int start_thread(struct pvs_core *c, uint32_t slot)
{
    uint32_t index = find_free(c);
    struct task *t = task_at(c, slot);

    if (index == PVS_NONE)
        return -EAGAIN;
    struct proc *p = &c->procs[index];
    p->state = PROC_THREAD;
    p->kind = PVS_THREAD;
    p->answered = 0;
    p->first = 0, p->next = 1;
    p->tasks[0] = slot;
    t->proc = index;
    t->state = PVS_ST_RUNNING;
    t->started_at = c->now;
    c->places++;
    c->stats.started++;
    proc_watch_front(c, index);
    task_announce(c, t, 0);
    struct pvs_event *e = emit(c, PVS_EV_START, t->id);
    e->kind = PVS_THREAD;
    e->queued_ns = t->queued_at;
    e->started_ns = c->now;
    return 0;
}

/* The task could not even be tried: it ends, and that is told with this step. */
static void start_failed(struct pvs_core *c, uint32_t slot, int error)
{
    struct task *t = task_at(c, slot);

    t->started_at = c->now;
    queue_ended(&c->queue, t->lane);
    task_done(c, slot, PVS_FAILED, PVS_R_SPAWN_FAILED, -error);
}

static int is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS || error == ENOSPC;
}

int proc_start(struct pvs_core *c, uint32_t slot)
{
    const struct pvs_spec *s = spec_of(c, task_at(c, slot));
    int kind = runs_as(s), e = 0;

    if (s->kind == PVS_THREAD)
        return start_thread(c, slot);
    if (c->keepers[s->keeper].dead || c->keepers[s->keeper].fd < 0)
        return -ENOTCONN;
    int own = kind == PVS_EXEC || (s->flags & PVS_SURVIVE) || (s->limit_memory && c->cgroup >= 0);
    uint32_t index = own ? PVS_NONE : find_idle(c, kind, s->keeper);
    int fresh = index == PVS_NONE;
    if (fresh)
        index = find_free(c);
    if (index == PVS_NONE) {
        make_room(c);
        return -EAGAIN;
    }
    if (fresh)
        e = proc_spawn(c, index, kind, s->keeper, slot);
    if (e < 0 && c->places && is_shortage(-e))
        return -EAGAIN; /* what runs gives back when it ends */
    if (e < 0) {
        start_failed(c, slot, e);
        return 0;
    }
    c->places++;
    if (kind == PVS_EXEC) {
        c->procs[index].rx.limit = s->result_limit;
        c->procs[index].out.limit = c->procs[index].err.limit = s->output_limit;
    }
    if (kind == PVS_FORK)
        c->spare_keeper = s->keeper;
    proc_assign(c, index, slot, 0);
    if (fresh)
        proc_ask_keeper(c, s->keeper);
    proc_flush(c, index);
    proc_watch_front(c, index);
    return 0;
}

/* ---- sending ------------------------------------------------------------------------------------- */

static void arm_tx(struct pvs_core *c, uint32_t index, int on)
{
    struct proc *p = &c->procs[index];

    if (p->tx_armed == on || p->rx.eof)
        return;
    p->tx_armed = (uint8_t)on;
    rewatch_fd(c, p->channel, on ? EPOLLIN | EPOLLOUT : EPOLLIN, TAG(TAG_CHANNEL, index));
}

/* The next piece of a large job goes to txbuf. */
static void refill(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];
    const struct task *t = task_at(c, p->tx_task);
    size_t n = t->length - p->tx_offset;

    if (n > TX_BYTES)
        n = TX_BYTES;
    store_payload_read(&c->store, t->payload, p->tx_offset, c->txbufs + (size_t)index * TX_BYTES, n);
    p->tx_start = 0;
    p->tx_end = (uint32_t)n;
    p->tx_offset += n;
    if (p->tx_offset == t->length)
        p->tx_task = PVS_NONE;
}

/* It is dying, and its end is on the way; one that only stopped to listen is killed. */
static void proc_deaf(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];

    p->tx_start = p->tx_end = 0;
    p->tx_task = PVS_NONE;
    p->doomed = 1;
    arm_tx(c, index, 0);
    if (!p->exited && !p->killed)
        proc_linger(c, index);
}

void proc_flush(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];
    const char *tx = c->txbufs + (size_t)index * TX_BYTES;

    if (p->kind == PVS_EXEC || p->channel < 0 || p->killed)
        return;
    while (p->tx_start < p->tx_end || p->tx_task != PVS_NONE) {
        if (p->tx_start == p->tx_end)
            refill(c, index);
        uint32_t front = proc_front(p);
        const int *lent = NULL;
        /* descriptors go with the first byte of a job, and only a job that is alone has any */
        if (front != PVS_NONE && !p->fds_sent && task_at(c, front)->fds != PVS_NONE)
            lent = c->store.fds[task_at(c, front)->fds];
        long n = channel_send(p->channel, tx + p->tx_start, p->tx_end - p->tx_start, lent ? lent + 1 : NULL,
                              lent ? (uint32_t)lent[0] : 0, MSG_DONTWAIT);
        if (n < 0) {
            if (n != -EPIPE && n != -ECONNRESET)
                arm_tx(c, index, 1); /* no room now, or no memory: again as soon as it can be written to */
            else
                proc_deaf(c, index);
            return;
        }
        p->fds_sent = 1;
        p->tx_start += (uint32_t)n;
    }
    p->tx_start = p->tx_end = 0;
    arm_tx(c, index, 0);
}

/* ---- spares -------------------------------------------------------------------------------------- */

void proc_spares(struct pvs_core *c)
{
    uint32_t keeper = c->spare_keeper, have = 0;

    if (keeper == PVS_NONE || c->set.spares == 0 || c->set.workers == 0)
        return;
    if (!c->keepers[keeper].used || c->keepers[keeper].dead || c->keepers[keeper].retired) {
        c->spare_keeper = PVS_NONE;
        return;
    }
    for (uint32_t i = 0; i < c->procs_used; i++)
        have += is_idle(c, i, PVS_FORK, keeper) != 0;
    while (have < c->set.spares) {
        uint32_t index = find_free(c);
        if (index == PVS_NONE || proc_spawn(c, index, PVS_FORK, keeper, PVS_NONE) < 0)
            return;
        have++;
        proc_ask_keeper(c, keeper);
    }
}
