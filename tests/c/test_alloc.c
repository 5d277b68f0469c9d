/* Memory: every allocation of opening may fail, once and for ever, and after opening the hot path makes none: submit, dispatch,
 * collect, cancel and expire run on what was sized at the start. Larger results are the one exception, and they fail
 * explicitly. The allocator itself is watched, too: what goes past the seam, in the core or below it, is counted here.
 * links: all
 * flags: -Itests/c/seam */
#define SEAM_MAIN
#include <sys.h>

#include "rig.h"

#include "allocator.h"

static void each_allocation_of_opening_may_fail(int for_ever)
{
    struct pvs_settings set = {.workers = 2};
    pvs_core *core;

    for (int call = SEAM_malloc; call <= SEAM_mmap; call++) {
        long made = 0;
        for (long n = 1; n <= made + 1; n++) {
            int fds = rig_count_fds();
            seam_arm(call, n, ENOMEM, for_ever, SEAM_SUPERVISOR);
            int e = pvs_open(&core, &set);
            made = atomic_load(&seam->count[call]);
            seam_rest();
            CHECK_EQ(e, n <= made ? -ENOMEM : 0);
            if (e == 0)
                pvs_close(core, 0);
            CHECK_EQ(rig_count_fds(), fds);
            if (n > made)
                break;
        }
    }
}

/* It would prove nothing if it saw nothing. */
static void the_watch_sees_what_is_allocated(void)
{
    void *volatile kept[3];

    allocator_watch(0, 0);
    kept[0] = malloc(10);
    kept[1] = calloc(2, 10);
    kept[0] = realloc(kept[0], 100000);
    kept[2] = strdup("text");
    CHECK_EQ(allocator_rest(), 4);
    for (int i = 0; i < 3; i++)
        free(kept[i]);
}

static void each_may_fail_once(void)
{
    each_allocation_of_opening_may_fail(0);
}

static void each_may_fail_for_ever(void)
{
    each_allocation_of_opening_may_fail(1);
}

/* The same below the seam: the n-th malloc, calloc or realloc of all fails. */
static void the_allocator_may_fail_at_any_time(void)
{
    struct pvs_settings set = {.workers = 2};
    pvs_core *core;

    for (int for_ever = 0; for_ever < 2; for_ever++) {
        long n = 0;
        int e;
        do {
            int fds = rig_count_fds();
            allocator_watch(++n, for_ever);
            e = pvs_open(&core, &set);
            long made = allocator_rest();
            CHECK_EQ(e, n <= made ? -ENOMEM : 0);
            if (e == 0)
                pvs_close(core, 0);
            CHECK_EQ(rig_count_fds(), fds);
        } while (e != 0);
        CHECK(n > 5);
    }
}

/* The same with an allocator that has given up altogether. */
static void an_opened_core_needs_no_memory(void)
{
    rig_open(2);
    struct pvs_spec spec = rig_spec(PVS_POOL);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)rig_submit(&spec, "echo warm");
    rig_run();
    seam_arm(SEAM_malloc, 1, ENOMEM, 1, SEAM_SUPERVISOR);
    allocator_watch(0, 0);
    for (int i = 0; i < 500; i++) {
        spec.kind = i % 50 == 0 ? PVS_FORK : PVS_POOL;
        spec.priority = i % 10;
        spec.lane = (uint32_t)i % 7;
        spec.queue_timeout_ns = i % 5 == 0 ? 1 : 0;
        uint64_t id = rig_submit_bytes(&spec, "echo again", 10, &fd, i % 3 == 0);
        if (i % 7 == 0)
            CHECK_EQ(pvs_cancel(rig.core, id, pvs_now(), PVS_BY_CALLER), 0);
    }
    spec = rig_spec(PVS_POOL);
    spec.timeout_ns = 10000000;
    (void)rig_submit(&spec, "!wait");
    (void)rig_submit(&spec, "exit 3");
    (void)rig_submit(&spec, "daemons 1");
    (void)rig_shell(&spec, "echo out; echo -n '{}' >&3");
    rig_run();
    CHECK_EQ(allocator_rest(), 0);
    CHECK_EQ(atomic_load(&seam->count[SEAM_malloc]), 0);
    CHECK_EQ(atomic_load(&seam->count[SEAM_mmap]), 0);
    spec.timeout_ns = 0;
    uint64_t big = rig_submit(&spec, "big 100000"), next = rig_submit(&spec, "echo next");
    rig_run();
    RIG_WANT(big, PVS_FAILED, PVS_R_RESULT_TOO_LARGE);
    RIG_WANT(next, PVS_SUCCEEDED, 0);
    CHECK_EQ(atomic_load(&seam->count[SEAM_malloc]), 1);
    seam_rest();
    (void)close(fd);
    rig_close();
}

/* The core's memory for payloads, specs and descriptors is the same after any number of tasks. */
static void stores_are_whole_after_many_tasks(void)
{
    struct pvs_settings set = {.workers = 2, .capacity = 64, .payload_bytes = 64 * 1024};
    struct pvs_stats before, after;
    uint64_t state = 1;
    char text[2000] = "echo ";

    rig_open_with(&set);
    pvs_get_stats(rig.core, &before);
    for (uint32_t i = 0; i < rig_scale(4000); i++) {
        struct pvs_spec spec = rig_spec(PVS_POOL);
        spec.timeout_ns = 1000000000u + i; /* a spec of its own */
        (void)rig_submit_bytes(&spec, text, 5 + draw(&state, 1900), NULL, 0);
        if (rig.live > 20)
            rig_run_to(10, 20);
    }
    rig_run();
    pvs_get_stats(rig.core, &after);
    CHECK_EQ(after.payload_blocks_free, before.payload_blocks_free);
    CHECK_EQ(after.waiting + after.running + after.held, 0);
    CHECK_EQ(rig.core->places, 0);
    rig_close();
}

int main(void)
{
    seam_open();
    RUN(each_may_fail_once);
    RUN(each_may_fail_for_ever);
    if (ALLOCATOR_FAILS)
        RUN(the_allocator_may_fail_at_any_time);
    if (ALLOCATOR_COUNTS)
        RUN(the_watch_sees_what_is_allocated);
    RUN(an_opened_core_needs_no_memory);
    RUN(stores_are_whole_after_many_tasks);
    return 0;
}
