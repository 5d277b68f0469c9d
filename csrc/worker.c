#include "worker.h"

#include "channel.h"
#include "child.h"
#include "kill.h"

#include <string.h>
#include <sys.h>
#include <sys/stat.h>

/* What a lent number meant when it came: a handler may have closed it, and the number may be another's by now. */
struct lent {
    int fd;
    dev_t device;
    ino_t inode;
};

struct pvs_worker {
    int channel;
    int one_shot, had_one; /* one_shot: leave after the task */
    struct shared_proc *page;
    char *buffer; /* grows to the largest job seen */
    size_t size, start, end;
    struct job_frame job; /* the one that runs */
    uint64_t began;
    int fds[PVS_MAX_FDS]; /* received, not handed over yet */
    uint32_t nfds;
    struct lent lent[PVS_MAX_FDS]; /* of the job that runs */
    uint32_t lent_count;
    int busy;
    uint32_t position, flushed; /* in the reply stream; what lies between is held back in the outbox */
    uint64_t held_since;
};

#define HOLD_NS 500000u /* a reply is held back no longer than this, if the worker comes by */
#define SMALL_BODY 4096u

pvs_worker *worker_new(int channel, struct shared_proc *page)
{
    struct pvs_worker *w = sys_malloc(sizeof(*w));

    if (!w)
        return NULL;
    memset(w, 0, sizeof(*w));
    w->size = 65536;
    w->buffer = sys_malloc(w->size);
    if (!w->buffer) {
        free(w);
        return NULL;
    }
    w->channel = channel;
    w->page = page;
    return w;
}

void worker_free(pvs_worker *w)
{
    if (!w)
        return;
    free(w->buffer);
    free(w);
}

static int grow(struct pvs_worker *w, size_t size)
{
    if (w->start) {
        memmove(w->buffer, w->buffer + w->start, w->end - w->start);
        w->end -= w->start;
        w->start = 0;
    }
    if (size <= w->size)
        return 0;
    char *larger = sys_malloc(size);
    if (!larger)
        return -ENOMEM;
    memcpy(larger, w->buffer, w->end);
    free(w->buffer);
    w->buffer = larger;
    w->size = size;
    return 0;
}

static int flush_outbox(struct pvs_worker *w);

/* At least `need` bytes from start on. 1 there, 0 EOF, -errno. */
static int fill(struct pvs_worker *w, size_t need)
{
    if (w->end == w->start)
        w->start = w->end = 0;
    if (w->start + need > w->size) {
        int e = grow(w, need);
        if (e < 0)
            return e;
    }
    while (w->end - w->start < need) {
        int e = flush_outbox(w); /* nobody shall wait for a reply while this sleeps */
        if (e < 0)
            return e;
        uint32_t room = PVS_MAX_FDS - w->nfds;
        long n = channel_recv(w->channel, w->buffer + w->end, w->size - w->end, w->fds + w->nfds, &room, 0);
        if (n <= 0)
            return (int)n;
        w->nfds += room;
        w->end += (size_t)n;
    }
    return 1;
}

/* A task that was sent ahead is ours only if the supervisor has not taken it back. */
static int claim(struct pvs_worker *w, struct job_frame *job)
{
    w->began = sys_now();
    if (!(job->flags & JOB_AHEAD)) {
        w->began = job->started_ns;
        return 1;
    }
    struct entry *entry = &w->page->entry[job->entry % RING];
    uint32_t offered = ENTRY_OFFERED;
    entry->since = w->began;
    if (atomic_compare_exchange_strong_explicit(&entry->state, &offered, ENTRY_RUNNING, memory_order_acq_rel,
                                                memory_order_acquire))
        return 1;
    atomic_store_explicit(&entry->state, ENTRY_FREE, memory_order_release);
    return 0;
}

