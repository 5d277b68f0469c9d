/* Random walks through every state and event, with real processes and the core's insides looked at after every step: submit,
 * cancel, release, finish, die, time that jumps, workers and policies that change, keepers that are killed.
 * links: all */
#include "invariants.h"
#include "shares.h"

#include <stdatomic.h>
#include <sys/mman.h>

#define CAPACITY 48
#define WALKS 8u

static const char *const deeds_of_pool[] = {
    "echo x", "echo x",   "echo x",    "echo x",    "sleep 1",   "sleep 30", "!wait",    "!ignore",    "exit 0",
    "exit 2", "signal 9", "signal 15", "raise no",  "big 60000", "notes 3",  "notes 40", "garbage 40", "!close",
    "!stop",  "lent",     "!flood",    "!daemon 1", "daemons 1", "!shut 0",  "!shut 1"};

/* What may happen to a task, by itself or to all; a cell is one of these in one state. */
#define EVENTS(X) \
    X(cancel)     \
    X(release)    \
    X(finish) X(kill_worker) X(stop_worker) X(kill_keeper) X(time) X(workers) X(policy) X(lane) X(want_started) X(step)
#define EVENT_NUMBER(name) EVENT_##name,
enum event { EVENTS(EVENT_NUMBER) EVENT_COUNT };
#define EVENT_NAME(name) #name,
static const char *const event_names[] = {EVENTS(EVENT_NAME)};
#define STATES (PVS_ST_STOPPING + 1)

/* Of all shares. */
static struct seen {
    _Atomic uint32_t cells[STATES][EVENT_COUNT];
    _Atomic uint32_t outcomes[5][10]; /* by reason */
    _Atomic uint32_t events;
} * seen;

struct walk {
    uint64_t random;
    uint64_t last;           /* the newest id */
    uint64_t mine[CAPACITY]; /* INLINE and THREAD tasks that are ours to finish */
    uint32_t mine_count;
    int fd;
};

static void saw(enum event event, uint64_t id)
{
    atomic_fetch_add(&seen->cells[rig_state(id)][event], 1);
}

/* It is not one task's: each that lives is in some state as it happens. */
static void all_saw(enum event event)
{
    for (uint32_t i = 0; i < rig.core->queue.capacity; i++) {
        const struct task *t = task_at(rig.core, i);
        if (t->id)
            atomic_fetch_add(&seen->cells[t->state][event], 1);
    }
}

static struct pvs_spec any_spec(struct walk *w)
{
    static const int kinds[] = {PVS_POOL, PVS_POOL, PVS_POOL, PVS_POOL, PVS_POOL, PVS_POOL, PVS_POOL,   PVS_POOL,
                                PVS_FORK, PVS_FORK, PVS_FORK, PVS_FORK, PVS_EXEC, PVS_EXEC, PVS_INLINE, PVS_THREAD};
    struct pvs_spec s = rig_spec(kinds[draw(&w->random, 16)]);
    uint64_t ms = rig_seconds(1) / 1000u; /* in too short a time a slow machine's tasks do nothing but time out */

    s.priority = (int32_t)draw(&w->random, 10);
    s.lane = draw(&w->random, 4);
    s.flags = draw(&w->random, 3) == 0 ? PVS_GRACEFUL : 0;
    s.flags |= draw(&w->random, 16) == 0 ? PVS_HOLD : 0;
    s.grace_ns = (1 + draw(&w->random, 40)) * 1000000u;
    s.timeout_ns = (1 + draw(&w->random, 300)) * ms; /* all have one: some of the deeds never end */
    s.queue_timeout_ns = draw(&w->random, 3) == 0 ? (1 + draw(&w->random, 200)) * ms : 0;
    s.result_limit = draw(&w->random, 4) == 0 ? 1000 : 100000;
    s.output_limit = 1 + draw(&w->random, 10000);
    return s;
}

static void note_id(struct walk *w, int64_t id)
{
    CHECK(id > 0 || id == -ENOBUFS);
    if (id <= 0)
        return;
    CHECK(id <= RIG_TASKS);
    w->last = (uint64_t)id;
    rig.tasks[id - 1].id = (uint64_t)id;
    rig.live++;
}

static void submit_any(struct walk *w)
{
    struct pvs_spec s = any_spec(w);
    const char *text = deeds_of_pool[draw(&w->random, sizeof(deeds_of_pool) / sizeof(deeds_of_pool[0]))];
    char block[64] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

    if (s.kind == PVS_EXEC) {
        strcpy(block + 12, draw(&w->random, 2) ? "/bin/true" : "/bin/cat");
        s.exec_bytes = (uint32_t)(12 + strlen(block + 12) + 1);
        note_id(w, pvs_submit(rig.core, &s, rig_now(), block, s.exec_bytes + 10, &w->fd, draw(&w->random, 2)));
    } else {
        note_id(w, pvs_submit(rig.core, &s, rig_now(), text, strlen(text), &w->fd, draw(&w->random, 8) == 0));
    }
}

