/* launch.c - starting a keeper: a grandchild that a host's own waitpid(-1) and SIGCHLD handler never meet. */
#include "channel.h"
#include "child.h"

#include <sys.h>

int pvs_keeper_pair(int ends[2])
{
    return sys_socketpair(SOCK_SEQPACKET, ends) < 0 ? -errno : 0;
}

struct launch {
    char *const *argv;
    char *const *envp;
    int end;
    volatile int error; /* written by a child that shares our memory */
    char *inner_stack;
};

static int keeper_child(void *arg)
{
    struct launch *l = arg;

    (void)sys_setsid(); /* a Ctrl-C at the host's terminal is not for the keeper */
    if (l->end == 3) {
        if (fcntl(3, F_SETFD, 0) < 0)
            l->error = errno;
    } else if (sys_dup2(l->end, 3) < 0) {
        l->error = errno;
    }
    if (!l->error) {
        child_close_from(4);
        child_reset_signals();
        (void)sys_execve(l->argv[0], l->argv, l->envp);
        l->error = errno;
    }
    _exit(111);
}

static int intermediate_child(void *arg)
{
    struct launch *l = arg;
    int pid = sys_clone(keeper_child, l->inner_stack, CLONE_VM | CLONE_VFORK | SIGCHLD, l);

    if (pid < 0)
        l->error = errno;
    _exit(0);
}

int pvs_keeper_exec(char *const argv[], char *const envp[], int *fd)
{
    enum { STACK = 32 * 1024 };
    int ends[2], e = pvs_keeper_pair(ends);
    struct launch l = {.argv = argv, .envp = envp, .end = ends[1]};
    sigset_t all, old;

    if (e < 0)
        return e;
    char *stacks = sys_malloc(2 * STACK + 32);
    if (!stacks) {
        channel_close_all(ends, 2);
        return -ENOMEM;
    }
    char *top = stacks + 2 * STACK + 16;
    top -= (uintptr_t)top % 16;
    l.inner_stack = top - STACK;
    sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &old);
    /* exit signal 0: no SIGCHLD, and invisible to a waitpid(-1) without __WALL */
    int pid = sys_clone(intermediate_child, top, CLONE_VM | CLONE_VFORK, &l);
    int error = errno;
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
    if (pid < 0)
        l.error = error;
    else
        while (sys_waitpid(pid, NULL, __WALL) < 0 && errno == EINTR) {
        }
    free(stacks);
    (void)sys_close(ends[1]);
    if (l.error) {
        (void)sys_close(ends[0]);
        return -l.error;
    }
    *fd = ends[0];
    return 0;
}
