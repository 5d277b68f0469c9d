/*
 * sys.h - every system call of the core, by name.
 *
 * Included as <sys.h>, so that a test puts a folder with its own sys.h first on the include path and makes any call
 * fail (after dinit). Each returns what the kernel says: -1 and errno.
 * Numbers that old C libraries lack are given here; a kernel without the call answers ENOSYS and the caller falls back.
 */
#ifndef PVS_SYS_H
#define PVS_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef __NR_pidfd_send_signal
#define __NR_pidfd_send_signal 424
#endif
#ifndef __NR_pidfd_open
#define __NR_pidfd_open 434
#endif
#ifndef __NR_close_range
#define __NR_close_range 436
#endif

#ifndef SYS_SEAM
#define SYS_SEAM(name, call) call
#endif

/* One line a call, to be read as a table. */
/* clang-format off */
static inline void *sys_malloc(size_t n) { return SYS_SEAM(malloc, malloc(n)); }
static inline void *sys_mmap(size_t n, int prot, int flags, int fd)
{
    return SYS_SEAM(mmap, mmap(NULL, n, prot, flags, fd, 0));
}
static inline int sys_madvise(void *p, size_t n, int advice) { return SYS_SEAM(madvise, madvise(p, n, advice)); }
static inline int sys_close(int fd) { return SYS_SEAM(close, close(fd)); }
static inline ssize_t sys_read(int fd, void *p, size_t n) { return SYS_SEAM(read, read(fd, p, n)); }
static inline ssize_t sys_write(int fd, const void *p, size_t n) { return SYS_SEAM(write, write(fd, p, n)); }
static inline ssize_t sys_recv(int fd, void *p, size_t n, int f) { return SYS_SEAM(recv, recv(fd, p, n, f)); }
static inline ssize_t sys_send(int fd, const void *p, size_t n, int f) { return SYS_SEAM(send, send(fd, p, n, f)); }
static inline ssize_t sys_recvmsg(int fd, struct msghdr *m, int f) { return SYS_SEAM(recvmsg, recvmsg(fd, m, f)); }
static inline ssize_t sys_sendmsg(int fd, const struct msghdr *m, int f) { return SYS_SEAM(sendmsg, sendmsg(fd, m, f)); }
static inline int sys_socketpair(int type, int fds[2])
{
    return SYS_SEAM(socketpair, socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds));
}
static inline int sys_pipe2(int fds[2], int flags) { return SYS_SEAM(pipe2, pipe2(fds, flags)); }
static inline int sys_shutdown(int fd, int how) { return SYS_SEAM(shutdown, shutdown(fd, how)); }
static inline int sys_dup_cloexec(int fd, int least) { return SYS_SEAM(dup, fcntl(fd, F_DUPFD_CLOEXEC, least)); }
static inline int sys_dup2(int from, int to) { return SYS_SEAM(dup2, dup2(from, to)); }
static inline int sys_set_nonblock(int fd) { return SYS_SEAM(nonblock, fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK)); }
static inline int sys_memfd(const char *name) { return SYS_SEAM(memfd, (int)syscall(__NR_memfd_create, name, 1u)); }
static inline int sys_open(const char *path, int flags, unsigned mode) { return SYS_SEAM(open, open(path, flags, mode)); }
static inline int sys_openat(int at, const char *path, int flags) { return SYS_SEAM(openat, openat(at, path, flags)); }
static inline int sys_mkdirat(int at, const char *path) { return SYS_SEAM(mkdir, mkdirat(at, path, 0755)); }
static inline int sys_rmdirat(int at, const char *path) { return SYS_SEAM(rmdir, unlinkat(at, path, AT_REMOVEDIR)); }
static inline int sys_open_children(const char *path) { return SYS_SEAM(open_children, open(path, O_RDONLY | O_CLOEXEC)); }
static inline int sys_ftruncate(int fd, off_t n) { return SYS_SEAM(ftruncate, ftruncate(fd, n)); }
static inline off_t sys_lseek(int fd, off_t at) { return SYS_SEAM(lseek, lseek(fd, at, SEEK_SET)); }
static inline int sys_epoll_create(void) { return SYS_SEAM(epoll_create, epoll_create1(EPOLL_CLOEXEC)); }
static inline int sys_epoll_ctl(int ep, int op, int fd, struct epoll_event *ev)
{
    if (op != EPOLL_CTL_ADD) /* takes no memory, and so cannot lack it */
        return SYS_SEAM(epoll_change, epoll_ctl(ep, op, fd, ev));
    return SYS_SEAM(epoll_ctl, epoll_ctl(ep, op, fd, ev));
}
static inline int sys_epoll_wait(int ep, struct epoll_event *ev, int n, int ms)
{
    return SYS_SEAM(epoll_wait, epoll_wait(ep, ev, n, ms));
}
static inline int sys_eventfd(void) { return SYS_SEAM(eventfd, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }
static inline int sys_timerfd(void)
{
    return SYS_SEAM(timerfd, timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
}
static inline int sys_timerfd_settime(int fd, const struct itimerspec *t)
{
    return SYS_SEAM(timerfd_settime, timerfd_settime(fd, TFD_TIMER_ABSTIME, t, NULL));
}
static inline int sys_signalfd(const sigset_t *set)
{
    return SYS_SEAM(signalfd, signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK));
}
static inline int sys_poll(struct pollfd *p, nfds_t n, int ms) { return SYS_SEAM(poll, poll(p, n, ms)); }
static inline pid_t sys_fork(void) { return SYS_SEAM(fork, fork()); }
static inline int sys_clone(int (*run)(void *), void *stack_top, int flags, void *arg)
{
    return SYS_SEAM(clone, clone(run, stack_top, flags, arg));
}
static inline int sys_execve(const char *path, char *const argv[], char *const envp[])
{
    return SYS_SEAM(execve, execve(path, argv, envp));
}
static inline int sys_kill(pid_t pid, int sig) { return SYS_SEAM(kill, kill(pid, sig)); }
static inline pid_t sys_waitpid(pid_t pid, int *status, int flags) { return SYS_SEAM(waitpid, waitpid(pid, status, flags)); }
static inline int sys_waitid(idtype_t type, id_t id, siginfo_t *si, int flags)
{
    return SYS_SEAM(waitid, waitid(type, id, si, flags));
}
static inline int sys_pidfd_open(pid_t pid) { return SYS_SEAM(pidfd_open, (int)syscall(__NR_pidfd_open, pid, 0)); }
static inline int sys_pidfd_kill(int pidfd, int sig)
{
    return SYS_SEAM(pidfd_kill, (int)syscall(__NR_pidfd_send_signal, pidfd, sig, NULL, 0));
}
static inline int sys_close_range(unsigned first, unsigned last)
{
    return SYS_SEAM(close_range, (int)syscall(__NR_close_range, first, last, 0));
}
static inline int sys_prctl(int op, unsigned long arg) { return SYS_SEAM(prctl, prctl(op, arg, 0, 0, 0)); }
static inline pid_t sys_setsid(void) { return SYS_SEAM(setsid, setsid()); }
static inline int sys_chdir(const char *path) { return SYS_SEAM(chdir, chdir(path)); }
static inline int sys_setrlimit(int what, uint64_t value)
{
    /* the raw call: glibc gives `what` an enum type, musl an int, and its limits have 64 bits everywhere */
    const uint64_t limit[2] = {value, value};
    return SYS_SEAM(setrlimit, (int)syscall(__NR_prlimit64, 0, what, limit, NULL));
}
static inline int sys_nice(int add) { return SYS_SEAM(nice, setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + add)); }
static inline int sys_ioprio(int value) { return SYS_SEAM(ioprio, (int)syscall(__NR_ioprio_set, 1, 0, value)); }
static inline int sys_sched_getattr(void *attr, unsigned size)
{
    return SYS_SEAM(sched_getattr, (int)syscall(__NR_sched_getattr, 0, attr, size, 0));
}
static inline int sys_sched_setattr(void *attr) { return SYS_SEAM(sched_setattr, (int)syscall(__NR_sched_setattr, 0, attr, 0)); }
static inline uint64_t sys_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* clang-format on */

#endif
