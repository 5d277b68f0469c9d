/* collect.c - bytes that come back: frames of workers, results and output of programs. */
#include "core.h"

#include <string.h>
#include <sys.h>

#define MOST_NOTE 65536u /* bytes of one progress or log frame */
#define MOST_READS 160   /* of TX_BYTES, in a row: more than the largest pipe (1 MiB) holds */

/* ---- streams of bytes (programs) ----------------------------------------------------------------- */

/* Doubles, up to the limit. 0: there is room now. No event points to g before its process has ended. */
static int growing_room(struct growing *g)
{
    if (g->length < g->size)
        return 0;
    uint32_t size = g->size > g->limit / 2 ? g->limit : g->size * 2;
    if (size <= g->size)
        return -ENOBUFS;
    char *larger = sys_malloc(size);
    if (!larger)
        return -ENOMEM;
    memcpy(larger, g->base, g->length);
    if (g->base != g->home)
        free(g->base);
    g->base = larger;
    g->size = size;
    return 0;
}

/* One piece. 1 something came, 0 nothing now, -1 the end. What is over the limit is read and dropped. */
static int growing_read(struct pvs_core *c, struct growing *g, int fd)
{
    char *to = c->stage;
    size_t room = TX_BYTES;
    int keep = g->length < g->limit && growing_room(g) == 0;

    if (keep) {
        uint32_t most = g->size < g->limit ? g->size : g->limit;
        to = g->base + g->length;
        room = most - g->length;
    }
    ssize_t n;
    do
        n = sys_read(fd, to, room);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : -1;
    if (n == 0)
        return -1;
    if (keep)
        g->length += (uint32_t)n;
    else
        g->truncated = 1;
    return 1;
}

static void end_of_stream(struct pvs_core *c, int *fd, struct growing *g)
{
    g->eof = 1;
    unwatch_fd(c, *fd);
    (void)sys_close(*fd);
    *fd = -1;
}

void collect_output(struct pvs_core *c, uint32_t index, int err)
{
    struct proc *p = &c->procs[index];
    struct growing *g = err ? &p->err : &p->out;
    int *fd = err ? &p->err_fd : &p->out_fd;

    for (int i = 0; i < MOST_READS && *fd >= 0; i++) {
        int n = growing_read(c, g, *fd);
        if (n < 0)
            end_of_stream(c, fd, g);
        if (n <= 0)
            return;
    }
}

static void collect_program(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];

    for (int i = 0; i < MOST_READS && p->channel >= 0; i++) {
        int n = growing_read(c, &p->rx, p->channel);
        if (n < 0)
            end_of_stream(c, &p->channel, &p->rx);
        if (n <= 0)
            break;
    }
    if (p->rx.truncated && !p->reason && !p->decided) {
        p->reason = PVS_R_RESULT_TOO_LARGE;
        proc_kill(c, index);
    }
}

/* ---- frames (workers) ---------------------------------------------------------------------------- */

void collect_doom(struct pvs_core *c, uint32_t index, int reason)
{
    struct proc *p = &c->procs[index];

    p->doomed = 1;
    p->rx_start = p->rx.length = 0;
    if (p->first != p->next && !p->decided)
        p->reason = (uint8_t)reason;
    (void)batch_recall(c, index);
    proc_kill(c, index);
}

static void set_body(const struct pvs_core *c, struct pvs_event *e, const char *body, uint32_t length)
{
    int inside = body >= c->region && body < c->region + c->region_size;

    e->body = inside ? (uint64_t)(body - c->region) : (uint64_t)(uintptr_t)body;
    e->body_len = length;
}

static void learn_run_time(struct proc *p, uint32_t ns)
{
    uint64_t most = p->run_ns * 4ull; /* one task that had to wait for a processor does not make them all slow */

    if (p->run_ns == 0)
        p->run_ns = ns | 1;
    else if (ns > most)
        p->run_ns = most > UINT32_MAX ? UINT32_MAX : (uint32_t)most;
    else
        p->run_ns = (uint32_t)((p->run_ns * 3ull + ns) / 4) | 1;
}

