/* invariants.h - what must hold in a core between any two steps, looked at from inside. */
#ifndef INVARIANTS_H
#define INVARIANTS_H

#include "rig.h"

struct census {
    uint32_t places, on_procs, done, keeper_tasks[MOST_KEEPERS], lane_running[64], lent;
};

static inline void look_at_proc(struct pvs_core *c, uint32_t index, struct census *seen)
{
    const struct proc *p = &c->procs[index];

    CHECK(p->next - p->first <= RING);
    if (p->first == p->next) {
        CHECK(p->state != PROC_THREAD);
        return;
    }
    seen->places++;
    CHECK(p->state != PROC_FREE);
    CHECK(p->tasks[p->first % RING] != PVS_NONE); /* what was taken back at the front was passed */
    for (uint32_t i = p->first; i != p->next; i++) {
        uint32_t slot = p->tasks[i % RING];
        if (slot == PVS_NONE)
            continue;
        const struct task *t = task_at(c, slot);
        CHECK(t->id != 0);
        CHECK_EQ(t->proc, index);
        CHECK_EQ(t->entry, i % RING);
        CHECK(i == p->first || t->state == PVS_ST_OFFERED || t->state == PVS_ST_RUNNING);
        seen->on_procs++;
    }
}

static inline void look_at_done(struct pvs_core *c, struct census *seen)
{
    uint32_t last = PVS_NONE;

    for (uint32_t slot = c->done_head; slot != PVS_NONE; slot = task_at(c, slot)->next) {
        CHECK_EQ(task_at(c, slot)->state, PVS_ST_STOPPING);
        CHECK_EQ(task_at(c, slot)->proc, PVS_NONE);
        CHECK(++seen->done <= c->queue.capacity);
        last = slot;
    }
    CHECK_EQ(last, c->done_tail);
}

/* Counts each live record once, by its state. */
static inline void look_at_task(struct pvs_core *c, const struct task *t, struct census *seen, uint32_t *inline_ones)
{
    const struct pvs_spec *spec = spec_of(c, t);

    seen->keeper_tasks[spec->keeper] += spec->kind >= PVS_FORK;
    seen->lent += t->fds != PVS_NONE;
    switch (t->state) {
    case PVS_ST_HELD:
    case PVS_ST_QUEUED:
        CHECK_EQ(t->proc, PVS_NONE);
        CHECK_EQ(t->started_at, 0);
        break;
    case PVS_ST_OFFERED:
    case PVS_ST_STARTING:
        CHECK(t->proc != PVS_NONE);
        seen->lane_running[t->lane]++;
        break;
    case PVS_ST_RUNNING:
        CHECK(t->proc != PVS_NONE || t->kind == PVS_INLINE);
        *inline_ones += t->proc == PVS_NONE;
        seen->lane_running[t->lane]++;
        break;
    default:
        CHECK_EQ(t->state, PVS_ST_STOPPING);
        seen->lane_running[t->lane] += t->proc != PVS_NONE;
    }
}

static inline void check_invariants(struct pvs_core *c)
{
    struct census seen = {0};
    uint32_t used = 0, waiting = 0, held = 0, inline_ones = 0;

    for (uint32_t i = 0; i < c->proc_count; i++)
        look_at_proc(c, i, &seen);
    look_at_done(c, &seen);
    for (uint32_t i = 0; i < c->queue.capacity; i++) {
        const struct task *t = task_at(c, i);
        if (!t->id)
            continue;
        used++;
        waiting += t->state == PVS_ST_QUEUED;
        held += t->state == PVS_ST_HELD;
        look_at_task(c, t, &seen, &inline_ones);
    }
    CHECK_EQ(seen.places, c->places);
    CHECK_EQ(used, c->queue.used);
    CHECK_EQ(waiting, c->queue.waiting);
    CHECK_EQ(held, c->queue.held);
    CHECK_EQ(used, waiting + held + seen.on_procs + seen.done + inline_ones);
    for (uint32_t i = 0; i < c->set.lanes && i < 64; i++)
        CHECK_EQ(seen.lane_running[i], c->queue.lanes[i].running);
    for (uint32_t i = 0; i < MOST_KEEPERS; i++)
        CHECK_EQ(seen.keeper_tasks[i], c->keepers[i].tasks);
    CHECK(c->grave_count <= c->grave_room);
}

#endif
