/*
 * sys.h - in front of csrc/sys.h: counts every system call of the core by name and makes a chosen one fail.
 *
 * Or it fails a second one in the same run, or kills the process as it enters its n-th call of all.
 *
 * The counters are in memory that the keeper and the workers share, so that one "n-th" runs through all of them. Put
 * "flags: -Itests/c/seam" in the test's head comment and SEAM_MAIN before the first include.
 */
#ifndef SEAM_SYS_H
#define SEAM_SYS_H

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>

/* clang-format off */
#define SEAM_CALLS(X) \
    X(malloc) X(mmap) X(close) X(read) X(write) X(recv) X(send) X(recvmsg) X(sendmsg) X(socketpair) X(pipe2) X(shutdown) \
    X(dup) X(dup2) X(nonblock) X(memfd) X(open) X(ftruncate) X(lseek) X(epoll_create) X(epoll_ctl) X(epoll_wait) \
    X(eventfd) X(timerfd) X(timerfd_settime) X(signalfd) X(poll) X(fork) X(clone) X(execve) X(kill) X(waitpid) X(waitid) \
    X(pidfd_open) X(pidfd_kill) X(close_range) X(prctl) X(setsid) X(chdir) X(setrlimit) X(nice) X(ioprio) X(madvise) X(mkdir) \
    X(rmdir) X(open_children) X(openat) X(epoll_change)
/* clang-format on */

#define SEAM_NUMBER(name) SEAM_##name,
enum seam_call { SEAM_CALLS(SEAM_NUMBER) SEAM_COUNT };

enum seam_who { SEAM_SUPERVISOR = 1, SEAM_OTHERS = 2, SEAM_ALL = 3, SEAM_KEEPER = 4 };

struct seam {
    _Atomic long count[SEAM_COUNT]; /* while `counting` */
    _Atomic long hits;              /* how often one was made to fail */
    _Atomic int counting;
    int call, error;
    long at;                /* the n-th from 1 on; 0 = none */
    int for_ever;           /* that one and all that follow */
    uint64_t missing;       /* one bit a call: always ENOSYS (open_children: ENOENT), as on a kernel without it */
    int who;                /* enum seam_who: in whose process */
    int supervisor, keeper; /* pids; the keeper is one of the others, too */
    struct {                /* another one that fails; at 0 = none */
        int call, error;
        long at;
    } second;
    _Atomic long calls; /* of all names, of that `who` */
    long kill_at;       /* 0 = none */
};

extern struct seam *seam;
/* 0 = do it; else the errno that it shall fail with. */
int seam_enter(int call);

/* Of a name; -1 = none of the list, which is then never counted nor made to fail. */
int seam_number(const char *name);

/* A close that fails has closed all the same: that is what Linux does. */
#define SEAM_SYS_IS_DONE(call) ((call) == SEAM_close)
#define SEAM_BAD(call) ((call) == SEAM_malloc ? (intptr_t)0 : (intptr_t)-1)

#define SYS_SEAM(name, real)                                           \
    __extension__({                                                    \
        int seam_call_ = seam ? seam_number(#name) : -1;               \
        int seam_error_ = seam_call_ < 0 ? 0 : seam_enter(seam_call_); \
        __typeof__(real) seam_result_;                                 \
        if (seam_error_ == 0 || SEAM_SYS_IS_DONE(seam_call_))          \
            seam_result_ = (real);                                     \
        if (seam_error_ != 0) {                                        \
            errno = seam_error_;                                       \
            seam_result_ = (__typeof__(real))SEAM_BAD(seam_call_);     \
        }                                                              \
        seam_result_;                                                  \
    })

#include "../../../csrc/sys.h"

#ifdef SEAM_MAIN

#include <string.h>

struct seam *seam;

static const char *const seam_names[SEAM_COUNT] = {
#define SEAM_NAME(name) #name,
    SEAM_CALLS(SEAM_NAME)};

int seam_number(const char *name)
{
    for (int i = 0; i < SEAM_COUNT; i++)
        if (strcmp(seam_names[i], name) == 0)
            return i;
    return -1;
}

static int seam_who(void)
{
    int pid = (int)getpid();

    if (pid == seam->supervisor)
        return SEAM_SUPERVISOR;
    return pid == seam->keeper ? SEAM_KEEPER | SEAM_OTHERS : SEAM_OTHERS;
}

int seam_enter(int call)
{
    if (!seam || !atomic_load_explicit(&seam->counting, memory_order_relaxed) || !(seam->who & seam_who()))
        return 0;
    if (atomic_fetch_add(&seam->calls, 1) + 1 == seam->kill_at)
        (void)kill(getpid(), SIGKILL);
    if (seam->missing >> call & 1)
        return call == SEAM_open_children ? ENOENT : ENOSYS;
    long n = atomic_fetch_add(&seam->count[call], 1) + 1;
    if (call == seam->second.call && n == seam->second.at) {
        atomic_fetch_add(&seam->hits, 1);
        return seam->second.error;
    }
    if (call != seam->call || seam->at == 0 || (seam->for_ever ? n < seam->at : n != seam->at))
        return 0;
    atomic_fetch_add(&seam->hits, 1);
    return seam->error;
}

static inline void seam_open(void)
{
    void *p = mmap(NULL, sizeof(*seam), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        abort();
    seam = p;
    seam->supervisor = (int)getpid();
}

/* The process that calls this is the keeper. */
static inline void seam_be_keeper(void)
{
    if (seam)
        seam->keeper = (int)getpid();
}

/* From here on the n-th (0: none) such call fails. */
static inline void seam_arm(int call, long at, int error, int for_ever, int who)
{
    memset(seam->count, 0, sizeof(seam->count));
    atomic_store(&seam->hits, 0);
    atomic_store(&seam->calls, 0);
    memset(&seam->second, 0, sizeof(seam->second));
    seam->kill_at = 0;
    seam->call = call, seam->at = at, seam->error = error, seam->for_ever = for_ever, seam->who = who;
    atomic_store(&seam->counting, 1);
}

/* From here on whoever of `who` enters that call (0: none; the others are counted) is killed. */
static inline void seam_arm_kill(long at, int who)
{
    seam_arm(0, 0, 0, 0, who);
    seam->kill_at = at;
}

static inline void seam_rest(void)
{
    atomic_store(&seam->counting, 0);
}

#endif
#endif