static void after_result(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];
    /* a pool worker that answered before it read its job is no good either */
    int last = p->kind == PVS_FORK || p->tx_task != PVS_NONE;

    atomic_store_explicit(&entry_of(c, index, p->first)->state, ENTRY_FREE, memory_order_release);
    proc_advance(c, index);
    if (last || p->rx.eof) { /* nor one that hung up; but what it has said of the tasks behind this one counts */
        p->answered = last || p->first == p->next;
        p->tx_start = p->tx_end = 0;
        p->tx_task = PVS_NONE;
        proc_linger(c, index);
    }
}

static void take_result(struct pvs_core *c, uint32_t index, const struct reply_frame *f, const char *body)
{
    struct proc *p = &c->procs[index];
    uint32_t slot = proc_front(p);
    struct task *t = task_at(c, slot);
    int outcome = f->type == PVS_REPLY_RESULT ? PVS_SUCCEEDED : PVS_FAILED;
    int reason = outcome == PVS_FAILED ? PVS_R_RAISED : PVS_R_NONE, drop = p->decided, signal = p->signal;

    if (t->state == PVS_ST_OFFERED) {
        t->started_at = entry_of(c, index, p->first)->since;
        c->stats.started++;
    }
    task_announce(c, t, p->pid);
    learn_run_time(p, f->run_ns);
    if (drop)
        outcome = p->outcome, reason = 0;
    queue_ended(&c->queue, t->lane);
    struct pvs_event *e = task_end(c, slot, outcome, reason);
    if (!drop) {
        set_body(c, e, body, f->length);
        p->rx_pinned = c->step;
        e->value = 1;
    }
    if (outcome == PVS_TIMED_OUT)
        e->signal = signal;
    after_result(c, index);
}

static void take_note(struct pvs_core *c, uint32_t index, const struct reply_frame *f, const char *body)
{
    struct proc *p = &c->procs[index];
    struct task *t = task_at(c, proc_front(p));

    if (t->state == PVS_ST_OFFERED)
        proc_watch_front(c, index); /* it was claimed after it had become the front: that comes first */
    struct pvs_event *e = emit(c, f->type == PVS_REPLY_PROGRESS ? PVS_EV_PROGRESS : PVS_EV_LOG, t->id);

    set_body(c, e, body, f->length);
    p->rx_pinned = c->step;
}

static int is_note(const struct reply_frame *f)
{
    return f->type == PVS_REPLY_PROGRESS || f->type == PVS_REPLY_LOG;
}

/* 0, or why the frame is refused. */
static int check_frame(struct pvs_core *c, uint32_t index, const struct reply_frame *f)
{
    const struct proc *p = &c->procs[index];
    uint32_t slot = proc_front(p);

    if (f->magic != REPLY_MAGIC || f->type < PVS_REPLY_RESULT || f->type > PVS_REPLY_LOG)
        return PVS_R_BAD_FRAME;
    if (slot == PVS_NONE || p->answered || f->entry != p->first % RING || f->id_low != (uint32_t)task_at(c, slot)->id)
        return PVS_R_BAD_FRAME;
    if (atomic_load_explicit(&entry_of(c, index, p->first)->state, memory_order_acquire) != ENTRY_RUNNING)
        return PVS_R_BAD_FRAME;
    if (is_note(f))
        return f->length > MOST_NOTE ? PVS_R_BAD_FRAME : 0;
    return f->length > spec_of(c, task_at(c, slot))->result_limit ? PVS_R_RESULT_TOO_LARGE : 0;
}

static void deliver(struct pvs_core *c, uint32_t index, const struct reply_frame *f, const char *body)
{
    if (is_note(f))
        take_note(c, index, f, body);
    else
        take_result(c, index, f, body);
}

