/* pvs_wake() from many threads: none is lost, and nothing but the wake itself is shared. Its build under ThreadSanitizer is the
 * one that counts.
 * also: threads
 * links: all */
#include <pthread.h>

#include "check.h"
#include "core.h"

#define THREADS 4
#define WAKES 20000u

static pvs_core *core;
static _Atomic uint32_t written;

/* What a waker hands over is written before it wakes; only then may the loop go back to sleep without it. */
static void *waker(void *arg)
{
    (void)arg;
    for (uint32_t i = 0; i < WAKES; i++) {
        atomic_fetch_add_explicit(&written, 1, memory_order_relaxed);
        pvs_wake(core);
    }
    return NULL;
}

static void no_wake_is_lost(void)
{
    static struct pvs_event events[PVS_MIN_EVENTS];
    struct pvs_settings set = {.workers = 0};
    pthread_t threads[THREADS];

    CHECK_EQ(pvs_open(&core, &set), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, waker, NULL), 0);
    while (atomic_load_explicit(&written, memory_order_relaxed) < THREADS * WAKES) {
        CHECK_EQ(pvs_wait(core, 30000), 1); /* a time-out here is a wake that was lost */
        CHECK_EQ(pvs_step(core, 1, events, PVS_MIN_EVENTS), 0);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    (void)!pvs_step(core, 1, events, PVS_MIN_EVENTS);
    CHECK_EQ(pvs_wait(core, 0), 0); /* and none is left over */
    pvs_close(core, 0);
}

int main(void)
{
    RUN(no_wake_is_lost);
    return 0;
}
