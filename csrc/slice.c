/* slice.c - asking the kernel for short turns on the processor. */
#include "slice.h"

#include <string.h>
#include <sys.h>

/* struct sched_attr as of Linux 3.14; the C library of today has a name for it, that of yesterday has none. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

int slice_set(uint64_t slice_ns)
{
    struct attributes a;

    memset(&a, 0, sizeof(a));
    if (sys_sched_getattr(&a, sizeof(a)) < 0)
        return -errno;
    if (a.policy != SCHED_OTHER && a.policy != SCHED_BATCH)
        return -EINVAL; /* somebody chose otherwise for us, and knows why */
    a.size = sizeof(a);
    a.runtime = slice_ns;
    return sys_sched_setattr(&a) < 0 ? -errno : 0;
}

int pvs_short_slice(uint64_t slice_ns)
{
    return slice_set(slice_ns);
}
