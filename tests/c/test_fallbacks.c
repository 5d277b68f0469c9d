/* Kernels without pidfd, close_range, memfd, or /proc/PID/task/TID/children: the whole of test_core.c once more, with none of them,
 * in every process. Only speed may differ.
 * slow: plain sanitized
 * links: all
 * flags: -Itests/c/seam */
#define SEAM_MAIN
#include <sys.h>

#define main the_life_of_a_task
#include "test_core.c"
#undef main

static uint64_t bit(int call)
{
    return UINT64_C(1) << call;
}

int main(void)
{
    seam_open();
    seam_arm(0, 0, 0, 0, SEAM_ALL);
    seam->missing =
        bit(SEAM_pidfd_open) | bit(SEAM_pidfd_kill) | bit(SEAM_close_range) | bit(SEAM_memfd) | bit(SEAM_open_children);
    return the_life_of_a_task();
}