/* A body that does not fit rx: the rest is read straight into memory of its own. */
static int begin_big(struct pvs_core *c, uint32_t index, const struct reply_frame *f, const char *body, uint32_t have)
{
    struct proc *p = &c->procs[index];

    p->big = sys_malloc(f->length);
    if (!p->big) {
        collect_doom(c, index, PVS_R_RESULT_TOO_LARGE);
        return -ENOMEM;
    }
    memcpy(p->big, body, have);
    p->big_got = have;
    p->big_frame = *f;
    p->rx_start = p->rx.length;
    return 0;
}

/* Notes may take half of a step's room, and those of one process an eighth: what ends tasks comes through. */
static int room_for(struct pvs_core *c, const struct reply_frame *f, uint32_t *notes)
{
    if (!is_note(f))
        return has_room(c, 4);
    return ++*notes <= c->out.max / 8 && c->out.count + 4 <= c->out.max / 2 && has_room(c, 4);
}

/* Whole frames in rx become events. */
static void parse(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];
    uint32_t notes = 0;

    while (!p->big && !p->killed && p->rx.length - p->rx_start >= sizeof(struct reply_frame)) {
        struct reply_frame f;
        uint32_t have = p->rx.length - p->rx_start - (uint32_t)sizeof(f);
        const char *body = p->rx.base + p->rx_start + sizeof(f);
        memcpy(&f, p->rx.base + p->rx_start, sizeof(f));
        int refused = check_frame(c, index, &f);
        if (refused) {
            collect_doom(c, index, refused);
            return;
        }
        if (f.length > have) {
            if (f.length + sizeof(f) > p->rx.size)
                (void)begin_big(c, index, &f, body, have);
            return;
        }
        if (!room_for(c, &f, &notes)) {
            come_back(c, p);
            return;
        }
        p->rx_start += (uint32_t)sizeof(f) + f.length;
        deliver(c, index, &f, body);
    }
}

static void channel_eof(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];

    p->rx.eof = 1;
    unwatch_fd(c, p->channel);
    p->doomed = 1;
    if (!p->exited && !p->killed)
        proc_linger(c, index); /* normally it is dead and the report is on its way; one that only hung up is killed */
}

/* Bytes that were read in the outbox already are dropped. Returns what is left of n. */
static long drop_known(struct proc *p, char *bytes, long n)
{
    uint32_t known = p->stream_seen - p->stream_at;

    p->stream_at += (uint32_t)n;
    if (known == 0) {
        p->stream_seen = p->stream_at;
        return n;
    }
    if ((long)known > n)
        known = (uint32_t)n;
    memmove(bytes, bytes + known, (size_t)n - known);
    if ((int32_t)(p->stream_at - p->stream_seen) > 0)
        p->stream_seen = p->stream_at;
    return n - (long)known;
}

/* recv() into memory. >0 bytes, 0 nothing now, -1 EOF (handled). */
static long receive(struct pvs_core *c, uint32_t index, char *to, size_t room)
{
    ssize_t n;

    do
        n = sys_recv(c->procs[index].channel, to, room, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        return drop_known(&c->procs[index], to, n);
    if (n < 0 && (errno == EAGAIN || errno == ENOMEM || errno == ENOBUFS))
        return 0;
    channel_eof(c, index);
    return -1;
}

static long receive_big(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];

    if (!has_room(c, 4)) {
        come_back(c, p);
        return 0;
    }
    long n = receive(c, index, p->big + p->big_got, p->big_frame.length - p->big_got);
    if (n <= 0)
        return n;
    p->big_got += (uint32_t)n;
    if (p->big_got == p->big_frame.length) {
        char *body = p->big;
        struct reply_frame f = p->big_frame;
        p->big = NULL;
        bury_memory(c, body);
        int refused = check_frame(c, index, &f);
        if (refused)
            collect_doom(c, index, refused);
        else
            deliver(c, index, &f, body);
    }
    return n;
}

