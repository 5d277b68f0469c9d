/* setup.c - opening and closing a core, attaching keepers, and the settings that may change. */
#include "channel.h"
#include "core.h"

#include <string.h>
#include <sys.h>

static void *map_zero(size_t bytes)
{
    void *p = sys_mmap(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    return p == MAP_FAILED ? NULL : p;
}

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
    return value ? value : otherwise;
}

/* With 32 bits less can be mapped than can be asked for; half of the space is the most that may be tried. */
static int can_be_mapped(const struct pvs_settings *s)
{
    uint64_t procs = 2 * (uint64_t)s->max_workers + s->spares + 2, most = SIZE_MAX / 2;
    uint64_t record = sizeof(struct task) + sizeof(struct spec_slot) + sizeof(int[PVS_MAX_FDS + 1]);

    return procs * 3 * s->buffer_bytes <= most && s->capacity * record <= most && s->payload_bytes <= most;
}

static int settle(struct pvs_settings *s)
{
    s->capacity = or_default(s->capacity, 4096);
    s->lanes = or_default(s->lanes, 64);
    s->max_workers = or_default(s->max_workers, s->workers > 16 ? s->workers : 16);
    s->buffer_bytes = or_default(s->buffer_bytes, 65536);
    s->batch = or_default(s->batch, 32);
    s->inline_budget = or_default(s->inline_budget, 1);
    if (!s->payload_bytes)
        s->payload_bytes = (uint64_t)s->capacity * 1024 < (8u << 20) ? 8u << 20 : (uint64_t)s->capacity * 1024;
    if (s->workers > s->max_workers || s->max_workers > 1024 || s->lanes > 4096 || s->capacity > (1u << 26))
        return -EINVAL;
    if (s->buffer_bytes < 4096 || s->buffer_bytes > (1u << 26) || s->batch > RING || s->spares > 64)
        return -EINVAL;
    if (s->policy < PVS_FIFO || s->policy > PVS_FAIR)
        return -EINVAL;
    return can_be_mapped(s) ? 0 : -EINVAL;
}

/* A page that keepers and workers map too. */
static int open_page(struct pvs_core *c)
{
    size_t bytes = sizeof(struct shared_proc) * c->proc_count;

    c->page_fd = sys_memfd("pvsched-page");
    if (c->page_fd < 0 && errno == ENOSYS)
        c->page_fd = sys_open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (c->page_fd < 0 || sys_ftruncate(c->page_fd, (off_t)bytes) < 0)
        return -errno;
    void *p = sys_mmap(bytes, PROT_READ | PROT_WRITE, MAP_SHARED, c->page_fd);
    if (p == MAP_FAILED)
        return -errno;
    c->page = p;
    return 0;
}

static int open_memory(struct pvs_core *c)
{
    c->proc_count = 2 * c->set.max_workers + c->set.spares + 2;
    c->region_size = (size_t)c->proc_count * 3 * c->set.buffer_bytes;
    c->procs = sys_malloc(sizeof(struct proc) * c->proc_count);
    c->grave_room = 4 * c->proc_count + 3 * PVS_MIN_EVENTS;
    c->graves = sys_malloc(sizeof(char *) * c->grave_room);
    c->region = map_zero(c->region_size);
    c->txbufs = map_zero((size_t)(c->proc_count + 1) * TX_BYTES);
    if (!c->procs || !c->graves || !c->region || !c->txbufs) {
        free(c->procs); /* nothing is in it yet that pvs_close() could close */
        c->procs = NULL;
        return -ENOMEM;
    }
    c->stage = c->txbufs + (size_t)c->proc_count * TX_BYTES;
    memset(c->procs, 0, sizeof(struct proc) * c->proc_count);
    for (uint32_t i = 0; i < c->proc_count; i++) {
        struct proc *p = &c->procs[i];
        struct growing *g[3] = {&p->rx, &p->out, &p->err};
        for (uint32_t k = 0; k < 3; k++)
            g[k]->base = g[k]->home = c->region + ((size_t)i * 3 + k) * c->set.buffer_bytes;
        p->channel = p->out_fd = p->err_fd = p->pidfd = -1;
        memset(p->give, 0xff, sizeof(p->give));
        proc_free(c, i);
    }
    return 0;
}

