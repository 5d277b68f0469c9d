/*
 * fuzz_replies.c - libFuzzer plays a worker and its keeper: whatever they write, into the channels and into the shared page, every
 * task ends exactly once, nothing is read that was not written, nothing is leaked.
 *
 * Built and run by test_fuzz.py. No process is forked: the "keeper" is this program's other end of the core's channel.
 * links: all
 */
#include "channel.h"

#include <string.h>
#include <sys.h>

#define MOST_WORKERS 8
#define MOST_TASKS 12
#define FICTIONAL_PID 0x3ffffff /* above any pid_max, and the core signals by pidfd alone, of which it gets none */

struct played { /* one worker */
    int channel;
    uint32_t proc, gen;
};

struct play {
    pvs_core *core;
    int keeper;
    struct played workers[MOST_WORKERS];
    uint32_t worker_count;
    char *page;
    size_t page_size;
    uint64_t now;
    uint64_t ids[MOST_TASKS];
    uint8_t ends[MOST_TASKS];
    uint32_t task_count;
};

struct input {
    const uint8_t *at;
    size_t left;
};

static unsigned byte(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->at++;
}

static void say(struct play *p, uint32_t op, const struct played *w, int32_t value)
{
    struct keeper_report r = {op, w->proc, w->gen, FICTIONAL_PID, 0, value};

    (void)!send(p->keeper, &r, sizeof(r), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void forget(struct play *p, uint32_t index)
{
    if (p->workers[index].channel >= 0)
        (void)close(p->workers[index].channel);
    p->workers[index] = p->workers[--p->worker_count];
}

static void exited(struct play *p, uint32_t proc, uint32_t gen)
{
    for (uint32_t i = 0; i < p->worker_count; i++) {
        if (p->workers[i].proc != proc || p->workers[i].gen != gen)
            continue;
        say(p, REPORT_EXITED, &p->workers[i], 9);
        forget(p, i);
        return;
    }
}

static void take_page(struct play *p, int fd, uint32_t procs)
{
    p->page_size = procs * sizeof(struct shared_proc);
    p->page = mmap(NULL, p->page_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p->page == MAP_FAILED)
        abort();
    (void)close(fd);
}

/* Answers what the core has asked of its keeper. */
static void serve(struct play *p)
{
    struct keeper_request q;
    int fds[CHANNEL_MAX_FDS];
    uint32_t nfds = CHANNEL_MAX_FDS;

    while (channel_recv(p->keeper, &q, sizeof(q), fds, &nfds, MSG_DONTWAIT) == (long)sizeof(q)) {
        struct played w = {nfds ? fds[0] : -1, q.proc, q.gen};
        if (q.op == KEEPER_HELLO && nfds == 1) {
            take_page(p, fds[0], q.proc);
        } else if (q.op == KEEPER_SPAWN && nfds == 1 && p->worker_count < MOST_WORKERS) {
            p->workers[p->worker_count++] = w;
            say(p, REPORT_SPAWNED, &w, 0);
        } else {
            channel_close_all(fds, nfds);
            if (q.op == KEEPER_SPAWN)
                say(p, REPORT_FAILED, &w, 0);
            else if (q.op == KEEPER_TERM)
                say(p, REPORT_SIGNALLED, &w, 0);
            else if (q.op == KEEPER_KILL)
                exited(p, q.proc, q.gen);
        }
        nfds = CHANNEL_MAX_FDS;
    }
}

static volatile uint64_t touched; /* every body is read, so that the sanitizer sees where it lies */

static void read_body(const struct play *p, const struct pvs_event *e)
{
    const char *body =
        e->body < pvs_bodies_size(p->core) ? pvs_bodies(p->core) + e->body : (const char *)(uintptr_t)e->body;

    for (uint32_t i = 0; i < e->body_len; i++)
        touched += (uint8_t)body[i];
}

static void step(struct play *p)
{
    struct pvs_event events[64];

    int n = pvs_step(p->core, p->now, events, 64);
    if (n < 0)
        abort();
    for (int i = 0; i < n; i++) {
        read_body(p, &events[i]);
        for (uint32_t t = 0; events[i].type == PVS_EV_END && t < p->task_count; t++)
            if (p->ids[t] == events[i].id && ++p->ends[t] > 1)
                abort(); /* ended twice */
    }
    serve(p);
}

static void submit(struct play *p, unsigned how)
{
    struct pvs_spec s = {
        .kind = how & 1 ? PVS_FORK : PVS_POOL, .priority = (int32_t)(how % 10), .result_limit = 3000, .ionice = -1};

    s.timeout_ns = how & 2 ? 50000000u : 0;
    s.grace_ns = 1000000u;
    s.flags = how & 4 ? PVS_GRACEFUL : 0;
    s.queue_timeout_ns = how & 8 ? 20000000u : 0;
    if (p->task_count == MOST_TASKS)
        return;
    int64_t id = pvs_submit(p->core, &s, p->now, "payload", how % 8, NULL, 0);
    if (id > 0)
        p->ids[p->task_count++] = (uint64_t)id;
}

static void write_raw(struct play *p, struct input *in)
{
    size_t n = byte(in);

    if (n > in->left)
        n = in->left;
    if (p->worker_count)
        (void)!send(p->workers[byte(in) % p->worker_count].channel, in->at, n < in->left ? n : in->left,
                    MSG_DONTWAIT | MSG_NOSIGNAL);
    n = n < in->left ? n : in->left;
    in->at += n;
    in->left -= n;
}

/* A frame that may well be right: the fuzzer would seldom guess a magic and an id. */
static void write_frame(struct play *p, struct input *in)
{
    static const char body[4096];
    unsigned who = byte(in), type = byte(in), length = byte(in) | byte(in) << 8, task = byte(in), entry = byte(in);
    struct reply_frame f = {REPLY_MAGIC, (uint8_t)(type % 6), (uint8_t)(entry % (RING + 1)), length % 4096, 0, 0};

    f.id_low = p->task_count ? (uint32_t)p->ids[task % p->task_count] : task;
    if (p->worker_count == 0)
        return;
    int fd = p->workers[who % p->worker_count].channel;
    (void)!send(fd, &f, sizeof(f), MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)!send(fd, body, f.length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void write_page(struct play *p, struct input *in)
{
    size_t at = (byte(in) | byte(in) << 8) * 4u;
    uint32_t value = byte(in) | byte(in) << 8 | byte(in) << 24;

    if (p->page && at + sizeof(value) <= p->page_size)
        memcpy(p->page + at, &value, sizeof(value));
}

static void act(struct play *p, struct input *in)
{
    unsigned op = byte(in);

    switch (op % 8) {
    case 0:
        write_raw(p, in);
        break;
    case 1:
    case 2:
        write_frame(p, in);
        break;
    case 3:
        write_page(p, in);
        break;
    case 4:
        p->now += byte(in) * 1000000u;
        break;
    case 5:
        submit(p, byte(in));
        break;
    case 6:
        if (p->task_count)
            (void)!pvs_cancel(p->core, p->ids[byte(in) % p->task_count], p->now, PVS_BY_CALLER);
        break;
    default:
        if (p->worker_count && op & 8)
            exited(p, p->workers[0].proc, p->workers[0].gen);
        else if (p->worker_count)
            (void)shutdown(p->workers[op / 16 % p->worker_count].channel, SHUT_RDWR);
        break;
    }
    step(p);
}

static void begin(struct play *p)
{
    struct pvs_settings set = {
        .capacity = 16, .lanes = 2, .workers = 2, .max_workers = 4, .buffer_bytes = 4096, .batch = 4};
    int ends[2];

    p->now = 1000000000u;
    if (pvs_open(&p->core, &set) < 0 || pvs_keeper_pair(ends) < 0 || pvs_attach_keeper(p->core, ends[0]) != 0)
        abort();
    p->keeper = ends[1];
    for (unsigned i = 0; i < 4; i++)
        submit(p, 0);
    step(p);
    step(p);
}

/* The keeper goes: what ran ends, what waits is cancelled, and then nothing may be left. */
static void end(struct play *p)
{
    while (p->worker_count)
        forget(p, 0);
    (void)close(p->keeper);
    for (uint32_t t = 0; t < p->task_count; t++)
        (void)!pvs_cancel(p->core, p->ids[t], p->now, PVS_BY_SHUTDOWN);
    for (int i = 0; i < 40; i++) {
        p->now += 1000000000u;
        step(p);
    }
    for (uint32_t t = 0; t < p->task_count; t++)
        if (p->ends[t] != 1)
            abort(); /* lost */
    pvs_close(p->core, 0);
    if (p->page)
        (void)munmap(p->page, p->page_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct play p = {0};
    struct input in = {data, size};

    begin(&p);
    while (in.left)
        act(&p, &in);
    end(&p);
    return 0;
}
