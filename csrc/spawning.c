/* spawning.c - what the supervisor asks of a keeper: spawn, TERM, KILL. */
#include "channel.h"
#include "core.h"

#include <string.h>
#include <sys.h>

/* ---- descriptors of a new process ---------------------------------------------------------------- */

static int pipe_from_child(int *ours, int *theirs)
{
    int ends[2];

    if (sys_pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    *ours = ends[0];
    *theirs = ends[1];
    return sys_set_nonblock(ends[0]) < 0 ? -errno : 0;
}

/* A file in memory with part of the payload in it, at its start. */
static int payload_file(struct pvs_core *c, const struct task *t, size_t offset, size_t length)
{
    int fd = sys_memfd("pvsched-exec");

    if (fd < 0 && errno == ENOSYS)
        fd = sys_open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    while (length) {
        size_t n = length < TX_BYTES ? length : TX_BYTES;
        store_payload_read(&c->store, t->payload, offset, c->stage, n);
        ssize_t done = sys_write(fd, c->stage, n);
        if (done <= 0) {
            int e = done < 0 ? -errno : -EIO;
            (void)sys_close(fd);
            return e;
        }
        offset += (size_t)done;
        length -= (size_t)done;
    }
    if (sys_lseek(fd, 0) < 0) {
        (void)sys_close(fd);
        return -EIO;
    }
    return fd;
}

static int open_program(struct pvs_core *c, struct proc *p, uint32_t slot)
{
    const struct task *t = task_at(c, slot);
    const struct pvs_spec *spec = spec_of(c, t);
    int e = pipe_from_child(&p->channel, &p->give[0]);

    if (e == 0)
        e = pipe_from_child(&p->out_fd, &p->give[2]);
    if (e == 0)
        e = pipe_from_child(&p->err_fd, &p->give[3]);
    if (e == 0)
        e = p->give[1] = payload_file(c, t, spec->exec_bytes, t->length - spec->exec_bytes);
    if (e >= 0)
        e = p->give[4] = payload_file(c, t, 0, spec->exec_bytes);
    return e < 0 ? e : 0;
}

static int open_worker(struct proc *p)
{
    int ends[2];

    if (sys_socketpair(SOCK_STREAM, ends) < 0)
        return -errno;
    p->channel = ends[0];
    p->give[0] = ends[1];
    return 0;
}

static int watch_all(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];
    int e = watch_fd(c, p->channel, EPOLLIN, TAG(TAG_CHANNEL, index));

    if (e == 0 && p->out_fd >= 0)
        e = watch_fd(c, p->out_fd, EPOLLIN, TAG(TAG_OUT, index));
    if (e == 0 && p->err_fd >= 0)
        e = watch_fd(c, p->err_fd, EPOLLIN, TAG(TAG_ERR, index));
    return e;
}

/* The slot is free; slot of the task only for EXEC. On error the slot is free again. */
int proc_spawn(struct pvs_core *c, uint32_t index, int kind, uint32_t keeper, uint32_t slot)
{
    struct proc *p = &c->procs[index];

    p->state = PROC_WANTED;
    p->kind = (uint8_t)kind;
    p->keeper = keeper;
    p->gen++;
    int e = kind == PVS_EXEC ? open_program(c, p, slot) : open_worker(p);
    if (e == 0)
        e = watch_all(c, index);
    if (e < 0)
        proc_free(c, index);
    else
        c->stats.spawned++;
    return e;
}

/* ---- requests ------------------------------------------------------------------------------------ */

static int send_spawn(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];
    struct keeper_request q = {.op = KEEPER_SPAWN, .proc = index, .gen = p->gen, .kind = p->kind, .ionice = -1};
    int fds[CHANNEL_MAX_FDS];
    uint32_t nfds = p->kind == PVS_EXEC ? EXEC_FIXED_FDS : 1, front = proc_front(p);

    memcpy(fds, p->give, sizeof(int) * nfds);
    if (front != PVS_NONE) {
        const struct task *t = task_at(c, front);
        const struct pvs_spec *s = spec_of(c, t);
        q.flags = s->flags;
        q.memory = s->limit_memory; /* of a worker: for its cgroup; the rlimit comes with its job */
        if (p->kind == PVS_EXEC) {
            q.exec_bytes = s->exec_bytes;
            q.memory = s->limit_memory, q.cpu = s->limit_cpu, q.files = s->limit_files;
            q.nice = s->nice, q.ionice = s->ionice;
            if (t->fds != PVS_NONE) {
                const int *lent = c->store.fds[t->fds];
                memcpy(fds + nfds, lent + 1, sizeof(int) * (size_t)lent[0]);
                nfds += (uint32_t)lent[0];
            }
        }
    }
    q.nfds = nfds;
    long n = channel_send(c->keepers[p->keeper].fd, &q, sizeof(q), fds, nfds, MSG_DONTWAIT);
    if (n < 0)
        return (int)n;
    channel_close_all(p->give, EXEC_FIXED_FDS);
    memset(p->give, 0xff, sizeof(p->give));
    p->state = PROC_SPAWNING;
    return 0;
}

