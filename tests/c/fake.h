/*
 * fake.h - the test itself plays the keeper and the workers: what comes back to a core is exactly the bytes it writes.
 * No process is made, so a hundred thousand streams take seconds.
 */
#ifndef FAKE_H
#define FAKE_H

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "check.h"
#include "core.h"

static inline uint32_t scaled(uint32_t amount)
{
    const char *text = getenv("PVSCHED_SCALE");
    return text ? (uint32_t)(amount * atof(text)) : amount;
}

struct fake {
    pvs_core *core;
    int keeper; /* our end: the keeper's */
    int page_fd;
    int channel; /* the newest worker's end, -1 = none */
    struct keeper_request spawn;
    int kills;
    int slow; /* does not tell of a new worker before the test does */
    uint32_t ended, notes;
    char story[16];       /* the newest events: S started, N note, E end */
    struct pvs_event end; /* of the newest task that ended */
    uint64_t sum;         /* of its body's bytes */
};

static inline void fake_open(struct fake *f, const struct pvs_settings *settings)
{
    int ends[2];

    memset(f, 0, sizeof(*f));
    f->channel = f->page_fd = -1;
    CHECK_EQ(pvs_open(&f->core, settings), 0);
    CHECK_EQ(pvs_keeper_pair(ends), 0);
    f->keeper = ends[1];
    CHECK_EQ(pvs_attach_keeper(f->core, ends[0]), 0);
}

static inline void fake_close(struct fake *f)
{
    channel_close_all((int[]){f->keeper, f->channel, f->page_fd}, 3);
    pvs_close(f->core, 0);
}

static inline void fake_report(struct fake *f, uint32_t op, int32_t pid, int32_t error, int32_t value)
{
    struct keeper_report r = {op, f->spawn.proc, f->spawn.gen, pid, error, value};
    CHECK_EQ(channel_send(f->keeper, &r, sizeof(r), NULL, 0, MSG_DONTWAIT), sizeof(r));
}

static inline void fake_take_spawn(struct fake *f, const struct keeper_request *q, int *fds, uint32_t nfds)
{
    CHECK_EQ(nfds, q->nfds);
    f->spawn = *q;
    channel_close_all(&f->channel, 1);
    f->channel = fds[0];
    channel_close_all(fds + 1, nfds - 1);
    if (!f->slow)
        fake_report(f, REPORT_SPAWNED, 1234567, 0, 0);
}

/* All that the core asks of its keeper: a killed worker is dead at once. */
static inline void fake_serve(struct fake *f)
{
    struct keeper_request q;
    int fds[CHANNEL_MAX_FDS];

    for (;;) {
        uint32_t nfds = CHANNEL_MAX_FDS;
        if (channel_recv(f->keeper, &q, sizeof(q), fds, &nfds, MSG_DONTWAIT) != (long)sizeof(q))
            return;
        if (q.op == KEEPER_HELLO) {
            f->page_fd = fds[0];
            channel_close_all(fds + 1, nfds - 1);
        } else if (q.op == KEEPER_SPAWN) {
            fake_take_spawn(f, &q, fds, nfds);
        } else if (q.op == KEEPER_KILL && q.gen == f->spawn.gen && f->channel >= 0) {
            f->kills++;
            channel_close_all(&f->channel, 1);
            f->channel = -1;
            fake_report(f, REPORT_EXITED, 1234567, 0, SIGKILL);
        }
    }
}

static inline void fake_tell(struct fake *f, char what)
{
    size_t length = strlen(f->story);

    if (length + 1 < sizeof(f->story))
        f->story[length] = what;
}

static inline void fake_take(struct fake *f, const struct pvs_event *e)
{
    fake_tell(f, e->type == PVS_EV_END ? 'E' : e->type == PVS_EV_STARTED ? 'S' : 'N');
    if (e->type == PVS_EV_END) {
        const char *body =
            e->body < pvs_bodies_size(f->core) ? pvs_bodies(f->core) + e->body : (const char *)(uintptr_t)e->body;
        f->ended++;
        f->end = *e;
        f->sum = 0;
        for (uint32_t i = 0; i < e->body_len; i++)
            f->sum = f->sum * 31 + (unsigned char)body[i];
    }
    f->notes += e->type == PVS_EV_PROGRESS || e->type == PVS_EV_LOG;
}

/* A step of the core and of its keeper, at that time. */
static inline void fake_step_at(struct fake *f, uint64_t now)
{
    static struct pvs_event events[PVS_MIN_EVENTS];
    int n = pvs_step(f->core, now, events, PVS_MIN_EVENTS);

    CHECK(n >= 0);
    for (int i = 0; i < n; i++)
        fake_take(f, &events[i]);
    fake_serve(f);
}

static inline void fake_step(struct fake *f)
{
    fake_step_at(f, 1000);
}

/* A task that a worker has been given, and that it is about to answer. */
static inline uint64_t fake_start(struct fake *f, int kind, uint32_t result_limit)
{
    struct pvs_spec spec = {.kind = kind, .priority = 5, .result_limit = result_limit, .ionice = -1};
    char job[256];
    int64_t id = pvs_submit(f->core, &spec, 1000, "x", 1, NULL, 0);

    CHECK(id > 0);
    fake_step(f);
    fake_step(f);
    CHECK(f->channel >= 0);
    while (recv(f->channel, job, sizeof(job), MSG_DONTWAIT) > 0) {
    }
    return (uint64_t)id;
}

/* The next frame of the task that runs, at the end of `to`; returns its size. */
static inline size_t fake_frame(const struct fake *f, char *to, int type, uint64_t id, uint32_t length)
{
    const struct proc *p = &f->core->procs[f->spawn.proc];
    struct reply_frame r = {
        .magic = REPLY_MAGIC, .type = (uint8_t)type, .entry = (uint8_t)(p->first % RING), .length = length};

    r.id_low = (uint32_t)id;
    r.run_ns = 5;
    memcpy(to, &r, sizeof(r));
    for (uint32_t i = 0; i < length; i++)
        to[sizeof(r) + i] = (char)(i * 7 + 1);
    return sizeof(r) + length;
}

static inline uint64_t fake_sum(uint32_t length)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < length; i++)
        sum = sum * 31 + (unsigned char)(char)(i * 7 + 1);
    return sum;
}

/* 1 written; 0 the worker has been ended meanwhile. */
static inline int fake_write(struct fake *f, const char *bytes, size_t length)
{
    if (f->channel < 0)
        return 0;
    ssize_t n = send(f->channel, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    return n == (ssize_t)length;
}

static inline void fake_die(struct fake *f, int status)
{
    if (f->channel < 0)
        return;
    channel_close_all(&f->channel, 1);
    f->channel = -1;
    fake_report(f, REPORT_EXITED, 1234567, 0, status);
}

#endif