static uint64_t any_id(struct walk *w)
{
    uint64_t back = draw(&w->random, CAPACITY);
    return w->last > back ? w->last - back : 1;
}

/* A worker or program of ours, by what the core believes: it may have left meanwhile, but nobody else has reaped it. */
static void kill_any(struct walk *w, int sig)
{
    const struct proc *p = &rig.core->procs[draw(&w->random, rig.core->proc_count)];

    if (p->pidfd < 0 || p->state != PROC_LIVE)
        return;
    for (uint32_t i = p->first; i != p->next; i++)
        if (p->tasks[i % RING] != PVS_NONE)
            saw(sig == SIGKILL ? EVENT_kill_worker : EVENT_stop_worker, task_at(rig.core, p->tasks[i % RING])->id);
    (void)sys_pidfd_kill(p->pidfd, sig);
}

/* The core sends ahead to workers whose tasks are short: now and then it has come to believe that of all. */
static void believe_they_are_short(void)
{
    for (uint32_t i = 0; i < rig.core->procs_used; i++)
        rig.core->procs[i].run_ns = 1000;
}

static void kill_keeper(void)
{
    const struct keeper_link *k = &rig.core->keepers[0];

    if (k->pidfd < 0 || k->dead)
        return;
    all_saw(EVENT_kill_keeper);
    (void)sys_pidfd_kill(k->pidfd, SIGKILL);
}

static void mend_keeper(struct walk *w)
{
    if (rig.core->keepers[0].dead && draw(&w->random, 4) == 0)
        CHECK_EQ(pvs_replace_keeper(rig.core, 0, rig_fork_keeper()), 0);
}

static void change_any(struct walk *w)
{
    switch (draw(&w->random, 4)) {
    case 0:
        all_saw(EVENT_workers);
        CHECK_EQ(pvs_set_workers(rig.core, draw(&w->random, 16) ? 1 + draw(&w->random, 4) : 0), 0);
        break;
    case 1:
        all_saw(EVENT_policy);
        CHECK_EQ(pvs_set_policy(rig.core, (int32_t)draw(&w->random, 4)), 0);
        break;
    case 2:
        all_saw(EVENT_lane);
        CHECK_EQ(pvs_set_lane(rig.core, draw(&w->random, 4), draw(&w->random, 4), 1000 * (1 + draw(&w->random, 99))),
                 0);
        break;
    default:
        all_saw(EVENT_want_started);
        pvs_want_started(rig.core, (int32_t)draw(&w->random, 2));
    }
}

static void finish_any(struct walk *w)
{
    uint64_t id = any_id(w);

    saw(EVENT_finish, id);
    int e = pvs_finish(rig.core, id, rig_now(), PVS_SUCCEEDED, 0);

    CHECK(e == 0 || e == -ENOENT || e == -EINVAL);
}

static void event(struct walk *w)
{
    uint64_t id;
    int e;

    switch (draw(&w->random, 24)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
        submit_any(w);
        break;
    case 6:
        id = any_id(w);
        saw(EVENT_cancel, id);
        e = pvs_cancel(rig.core, id, rig_now(), PVS_BY_CALLER);
        CHECK(e == 0 || e == -ENOENT);
        break;
    case 7:
        id = any_id(w);
        saw(EVENT_release, id);
        e = pvs_release(rig.core, id);
        CHECK(e == 0 || e == -ENOENT);
        break;
    case 8:
    case 9:
        finish_any(w);
        break;
    case 10:
        kill_any(w, draw(&w->random, 2) ? SIGKILL : SIGSTOP);
        break;
    case 11:
        all_saw(EVENT_time);
        rig_ahead += draw(&w->random, 30) * 1000000u;
        break;
    case 12:
        if (draw(&w->random, 4) == 0)
            change_any(w);
        break;
    case 13:
        if (draw(&w->random, 40) == 0)
            kill_keeper();
        break;
    default:
        all_saw(EVENT_step);
        if (draw(&w->random, 2))
            believe_they_are_short();
        (void)rig_step((int)draw(&w->random, 3));
        mend_keeper(w);
    }
    check_invariants(rig.core);
}

static void say_what_is_left(struct pvs_core *c)
{
    for (uint32_t i = 0; i < c->queue.capacity; i++) {
        const struct task *t = task_at(c, i);
        const struct proc *p = t->id && t->proc != PVS_NONE ? &c->procs[t->proc] : NULL;
        if (t->id)
            fprintf(stderr, "task %u: kind %d, state %d, on a process in state %d\n", (unsigned)t->id, t->kind,
                    t->state, p ? p->state : -1);
    }
    for (uint32_t i = 0; i < c->procs_used; i++) {
        const struct proc *p = &c->procs[i];
        if (p->state != PROC_FREE)
            fprintf(stderr,
                    "process %u: pid %d, state %d, kind %d, watch %d, killed %d, exited %d, listed %d, answered %d, "
                    "doomed %d, "
                    "closing %d, term %d %d, kill %d, ring %u\n",
                    i, p->pid, p->state, p->kind, p->watch, p->killed, p->exited, p->listed, p->answered, p->doomed,
                    p->closing, p->want_term, p->term_sent, p->want_kill, p->next - p->first);
    }
}

