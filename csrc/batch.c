/* batch.c - under backlog, tasks are sent ahead to busy pool workers, and taken back where that would make them late. */
#include "core.h"

#include <sys.h>

#define AHEAD_NS 500000u   /* at most this much work is sent ahead to one worker */
#define RECALL_NS 2000000u /* behind a task that runs longer than this, nothing waits */

int batch_withdraw(struct pvs_core *c, uint32_t slot)
{
    struct task *t = task_at(c, slot);
    struct proc *p = &c->procs[t->proc];
    struct entry *e = entry_of(c, t->proc, t->entry);
    uint32_t offered = ENTRY_OFFERED;

    if (!atomic_compare_exchange_strong(&e->state, &offered, ENTRY_WITHDRAWN))
        return 0;
    uint32_t index = t->proc;
    t->proc = PVS_NONE;
    p->tasks[t->entry] = PVS_NONE;
    if (t->entry == p->first % RING) /* it was next, and its worker had not come to it */
        proc_advance(c, index);
    return 1;
}

static void wait_again(struct pvs_core *c, uint32_t slot)
{
    task_at(c, slot)->kind = (uint8_t)spec_of(c, task_at(c, slot))->kind;
    queue_unpick(&c->queue, slot);
}

uint32_t batch_recall(struct pvs_core *c, uint32_t index)
{
    const struct proc *p = &c->procs[index];
    uint32_t taken = 0;

    for (uint32_t i = p->next, first = p->first; i != first;
         i--) { /* the front too, if its worker has not come to it */
        uint32_t slot = p->tasks[(i - 1) % RING];
        if (slot == PVS_NONE || task_at(c, slot)->state != PVS_ST_OFFERED || !batch_withdraw(c, slot))
            continue;
        wait_again(c, slot);
        taken++;
    }
    return taken;
}

int batch_steal(struct pvs_core *c)
{
    uint32_t best = PVS_NONE, most = 1;

    for (uint32_t i = 0; i < c->procs_used; i++) {
        const struct proc *p = &c->procs[i];
        if (p->kind == PVS_POOL && p->next - p->first > most) {
            most = p->next - p->first;
            best = i;
        }
    }
    if (best == PVS_NONE)
        return 0;
    const struct proc *p = &c->procs[best];
    for (uint32_t i = p->first + 1; i != p->next; i++) {
        uint32_t slot = p->tasks[i % RING];
        if (slot != PVS_NONE && task_at(c, slot)->state == PVS_ST_OFFERED && batch_withdraw(c, slot)) {
            wait_again(c, slot);
            return 1;
        }
    }
    return 0;
}

static uint32_t depth_of(struct pvs_core *c, const struct proc *p)
{
    if (p->kind != PVS_POOL || p->state != PROC_LIVE || p->first == p->next || !p->run_ns)
        return 0;
    if (p->killed || p->doomed || p->decided || p->closing || p->exited || p->cancel_asked || p->term_sent ||
        p->want_term)
        return 0;
    if (p->tx_start != p->tx_end || p->tx_task != PVS_NONE || task_at(c, proc_front(p))->fds != PVS_NONE)
        return 0;
    uint32_t depth = AHEAD_NS / p->run_ns;
    return depth < c->set.batch ? depth : c->set.batch;
}

static int fits(struct pvs_core *c, uint32_t index, uint32_t slot)
{
    const struct proc *p = &c->procs[index];
    const struct task *t = task_at(c, slot);
    const struct pvs_spec *s = spec_of(c, t);
    int own =
        (s->flags & PVS_SURVIVE) || s->limit_memory || s->limit_cpu || s->limit_files || s->nice || s->ionice >= 0;

    return s->kind == PVS_POOL && !own && s->keeper == p->keeper && t->fds == PVS_NONE &&
           p->tx_end + sizeof(struct job_frame) + t->length <= TX_BYTES &&
           atomic_load_explicit(&entry_of(c, index, p->next)->state, memory_order_acquire) == ENTRY_FREE;
}

void batch_fill(struct pvs_core *c)
{
    for (uint32_t i = 0; i < c->procs_used && c->queue.waiting >= c->set.workers; i++) {
        struct proc *p = &c->procs[i];
        uint32_t depth = depth_of(c, p), before = p->next, full = 0;
        if ((p->next - p->first) * 2 > depth)
            continue;
        while (!full && p->next - p->first < depth) {
            uint32_t slot = queue_pick(&c->queue, MASK_PLACE);
            if (slot == PVS_NONE)
                break;
            full = !fits(c, i, slot);
            if (full)
                queue_unpick(&c->queue, slot);
            else
                proc_assign(c, i, slot, 1);
        }
        if (p->next == before)
            continue;
        c->stats.batched += p->next - before;
        if (!p->recall) {
            p->recall = c->now + RECALL_NS;
            p->recall_front = p->first;
        }
        proc_flush(c, i);
    }
}

void batch_check_recall(struct pvs_core *c, uint32_t index)
{
    struct proc *p = &c->procs[index];

    collect_channel(c, index); /* its replies may be held back behind a long task */
    if (p->recall_front == p->first)
        (void)batch_recall(c, index);
    uint32_t front = proc_front(p);
    int waits = p->next - p->first > 1 || (front != PVS_NONE && task_at(c, front)->state == PVS_ST_OFFERED);
    p->recall = waits ? c->now + RECALL_NS : 0;
    p->recall_front = p->first;
}