/* The next whole job frame, header checked. 1, 0 EOF, -errno. */
static int next_frame(struct pvs_worker *w)
{
    int e = fill(w, sizeof(w->job));

    if (e <= 0)
        return e;
    memcpy(&w->job, w->buffer + w->start, sizeof(w->job));
    if (w->job.magic != JOB_MAGIC || w->job.nfds > PVS_MAX_FDS)
        return -EPROTO;
    return fill(w, sizeof(w->job) + w->job.length);
}

static void remember_lent(struct pvs_worker *w, uint32_t count)
{
    struct stat st;

    w->lent_count = 0;
    for (uint32_t i = 0; i < count; i++)
        if (fstat(w->fds[i], &st) == 0)
            w->lent[w->lent_count++] = (struct lent){w->fds[i], st.st_dev, st.st_ino};
}

static void close_lent(struct pvs_worker *w)
{
    struct stat st;

    for (uint32_t i = 0; i < w->lent_count; i++) {
        const struct lent *l = &w->lent[i];
        if (fstat(l->fd, &st) == 0 && st.st_dev == l->device && st.st_ino == l->inode)
            (void)sys_close(l->fd);
    }
    w->lent_count = 0;
}

static void hand_over(struct pvs_worker *w, struct pvs_job *out)
{
    out->id = w->job.id;
    out->deadline_ns = w->job.timeout_ns ? w->began + w->job.timeout_ns : 0;
    out->payload = w->buffer + w->start + sizeof(w->job);
    out->length = w->job.length;
    out->nfds = w->nfds < w->job.nfds ? w->nfds : w->job.nfds;
    memcpy(out->fds, w->fds, sizeof(int) * out->nfds);
    channel_close_all(w->fds + out->nfds, w->nfds - out->nfds);
    remember_lent(w, out->nfds);
    w->nfds = 0;
    w->start += sizeof(w->job) + w->job.length;
    w->busy = 1;
}

int pvs_worker_next(pvs_worker *w, struct pvs_job *job)
{
    close_lent(w);
    job->nfds = 0;
    if (w->had_one && w->one_shot)
        return 0;
    for (;;) {
        int e = next_frame(w);
        if (e <= 0)
            return e == -ECONNRESET ? 0 : e;
        if (claim(w, &w->job))
            break;
        w->start += sizeof(w->job) + w->job.length;
    }
    w->had_one = 1;
    w->one_shot = (w->job.flags & JOB_ONE_SHOT) != 0;
    hand_over(w, job);
    if (!(w->job.flags & JOB_LIMITS))
        return 1;
    int e = child_limit(w->job.memory, w->job.cpu, w->job.files, w->job.nice, w->job.ionice);
    return e < 0 ? -ECANCELED : 1;
}

static int keep_none(void *arg, pid_t pid)
{
    (void)arg;
    (void)pid;
    return 0;
}

/* Nothing a task started may outlive it. One system call when there is nothing, which is nearly always. */
static void clean_below(void)
{
    siginfo_t info;

    while (sys_waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
        long killed = kill_own_children(keep_none, NULL);
        int flags = killed > 0 ? 0 : WNOHANG; /* without /proc we cannot see it: do not wait for what nobody kills */
        pid_t pid;
        while ((pid = sys_waitpid(-1, NULL, flags)) < 0 && errno == EINTR) {
        }
        if (pid <= 0)
            return;
        while (sys_waitpid(-1, NULL, WNOHANG) > 0) { /* the others that are dead by now, before looking again */
        }
    }
}

