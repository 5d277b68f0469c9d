/* order.h - the policies' order of picks. Internal to the queue. */
#ifndef PVS_ORDER_H
#define PVS_ORDER_H

#include "queue.h"

/* The task that the policy starts next among the classes in mask, PVS_NONE when none may start. It stays where it is. */
uint32_t order_choose(struct queue *q, unsigned mask);

#endif
