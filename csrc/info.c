/* info.c - looks at one task, one lane, the whole. Nothing here changes anything. */
#include "core.h"

#include <string.h>
#include <sys.h>

int pvs_task_info(const pvs_core *c, uint64_t id, struct pvs_task_info *out)
{
    uint32_t slot = queue_find(&c->queue, id);

    memset(out, 0, sizeof(*out));
    if (slot == PVS_NONE)
        return -ENOENT;
    const struct task *t = &c->queue.slab[slot];
    const struct pvs_spec *s = spec_of(c, t);
    out->id = t->id;
    out->queued_ns = t->queued_at;
    out->started_ns = t->started_at;
    out->queue_deadline_ns = t->queue_deadline;
    out->lane = t->lane;
    out->state = t->state;
    out->kind = t->kind;
    out->priority = t->priority;
    if (t->proc != PVS_NONE)
        out->pid = c->procs[t->proc].pid;
    if (t->started_at && s->timeout_ns)
        out->deadline_ns = t->started_at + s->timeout_ns;
    if (t->state == PVS_ST_QUEUED) {
        out->ahead = queue_ahead(&c->queue, slot);
        out->lane_full = queue_lane_full(&c->queue, t->lane);
        out->no_worker = c->places >= c->set.workers;
    }
    return 0;
}

uint32_t pvs_running(const pvs_core *c, uint64_t *ids, uint32_t room)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < c->procs_used; i++) {
        const struct proc *p = &c->procs[i];
        for (uint32_t k = p->first; p->state != PROC_FREE && k != p->next; k++) {
            uint32_t slot = p->tasks[k % RING];
            if (slot == PVS_NONE || c->queue.slab[slot].state <= PVS_ST_OFFERED)
                continue;
            if (count < room)
                ids[count] = c->queue.slab[slot].id;
            count++;
        }
    }
    return count;
}

int pvs_lane_info(const pvs_core *c, uint32_t lane, struct pvs_lane_info *out)
{
    memset(out, 0, sizeof(*out));
    if (lane >= c->set.lanes)
        return -EINVAL;
    const struct lane *l = &c->queue.lanes[lane];
    for (int p = 0; p < PVS_PRIORITIES; p++)
        out->waiting[p] = l->count[CLASS_PLACE][p] + l->count[CLASS_INLINE][p];
    out->running = l->running;
    out->limit = l->limit;
    out->weight_milli = l->weight_milli;
    out->started = l->started;
    return 0;
}

/* The oldest of each lane stands at the head of its list by submission. */
static uint64_t oldest_queued(const pvs_core *c)
{
    uint64_t oldest = 0, id = UINT64_MAX;

    for (uint32_t i = 0; i < c->set.lanes; i++) {
        for (int k = 0; k < CLASS_COUNT && c->queue.lanes[i].waiting; k++) {
            uint32_t slot = c->queue.lanes[i].seq_head[k];
            if (slot == PVS_NONE || c->queue.slab[slot].id > id)
                continue;
            id = c->queue.slab[slot].id;
            oldest = c->queue.slab[slot].queued_at;
        }
    }
    return oldest;
}

void pvs_get_stats(const pvs_core *c, struct pvs_stats *out)
{
    *out = c->stats;
    out->waiting = c->queue.waiting;
    out->held = c->queue.held;
    out->workers = c->set.workers;
    out->capacity = c->set.capacity;
    out->running = c->queue.used - c->queue.waiting - c->queue.held;
    out->payload_blocks_free = c->store.blocks_left;
    out->lanes = c->queue.lanes_created;
    out->oldest_queued_ns = oldest_queued(c);
    for (uint32_t i = 0; i < c->procs_used; i++) {
        const struct proc *p = &c->procs[i];
        if (p->state == PROC_FREE || p->state == PROC_THREAD)
            continue;
        out->processes++;
        out->idle += p->kind == PVS_POOL && p->first == p->next;
        out->spares += p->kind == PVS_FORK && p->first == p->next && !p->answered;
    }
}

int64_t pvs_payload(const pvs_core *c, uint64_t id, char *to, size_t room)
{
    uint32_t slot = queue_find(&c->queue, id);

    if (slot == PVS_NONE)
        return -ENOENT;
    const struct task *t = &c->queue.slab[slot];
    store_payload_read(&c->store, t->payload, 0, to, t->length < room ? t->length : room);
    return t->length;
}

int pvs_lent(const pvs_core *c, uint64_t id, int fds[16])
{
    uint32_t slot = queue_find(&c->queue, id);

    if (slot == PVS_NONE)
        return -ENOENT;
    const struct task *t = &c->queue.slab[slot];
    if (t->fds == PVS_NONE)
        return 0;
    memcpy(fds, c->store.fds[t->fds] + 1, sizeof(int) * (size_t)c->store.fds[t->fds][0]);
    return c->store.fds[t->fds][0];
}