static int send_all(int fd, const char *data, size_t length)
{
    while (length) {
        ssize_t n = sys_send(fd, data, length, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        length -= (size_t)n;
    }
    return 0;
}

/* Another whole job is here already: it runs next, without a system call in between. */
static int more_jobs(const struct pvs_worker *w)
{
    struct job_frame next;

    if (w->end - w->start < sizeof(next))
        return 0;
    memcpy(&next, w->buffer + w->start, sizeof(next));
    return w->end - w->start - sizeof(next) >= next.length;
}

static void outbox_copy(struct outbox *out, uint32_t position, const char *data, size_t length)
{
    for (size_t done = 0; done < length;) {
        size_t at = (position + done) % OUTBOX_BYTES, n = OUTBOX_BYTES - at;
        if (n > length - done)
            n = length - done;
        memcpy(out->bytes + at, data + done, n);
        done += n;
    }
}

static int hold_back(struct pvs_worker *w, const struct reply_frame *frame, const char *body, uint64_t now)
{
    size_t total = sizeof(*frame) + frame->length;
    struct outbox *out = &w->page->out;

    if (!w->page || w->busy || !more_jobs(w) || w->position - w->flushed + total > OUTBOX_BYTES)
        return 0;
    if (w->position == w->flushed)
        w->held_since = now;
    else if (now - w->held_since > HOLD_NS)
        return 0;
    outbox_copy(out, w->position, (const char *)frame, sizeof(*frame));
    outbox_copy(out, w->position + (uint32_t)sizeof(*frame), body, frame->length);
    w->position += (uint32_t)total;
    atomic_store_explicit(&out->published, w->position, memory_order_release);
    return 1;
}

/* What is held back, in one piece. */
static size_t outbox_take(const struct pvs_worker *w, char *to)
{
    size_t length = w->position - w->flushed, at = w->flushed % OUTBOX_BYTES, first = OUTBOX_BYTES - at;

    if (!w->page || length == 0)
        return 0;
    if (first > length)
        first = length;
    memcpy(to, w->page->out.bytes + at, first);
    memcpy(to + first, w->page->out.bytes, length - first);
    return length;
}

static void stream_moved(struct pvs_worker *w, uint32_t position)
{
    w->position = w->flushed = position;
    if (!w->page)
        return;
    atomic_store_explicit(&w->page->out.flushed, position, memory_order_release);
    atomic_store_explicit(&w->page->out.published, position, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst); /* whoever sees bytes that are written over later sees this flush too */
}

static int flush_outbox(struct pvs_worker *w)
{
    char held[OUTBOX_BYTES];
    size_t length = outbox_take(w, held);

    if (length == 0)
        return 0;
    int e = send_all(w->channel, held, length);
    stream_moved(w, w->position);
    return e;
}

/* What is held back, this frame and its body: one system call while the body is small, so the supervisor wakes once. */
static int send_now(struct pvs_worker *w, const struct reply_frame *frame, const char *body)
{
    char out[OUTBOX_BYTES + sizeof(*frame) + SMALL_BODY];
    size_t length = outbox_take(w, out), small = frame->length <= SMALL_BODY ? frame->length : 0;

    memcpy(out + length, frame, sizeof(*frame));
    length += sizeof(*frame);
    if (small)
        memcpy(out + length, body, small);
    int e = send_all(w->channel, out, length + small);
    if (e == 0 && small < frame->length)
        e = send_all(w->channel, body, frame->length);
    stream_moved(w, w->position + (uint32_t)sizeof(*frame) + frame->length);
    return e;
}

int pvs_worker_send(pvs_worker *w, int32_t type, const char *body, size_t length)
{
    struct reply_frame frame = {.magic = REPLY_MAGIC, .type = (uint8_t)type, .entry = (uint8_t)w->job.entry};

    if (!w->busy)
        return -EINVAL;
    if (length > UINT32_MAX - OUTBOX_BYTES)
        return -EFBIG;
    if (type == PVS_REPLY_RESULT || type == PVS_REPLY_RAISED) {
        if (!(w->job.flags & JOB_SURVIVE))
            clean_below();
        w->busy = 0;
    }
    uint64_t now = sys_now(), ran = now - w->began;
    frame.length = (uint32_t)length;
    frame.id_low = (uint32_t)w->job.id;
    frame.run_ns = ran > UINT32_MAX ? UINT32_MAX : (uint32_t)ran;
    return hold_back(w, &frame, body, now) ? 0 : send_now(w, &frame, body);
}
