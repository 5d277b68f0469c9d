/* The measuring functions: they run to their end, at any size, and leave nothing behind (the sanitizers look).
 * links: bench.c queue.c records.c order.c fair.c deadline.c */
#include "pvs.h"

#include "check.h"

/* core.c has the real clock; here time is the number of looks at it. */
uint64_t pvs_now(void)
{
    static uint64_t looks;

    return ++looks;
}

static void each_looks_at_the_clock_before_and_after(void)
{
    static const uint32_t sizes[] = {1, 2, 100, 5000};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        CHECK_EQ(pvs_bench_queue(sizes[i], 20000), 1);
        CHECK_EQ(pvs_bench_cancel(sizes[i], 20000), 1);
    }
}

static void an_empty_queue_cannot_be_measured(void)
{
    CHECK_EQ(pvs_bench_queue(0, 10), 0);
    CHECK_EQ(pvs_bench_cancel(0, 10), 0);
}

int main(void)
{
    RUN(each_looks_at_the_clock_before_and_after);
    RUN(an_empty_queue_cannot_be_measured);
    return 0;
}