static int send_signal(struct pvs_core *c, uint32_t index, uint32_t op)
{
    const struct proc *p = &c->procs[index];
    struct keeper_request q = {.op = op, .proc = index, .gen = p->gen};
    uint32_t front = proc_front(p);

    if (op == KEEPER_TERM && front != PVS_NONE)
        q.grace_ns = spec_of(c, task_at(c, front))->grace_ns;
    long n = channel_send(c->keepers[p->keeper].fd, &q, sizeof(q), NULL, 0, MSG_DONTWAIT);

    return n < 0 ? (int)n : 0;
}

static int ask_one(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];
    int e = 0;

    if (p->state == PROC_WANTED)
        e = send_spawn(c, index);
    if (e == 0 && p->want_term) {
        e = send_signal(c, index, KEEPER_TERM);
        if (e == 0) {
            p->want_term = 0;
            p->term_sent++;
            p->grace_runs = 1;
        }
    }
    if (e == 0 && p->want_calm) {
        e = send_signal(c, index, KEEPER_CALM);
        if (e == 0) {
            p->want_calm = p->grace_runs = 0;
            p->term_sent++;
        }
    }
    if (e == 0 && p->want_kill) {
        e = send_signal(c, index, KEEPER_KILL);
        if (e == 0)
            p->want_kill = 0;
    }
    return e;
}

static void spawn_refused(struct pvs_core *c, uint32_t index, int error)
{
    struct proc *p = &c->procs[index];

    p->exited = 1;
    p->error = error;
    p->reason = PVS_R_SPAWN_FAILED;
    p->listed = 1; /* ended by collect_listed() */
    pvs_wake(c);
}

/* Sends what waits to be sent. The keeper may be busy: then its channel tells when it has room again. */
void proc_ask_keeper(struct pvs_core *c, uint32_t keeper)
{
    struct keeper_link *k = &c->keepers[keeper];
    int e = 0, short_of = 0;

    if (k->fd < 0 || k->dead)
        return;
    for (uint32_t i = 0; i < c->procs_used && e != -EAGAIN; i++) {
        struct proc *p = &c->procs[i];
        if (p->state == PROC_FREE || p->state == PROC_THREAD || p->keeper != keeper || p->exited)
            continue;
        e = ask_one(c, i);
        if (e == 0 || e == -EAGAIN || e == -EPIPE || e == -ECONNRESET)
            continue;
        if (p->state == PROC_WANTED)
            spawn_refused(c, i, -e);
        short_of |= p->want_term || p->want_kill || p->want_calm; /* a signal is asked for again and again */
    }
    int want = e == -EAGAIN || short_of;
    if (want != k->armed) {
        k->armed = (uint8_t)want;
        rewatch_fd(c, k->fd, want ? EPOLLIN | EPOLLOUT : EPOLLIN, TAG(TAG_KEEPER, keeper));
    }
}

/* By pidfd at once, for speed; without one the keeper does it. The tree below is always the keeper's to end. */
void proc_kill(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];

    p->watch = WATCH_LOST;
    p->deadline = c->now + LOST_NS;
    p->signal = SIGKILL;
    if (p->killed)
        return;
    p->killed = 1;
    c->stats.kills++;
    if (p->pidfd >= 0 && sys_pidfd_kill(p->pidfd, SIGKILL) == 0)
        return;
    p->want_kill = 1;
    proc_ask_keeper(c, p->keeper);
}

void proc_term(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];

    p->want_term = 1;
    p->signal = SIGTERM;
    proc_ask_keeper(c, p->keeper);
}

void proc_calm(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];

    p->want_term = 0;
    if (!p->grace_runs || p->kind != PVS_POOL || p->killed || p->exited)
        return;
    p->want_calm = 1;
    proc_ask_keeper(c, p->keeper);
}

void proc_dismiss(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];

    p->closing = 1;
    if (p->channel >= 0)
        (void)sys_shutdown(p->channel, SHUT_WR); /* it reads EOF and leaves */
    p->watch = WATCH_LINGER;
    p->deadline = c->now + LINGER_NS;
}
