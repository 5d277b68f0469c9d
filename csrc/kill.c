#include "kill.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys.h>

#define PF_EXITING 4u     /* of the kernel's include/linux/sched.h; shown in /proc/PID/stat since 2.6 */
#define MOST_CHILDREN 512 /* looked at in one go; callers repeat until none is left */

/* /proc/PID/stat from the state on: the name before it may hold anything, so look from its last ')'. NULL = gone. */
static const char *stat_of(pid_t pid, char *text, size_t room)
{
    char path[40];

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return NULL;
    ssize_t n = sys_read(fd, text, room - 1);
    (void)sys_close(fd);
    if (n <= 0)
        return NULL;
    text[n] = 0;
    const char *end = strrchr(text, ')');
    return end ? end + 1 : NULL;
}

/* 0 = gone */
static pid_t parent_of(pid_t pid)
{
    char text[512];
    const char *stat = stat_of(pid, text, sizeof(text));
    int parent = 0;

    return stat && sscanf(stat, " %*c %d", &parent) == 1 ? parent : 0;
}

int kill_is_leaving(pid_t pid)
{
    char text[512];
    const char *stat = stat_of(pid, text, sizeof(text));
    unsigned flags = 0;

    return stat && sscanf(stat, " %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && (flags & PF_EXITING);
}

static long children_by_scan(pid_t of, pid_t *out, size_t max)
{
    DIR *proc = opendir("/proc");
    long found = 0;

    if (!proc)
        return -errno;
    for (struct dirent *e = readdir(proc); e; e = readdir(proc)) {
        pid_t pid = (pid_t)atoi(e->d_name);
        if (pid <= 0 || parent_of(pid) != of)
            continue;
        if ((size_t)found < max)
            out[found] = pid;
        found++;
    }
    (void)closedir(proc);
    return found;
}

static long parse_children(int fd, pid_t *out, size_t max, long found)
{
    char text[4096];
    long value = 0;
    ssize_t n;

    while ((n = sys_read(fd, text, sizeof(text))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            if (text[i] >= '0' && text[i] <= '9') {
                value = value * 10 + (text[i] - '0');
            } else if (value) {
                if ((size_t)found < max)
                    out[found] = (pid_t)value;
                found++;
                value = 0;
            }
        }
    }
    return n < 0 ? -errno : found;
}

/* A process with threads has a list for each of them. */
long kill_children(pid_t of, pid_t *out, size_t max)
{
    char path[64];
    long found = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)of);
    DIR *tasks = opendir(path);
    if (!tasks)
        return errno == ENOENT ? 0 : -errno;
    for (struct dirent *e = readdir(tasks); e && found >= 0; e = readdir(tasks)) {
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "/proc/%d/task/%.16s/children", (int)of, e->d_name);
        int fd = sys_open_children(path);
        if (fd < 0) {
            int missing = errno == ENOENT;
            (void)closedir(tasks);
            return missing ? children_by_scan(of, out, max) : -errno;
        }
        found = parse_children(fd, out, max, found);
        (void)sys_close(fd);
    }
    (void)closedir(tasks);
    return found;
}

int kill_open_own(void)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    int fd = sys_open_children(path);
    return fd < 0 ? -errno : fd;
}

long kill_read_own(int fd, pid_t *out, size_t max)
{
    if (fd < 0 || sys_lseek(fd, 0) < 0)
        return kill_children(getpid(), out, max);
    long n = parse_children(fd, out, max, 0);
    return n < 0 ? kill_children(getpid(), out, max) : n;
}

/* The pid was a child of `parent` a moment ago. Pin it by pidfd and look again before the signal: then it is no stranger. */
static void signal_pinned(pid_t pid, pid_t parent, int sig)
{
    int pidfd = sys_pidfd_open(pid);

    if (pidfd < 0 && errno == ESRCH)
        return;
    if (parent_of(pid) == parent) {
        if (pidfd >= 0)
            (void)sys_pidfd_kill(pidfd, sig);
        else
            (void)sys_kill(pid, sig); /* a kernel before 5.3: a window of microseconds is left */
    }
    if (pidfd >= 0)
        (void)sys_close(pidfd);
}

static void term_below(pid_t parent, pid_t group, int depth)
{
    pid_t pids[64];

    if (depth > 32)
        return;
    long n = kill_children(parent, pids, 64);
    for (long i = 0; i < n && i < 64; i++) {
        term_below(pids[i], group, depth + 1);
        if (getpgid(pids[i]) != group) /* the group was told already */
            signal_pinned(pids[i], parent, SIGTERM);
    }
}

void kill_term_tree(pid_t leader)
{
    term_below(leader, leader, 0);
    (void)sys_kill(-leader, SIGTERM);
    (void)sys_kill(leader, SIGTERM); /* it may be so young that it leads no group yet */
}

long kill_own_children(int (*keep)(void *arg, pid_t pid), void *arg)
{
    pid_t pids[MOST_CHILDREN];
    long n = kill_children(getpid(), pids, MOST_CHILDREN), killed = 0;

    if (n < 0)
        return n;
    for (long i = 0; i < n && i < MOST_CHILDREN; i++) {
        if (keep(arg, pids[i])) /* NOLINT(clang-analyzer-core.CallAndMessage): n of them were written */
            continue;
        (void)sys_kill(pids[i], SIGKILL);
        killed++;
    }
    return killed;
}