static int open_descriptors(struct pvs_core *c)
{
    c->epoll = sys_epoll_create();
    if (c->epoll < 0)
        return -errno;
    c->wake = sys_eventfd();
    if (c->wake < 0)
        return -errno;
    c->timer = sys_timerfd();
    if (c->timer < 0)
        return -errno;
    int e = watch_fd(c, c->wake, EPOLLIN, TAG(TAG_WAKE, 0));
    return e < 0 ? e : watch_fd(c, c->timer, EPOLLIN, TAG(TAG_TIMER, 0));
}

int pvs_open(pvs_core **out, const struct pvs_settings *settings)
{
    struct pvs_settings set = *settings;
    int e = settle(&set);

    if (e < 0)
        return e;
    struct pvs_core *c = sys_malloc(sizeof(*c));
    if (!c)
        return -ENOMEM;
    memset(c, 0, sizeof(*c));
    c->set = set;
    c->epoll = c->wake = c->timer = c->page_fd = c->cgroup = -1;
    c->done_head = c->done_tail = c->spare_keeper = PVS_NONE;
    for (uint32_t i = 0; i < MOST_KEEPERS; i++)
        c->keepers[i].fd = c->keepers[i].pidfd = -1;
    e = queue_init(&c->queue, set.capacity, set.lanes, set.policy, set.zot_exact);
    if (e == 0)
        e = store_init(&c->store, set.capacity, set.payload_bytes);
    if (e == 0)
        e = open_memory(c);
    if (e == 0)
        e = open_page(c);
    if (e == 0)
        e = open_descriptors(c);
    if (e < 0) {
        pvs_close(c, 0);
        return e;
    }
    *out = c;
    return 0;
}

/* ---- closing ------------------------------------------------------------------------------------- */

/* A keeper that reads EOF ends all below it and then leaves: its own EOF says that this is done. */
static void wait_for_keepers(struct pvs_core *c, uint32_t grace_ms)
{
    uint64_t until = sys_now() + (uint64_t)grace_ms * 1000000u;

    for (uint32_t i = 0; i < MOST_KEEPERS; i++)
        if (c->keepers[i].fd >= 0)
            (void)sys_shutdown(c->keepers[i].fd, SHUT_WR);
    for (uint32_t i = 0; i < MOST_KEEPERS; i++) {
        while (c->keepers[i].fd >= 0) {
            struct keeper_report r;
            int fd = -1;
            uint32_t nfds = 1;
            uint64_t now = sys_now();
            struct pollfd p = {c->keepers[i].fd, POLLIN, 0};
            if (now >= until || (sys_poll(&p, 1, (int)((until - now) / 1000000u) + 1) == 0))
                break;
            long n = channel_recv(c->keepers[i].fd, &r, sizeof(r), &fd, &nfds, MSG_DONTWAIT);
            if (fd >= 0)
                (void)sys_close(fd);
            if (n <= 0 && n != -EAGAIN && n != -EINTR)
                break;
        }
    }
}

static void close_keepers(struct pvs_core *c)
{
    for (uint32_t i = 0; i < MOST_KEEPERS; i++) {
        if (c->keepers[i].fd >= 0)
            (void)sys_close(c->keepers[i].fd);
        if (c->keepers[i].pidfd >= 0)
            (void)sys_close(c->keepers[i].pidfd);
    }
}

static void close_procs(struct pvs_core *c)
{
    for (uint32_t i = 0; i < c->proc_count && c->procs; i++) {
        while (c->grave_count)
            free(c->graves[--c->grave_count]);
        if (c->procs[i].state != PROC_FREE || c->procs[i].rx.base != c->procs[i].rx.home)
            proc_free(c, i);
    }
    while (c->grave_count)
        free(c->graves[--c->grave_count]);
}

/* Records hold duplicated descriptors: those of tasks that nobody ended are closed here. */
static void close_lent(struct pvs_core *c)
{
    for (uint32_t i = 0; c->queue.slab && i < c->queue.capacity && c->queue.used; i++) {
        struct task *t = &c->queue.slab[i];
        if (!t->id)
            continue;
        store_fds_drop(&c->store, t->fds);
        t->id = 0;
        c->queue.used--;
    }
}

void pvs_close(pvs_core *c, uint32_t grace_ms)
{
    if (!c)
        return;
    if (c->procs)
        wait_for_keepers(c, grace_ms);
    close_keepers(c);
    if (c->procs && c->graves)
        close_procs(c);
    if (c->store.fds)
        close_lent(c);
    if (c->page)
        (void)munmap(c->page, sizeof(struct shared_proc) * c->proc_count);
    if (c->region)
        (void)munmap(c->region, c->region_size);
    if (c->txbufs)
        (void)munmap(c->txbufs, (size_t)(c->proc_count + 1) * TX_BYTES);
    channel_close_all((int[]){c->page_fd, c->epoll, c->wake, c->timer, c->cgroup}, 5);
    free(c->procs);
    free(c->graves);
    store_free(&c->store);
    queue_free(&c->queue);
    free(c);
}