/* What is left ends by its own deadlines; what is the caller's is finished by the caller. */
static void let_all_end(struct walk *w)
{
    uint64_t until = pvs_now() + rig_seconds(10);

    CHECK_EQ(pvs_set_workers(rig.core, 4), 0);
    for (uint32_t lane = 0; lane < 4; lane++)
        CHECK_EQ(pvs_set_lane(rig.core, lane, 0, 10000), 0);
    while (rig.live || rig.core->queue.used) {
        for (uint64_t id = 1; id <= w->last; id++) {
            (void)!pvs_release(rig.core, id);
            (void)!pvs_finish(rig.core, id, rig_now(), PVS_SUCCEEDED, 0);
        }
        (void)rig_step(5);
        rig_ahead += 5000000;
        if (rig.core->keepers[0].dead)
            CHECK_EQ(pvs_replace_keeper(rig.core, 0, rig_fork_keeper()), 0);
        check_invariants(rig.core);
        if (pvs_now() > until)
            say_what_is_left(rig.core);
        CHECK(pvs_now() < until);
    }
    CHECK_EQ(rig.core->places, 0);
}

static void count_reasons(const struct walk *w)
{
    for (uint64_t id = 1; id <= w->last; id++)
        if (rig.tasks[id - 1].ends)
            atomic_fetch_add(&seen->outcomes[rig.tasks[id - 1].event.outcome][rig.tasks[id - 1].event.reason], 1);
}

static void walk(uint64_t seed, uint32_t events)
{
    struct pvs_settings set = {.workers = 2, .max_workers = 4, .capacity = CAPACITY, .lanes = 4, .buffer_bytes = 4096};
    struct walk w = {.random = seed};

    check_seed = seed;
    rig_ahead = 0;
    rig_open_with(&set);
    rig.keeper_may_die = 1;
    w.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (uint32_t i = 0; i < events && w.last + CAPACITY < RIG_TASKS; i++)
        event(&w), atomic_fetch_add(&seen->events, 1);
    let_all_end(&w);
    (void)close(w.fd);
    count_reasons(&w);
    rig_close();
}

static void my_walks(void)
{
    FOR_SEEDS(seed, 1, rig_scale(WALKS))
    if (share_is_mine((uint32_t)seed))
        walk(seed, 2500);
}

/* What no task can come by: without a worker none can be killed; one that starts has no pid yet. */
static int cannot_be(int state, int event)
{
    if (event == EVENT_kill_worker || event == EVENT_stop_worker)
        return state < PVS_ST_OFFERED || state == PVS_ST_STARTING;
    return state == PVS_ST_NONE && event > EVENT_finish;
}

/* A walk that comes by nothing proves nothing. */
static void every_cell_was_met(void)
{
    printf("%u events\n", seen->events);
    for (int event = 0; event < EVENT_COUNT; event++) {
        printf("%-13s", event_names[event]);
        for (int state = 0; state < STATES; state++)
            printf("%9u", seen->cells[state][event]);
        printf("\n");
    }
    for (int outcome = PVS_SUCCEEDED; outcome <= PVS_CANCELLED; outcome++)
        for (int reason = 0; reason < 10; reason++)
            if (seen->outcomes[outcome][reason])
                printf("outcome %d, reason %d: %u\n", outcome, reason, seen->outcomes[outcome][reason]);
    for (int reason = PVS_R_RAISED; reason <= PVS_R_WORKER_DIED; reason++)
        CHECK(seen->outcomes[PVS_FAILED][reason] > 0);
    CHECK(seen->outcomes[PVS_SUCCEEDED][0] && seen->outcomes[PVS_TIMED_OUT][0] && seen->outcomes[PVS_EXPIRED][0] &&
          seen->outcomes[PVS_CANCELLED][0]);
    if (rig_scale(WALKS) < 50 * WALKS)
        return; /* the rarest cells take a million events */
    for (int event = 0; event < EVENT_COUNT; event++)
        for (int state = 0; state < STATES; state++)
            CHECK(cannot_be(state, event) || seen->cells[state][event] > 0);
}

static void random_walks_keep_every_invariant(void)
{
    seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(seen != MAP_FAILED);
    if (getenv("PVS_SEED"))
        share = (uint32_t)check_first_seed(1) % SHARES, my_walks();
    else
        share_out(my_walks, NULL);
    if (!getenv("PVS_SEED") && rig_scale(WALKS) >= WALKS)
        every_cell_was_met();
}

int main(void)
{
    RUN(random_walks_keep_every_invariant);
    return 0;
}
