/*
 * fair.h - the counts, ranks and activity of the fair policy, and zot's own order. Internal to the queue.
 *
 * rank = weight / (1 + n), n = lane.started. A lane is active in a class while it has a task of that class that may start
 * now. Classes need different resources, so a lane that becomes active in one is measured against the lanes active in the
 * same one: tasks that wait for a worker say nothing about who is served by the caller's thread. n is one per lane.
 * Once a pick has looked at both classes at once (workers = 0), they count as one.
 */
#ifndef PVS_FAIR_H
#define PVS_FAIR_H

#include "queue.h"

/* The classes that compete with this one. */
unsigned fair_scope(const struct queue *q, unsigned class);
/* The lane to serve next among those that are active in a class of mask, PVS_NONE when there is none. Not counted yet. */
uint32_t fair_choose(struct queue *q, unsigned mask);
void fair_count(struct lane *lane);
void fair_uncount(struct lane *lane);
/* lane.active has just changed from old. */
void fair_activity(struct queue *q, uint32_t lane, unsigned old);
/* A task has left the lane: counts restart where nothing waits. */
void fair_left(struct queue *q, struct lane *lane);
/* The lane's weight has just changed from old. */
void fair_rescale(struct queue *q, struct lane *lane, uint32_t old);
/* The policy has just become fair. */
void fair_enter(struct queue *q);

#endif