/* ---- keepers ------------------------------------------------------------------------------------- */

static int link_keeper(struct pvs_core *c, uint32_t keeper, int fd)
{
    struct keeper_link *k = &c->keepers[keeper];
    struct keeper_request q = {.op = KEEPER_HELLO, .proc = c->proc_count};
    int with[3] = {c->page_fd}, pidfd = sys_pidfd_open(getpid());

    q.nfds = 1;
    q.flags = (pidfd >= 0 ? HELLO_PIDFD : 0) | (c->cgroup >= 0 ? HELLO_CGROUP : 0);
    if (pidfd >= 0)
        with[q.nfds++] = pidfd;
    if (c->cgroup >= 0)
        with[q.nfds++] = c->cgroup;
    long n = channel_send(fd, &q, sizeof(q), with, q.nfds, MSG_DONTWAIT);
    channel_close_all(&pidfd, 1);
    if (n < 0)
        return (int)n;
    int e = watch_fd(c, fd, EPOLLIN, TAG(TAG_KEEPER, keeper));
    if (e < 0)
        return e;
    k->fd = fd;
    k->pidfd = -1;
    k->pid = 0;
    k->used = 1;
    k->dead = k->armed = 0;
    pvs_wake(c);
    return 0;
}

int pvs_attach_keeper(pvs_core *c, int fd)
{
    for (uint32_t i = 0; i < MOST_KEEPERS; i++) {
        if (c->keepers[i].used)
            continue;
        int e = link_keeper(c, i, fd);
        return e < 0 ? e : (int)i;
    }
    return -ENFILE;
}

int pvs_replace_keeper(pvs_core *c, uint32_t keeper, int fd)
{
    if (keeper >= MOST_KEEPERS || !c->keepers[keeper].used || !c->keepers[keeper].dead)
        return -EINVAL;
    return link_keeper(c, keeper, fd);
}

int pvs_retire_keeper(pvs_core *c, uint32_t keeper)
{
    struct keeper_link *k = keeper < MOST_KEEPERS ? &c->keepers[keeper] : NULL;

    if (!k || !k->used || k->retired)
        return -EINVAL;
    k->retired = 1;
    if (k->tasks == 0)
        keeper_release(c, keeper);
    return 0;
}

/* Only a cgroup v2 has this file. */
static int is_cgroup(int folder)
{
    int fd = sys_openat(folder, "cgroup.procs", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    (void)sys_close(fd);
    fd = sys_openat(folder, "cgroup.controllers", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -ENOTSUP;
    (void)sys_close(fd);
    return 0;
}

int pvs_set_cgroup(pvs_core *c, const char *path)
{
    for (uint32_t i = 0; i < MOST_KEEPERS; i++)
        if (c->keepers[i].used)
            return -EBUSY;
    int fd = sys_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int e = is_cgroup(fd);
    if (e < 0) {
        (void)sys_close(fd);
        return e;
    }
    channel_close_all(&c->cgroup, 1);
    c->cgroup = fd;
    return 0;
}

/* ---- settings that may change -------------------------------------------------------------------- */

int pvs_set_lane(pvs_core *c, uint32_t lane, uint32_t limit, uint32_t weight_milli)
{
    if (lane >= c->set.lanes || weight_milli == 0 || weight_milli > 1000000000u)
        return -EINVAL;
    queue_set_lane(&c->queue, lane, limit, weight_milli);
    pvs_wake(c);
    return 0;
}

int pvs_set_policy(pvs_core *c, int32_t policy)
{
    if (policy < PVS_FIFO || policy > PVS_FAIR)
        return -EINVAL;
    queue_set_policy(&c->queue, policy);
    pvs_wake(c);
    return 0;
}

int pvs_set_workers(pvs_core *c, uint32_t workers)
{
    if (workers > c->set.max_workers)
        return -EINVAL;
    c->set.workers = workers;
    c->trim = 1;
    pvs_wake(c);
    return 0;
}

void pvs_want_started(pvs_core *c, int32_t on)
{
    c->want_started = on;
}
