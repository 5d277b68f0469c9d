/* worker.h - a worker's own state, made by the keeper's child. Internal. */
#ifndef PVS_WORKER_H
#define PVS_WORKER_H

#include "frame.h"

/* channel: the worker's; page: its part of the shared page, NULL if there is none. NULL when there is no memory. */
pvs_worker *worker_new(int channel, struct shared_proc *page);
void worker_free(pvs_worker *worker);

#endif
