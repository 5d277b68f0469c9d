#include "child.h"

#include "cgroup.h"

#include "slice.h"

#include <sys.h>

int child_lead(pid_t keeper, int survive, int entrance)
{
    if (entrance >= 0)
        (void)!cgroup_enter(entrance); /* refused: its tree is ended by the older means */
    if (!survive) {
        if (sys_prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
            return -errno;
        /* the keeper may have died before the line above took effect */
        if (getppid() != keeper)
            _exit(111);
    }
    if (sys_setsid() < 0)
        return -errno;
    (void)slice_set(0); /* the keeper's short turns are not for those who compute */
    /* refused by emulators only; then a setsid grandchild is the keeper's to find */
    (void)sys_prctl(PR_SET_CHILD_SUBREAPER, 1);
    return 0;
}

void child_reset_signals(void)
{
    sigset_t none;

    /* SIGKILL, SIGSTOP and the C library's own two refuse, which is what we want */
    for (int sig = 1; sig < NSIG; sig++)
        (void)signal(sig, SIG_DFL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void close_one_by_one(unsigned first)
{
    struct rlimit r;
    rlim_t last = 65536;

    /* /proc may be absent and opendir() allocates: the limit is the honest bound, capped where it is infinite */
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < last)
        last = r.rlim_cur;
    for (rlim_t fd = first; fd < last; fd++)
        (void)sys_close((int)fd);
}

void child_close_from(unsigned first)
{
    if (sys_close_range(first, ~0u) < 0)
        close_one_by_one(first);
}

int child_limit(uint64_t memory, uint64_t cpu, uint64_t files, int32_t nice, int32_t ionice)
{
    if (memory && sys_setrlimit(RLIMIT_AS, memory) < 0)
        return -errno;
    if (cpu && sys_setrlimit(RLIMIT_CPU, cpu) < 0)
        return -errno;
    if (files && sys_setrlimit(RLIMIT_NOFILE, files) < 0)
        return -errno;
    if (nice && sys_nice(nice) < 0)
        return -errno;
    if (ionice >= 0 && sys_ioprio(ionice) < 0)
        return -errno;
    return 0;
}
