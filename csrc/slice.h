/* slice.h - asking the kernel for short turns on the processor. Internal. */
#ifndef PVS_SLICE_H
#define PVS_SLICE_H

#include "task.h"

/* How long a turn of the keeper's should be: it does little, and others wait for it. */
#define SLICE_NS 100000u

/* For the calling thread; children inherit it. 0 = the kernel's default. Async-signal-safe. 0 or -errno, which may be
 * ignored: then it waits its turn like everybody. */
int slice_set(uint64_t slice_ns);

#endif