/* What was parsed makes room for more, as soon as no event points into it any more. */
static void compact(const struct pvs_core *c, struct proc *p)
{
    struct growing *rx = &p->rx;

    if (p->rx_pinned == c->step || p->rx_start == 0)
        return;
    memmove(rx->base, rx->base + p->rx_start, rx->length - p->rx_start);
    rx->length -= p->rx_start;
    p->rx_start = 0;
}

static long receive_small(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];
    struct growing *rx = &p->rx;

    if (rx->length == rx->size) {
        come_back(c, p);
        return 0;
    }
    long n = receive(c, index, rx->base + rx->length, rx->size - rx->length);
    if (n > 0)
        rx->length += (uint32_t)n;
    return n;
}

/* Copies what the worker holds back, as far as all before it was received. The worker writes over bytes only after it
 * has flushed them: if it has flushed meanwhile, the copy may be torn and is not used, for the bytes are in the channel. */
static void harvest(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];
    struct outbox *out = &c->page[index].out;
    struct growing *rx = &p->rx;
    uint32_t flushed = atomic_load_explicit(&out->flushed, memory_order_acquire);
    uint32_t published = atomic_load_explicit(&out->published, memory_order_acquire);
    uint32_t from = p->stream_seen, length = published - from;

    if (p->big || (int32_t)(from - flushed) < 0 || (int32_t)length <= 0 || length > OUTBOX_BYTES)
        return;
    if (length > rx->size - rx->length) {
        if (p->rx_start) /* else only the rest of a frame could make room, and that comes by the channel */
            come_back(c, p);
        return;
    }
    for (uint32_t done = 0; done < length;) {
        uint32_t at = (from + done) % OUTBOX_BYTES, n = OUTBOX_BYTES - at;
        if (n > length - done)
            n = length - done;
        memcpy(rx->base + rx->length + done, out->bytes + at, n);
        done += n;
    }
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&out->flushed, memory_order_acquire) != flushed)
        return;
    rx->length += length;
    p->stream_seen = published;
}

/* One read, then what is whole. A worker that writes for ever gets one read a step, no more. What a new one says may be here
 * before the keeper's word that it lives, and waits for that (its pid, STARTED), unless it is the last chance. */
static int collect_bytes(struct pvs_core *c, uint32_t index, int last_chance)
{
    struct proc *p = &c->procs[index];
    uint32_t seen = p->stream_seen, at = p->stream_at;

    if (p->state == PROC_FREE || p->state == PROC_THREAD || p->channel < 0)
        return 0;
    if (p->kind == PVS_EXEC) {
        collect_program(c, index);
        return 0;
    }
    if (p->killed) { /* what it still says counts no more */
        if (!p->rx.eof)
            (void)receive(c, index, c->stage, TX_BYTES);
        return 0;
    }
    compact(c, p);
    if (p->kind == PVS_POOL)
        harvest(c, index);
    if (p->rx.eof)
        ;
    else if (p->big)
        (void)receive_big(c, index);
    else
        (void)receive_small(c, index);
    if (p->state != PROC_SPAWNING || p->exited || last_chance)
        parse(c, index);
    return p->stream_seen != seen || p->stream_at != at;
}

int collect_channel(struct pvs_core *c, uint32_t index)
{
    return collect_bytes(c, index, 0);
}

void collect_all(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];

    if (p->kind == PVS_EXEC) {
        collect_output(c, index, 0);
        collect_output(c, index, 1);
        (void)collect_channel(c, index);
        return;
    }
    for (int i = 0; i < 256 && !p->listed && collect_bytes(c, index, 1); i++) {
    }
}

void collect_no_more(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];

    if (p->channel >= 0)
        end_of_stream(c, &p->channel, &p->rx);
    if (p->out_fd >= 0)
        end_of_stream(c, &p->out_fd, &p->out);
    if (p->err_fd >= 0)
        end_of_stream(c, &p->err_fd, &p->err);
}
