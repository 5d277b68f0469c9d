#include "spawn.h"

#include "child.h"

#include <string.h>
#include <sys.h>

static void hook(const struct pvs_hooks *hooks, void (*f)(void *))
{
    if (f)
        f(hooks->arg);
}

/* The keeper's own descriptors go; the channel becomes descriptor 3. */
static int keep_only_channel(int channel)
{
    if (channel != 3) {
        if (sys_dup2(channel, 3) < 0)
            return -errno;
        if (fcntl(3, F_SETFD, FD_CLOEXEC) < 0)
            return -errno;
    }
    child_close_from(4);
    return 0;
}

int spawn_worker(const struct pvs_hooks *hooks, int channel, int survive, int entrance)
{
    static const struct pvs_hooks no_hooks;
    pid_t keeper = getpid();

    if (!hooks)
        hooks = &no_hooks;
    hook(hooks, hooks->before_fork);
    pid_t pid = sys_fork();
    if (pid != 0) {
        int error = errno;
        hook(hooks, hooks->after_fork_parent);
        return pid > 0 ? pid : -error;
    }
    if (child_lead(keeper, survive, entrance) < 0)
        _exit(111);
    child_reset_signals();
    if (keep_only_channel(channel) < 0)
        _exit(111);
    hook(hooks, hooks->after_fork_child);
    return 0;
}

/* ---- programs ----------------------------------------------------------------------------------- */

#define MOST_WORDS 4096u

struct program {
    const struct keeper_request *request;
    const int *fds;
    uint32_t nfds;
    pid_t keeper;
    int entrance; /* of its cgroup, -1 = none */
    char **argv;
    char **envp;
    const char *cwd; /* NULL: stay */
    struct spawn_failure failure;
};

/* Moves every descriptor above the places that will be filled, then down into them. */
static int place_descriptors(const struct program *p)
{
    static const int target_of[4] = {3, 0, 1, 2};
    int high[EXEC_FIXED_FDS + PVS_MAX_FDS];
    int least = (int)(4 + PVS_MAX_FDS + 1);

    for (uint32_t i = 0; i < p->nfds; i++) {
        high[i] = i == 4 ? -1 : sys_dup_cloexec(p->fds[i], least);
        if (high[i] < 0 && i != 4)
            return -errno;
    }
    for (uint32_t i = 0; i < p->nfds; i++) {
        if (i == 4) /* the exec block was read by the keeper */
            continue;
        int target = i < 4 ? target_of[i] : (int)i - 1; /* 5 -> 4, 6 -> 5, ... */
        if (sys_dup2(high[i], target) < 0)
            return -errno;
    }
    child_close_from(4 + p->nfds - EXEC_FIXED_FDS);
    return 0;
}

/* As execvp does, but a text without #! is ENOEXEC and no hidden /bin/sh, and EACCES outlasts a later ENOENT. */
static int exec_by_path(const struct program *p)
{
    const char *name = p->argv[0], *path = NULL;
    char full[4096];
    int error = ENOENT;

    if (strchr(name, '/') || !*name) {
        (void)sys_execve(name, p->argv, p->envp);
        return errno;
    }
    for (char **e = p->envp; *e; e++)
        if (strncmp(*e, "PATH=", 5) == 0)
            path = *e + 5;
    if (!path)
        path = "/usr/local/bin:/usr/bin:/bin";
    while (*path) {
        size_t n = strcspn(path, ":");
        if (n + strlen(name) + 2 <= sizeof(full)) {
            memcpy(full, path, n);
            full[n] = '/';
            strcpy(full + n + 1, name);
            (void)sys_execve(n ? full : name, p->argv, p->envp);
            if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
                return errno;
            if (errno == EACCES)
                error = EACCES;
        }
        path += n + (path[n] == ':');
    }
    return error;
}

/* Runs in the child, on a stack of its own but in the keeper's memory: it changes nothing there but `failure`. */
static int program_child(void *arg)
{
    struct program *p = arg;
    const struct keeper_request *r = p->request;
    int e = child_lead(p->keeper, (r->flags & PVS_SURVIVE) != 0, p->entrance);

    if (e == 0)
        e = place_descriptors(p);
    if (e == 0 && p->cwd && sys_chdir(p->cwd) < 0)
        e = -errno;
    if (e == 0)
        e = child_limit(r->memory, r->cpu, r->files, r->nice, r->ionice);
    if (e == 0) {
        child_reset_signals();
        p->failure.exec = 1;
        e = -exec_by_path(p);
    }
    p->failure.error = -e;
    _exit(111);
}

static char *take_word(char **at, const char *end)
{
    char *word = *at;
    char *nul = memchr(word, 0, (size_t)(end - word));

    if (!nul)
        return NULL;
    *at = nul + 1;
    return word;
}

/* exec block: u32 argc, u32 envc, u32 has_cwd, then argc + envc + has_cwd strings, each ended by NUL. */
static int parse_block(char *block, size_t length, char **words, struct program *p)
{
    uint32_t count[3];
    char *at = block + sizeof(count), *end = block + length;

    if (length < sizeof(count))
        return -EINVAL;
    memcpy(count, block, sizeof(count));
    if (count[0] == 0 || count[0] > MOST_WORDS || count[1] > MOST_WORDS || count[2] > 1)
        return -E2BIG;
    p->argv = words;
    p->envp = words + count[0] + 1;
    for (uint32_t i = 0; i < count[0]; i++)
        if (!(p->argv[i] = take_word(&at, end)))
            return -EINVAL;
    p->argv[count[0]] = NULL;
    for (uint32_t i = 0; i < count[1]; i++)
        if (!(p->envp[i] = take_word(&at, end)))
            return -EINVAL;
    p->envp[count[1]] = NULL;
    p->cwd = count[2] ? take_word(&at, end) : NULL;
    return count[2] && !p->cwd ? -EINVAL : 0;
}

static int read_block(int fd, char *block, size_t length)
{
    size_t got = 0;

    if (sys_lseek(fd, 0) < 0)
        return -errno;
    while (got < length) {
        ssize_t n = sys_read(fd, block + got, length - got);
        if (n <= 0)
            return n < 0 ? -errno : -EINVAL;
        got += (size_t)n;
    }
    return 0;
}

#if defined(__SANITIZE_ADDRESS__)
void __asan_unpoison_memory_region(void const volatile *at, size_t size);
#else
#define __asan_unpoison_memory_region(at, size) ((void)0)
#endif

/* A vfork that can be called from any C: the child has its own stack, and the keeper waits until it has exec'd. */
static int vfork_and_exec(struct program *p)
{
    static _Alignas(16) char stack[64 * 1024];
    sigset_t all, old;

    sigfillset(&all);
    __asan_unpoison_memory_region(stack, sizeof(stack)); /* the last child left it without returning */
    (void)sigprocmask(SIG_SETMASK, &all, &old);          /* no handler of the keeper's may run in the child */
    int pid = sys_clone(program_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, p);
    int error = errno;
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
    if (pid < 0) {
        p->failure.error = error;
        return -1;
    }
    if (p->failure.error == 0)
        return pid;
    (void)sys_waitpid(pid, NULL, 0);
    return -1;
}

int spawn_program(const struct keeper_request *request, const int *fds, uint32_t nfds, int entrance,
                  struct spawn_failure *failure)
{
    size_t words = 2u * MOST_WORDS + 4, length = request->exec_bytes;
    struct program p = {.request = request, .fds = fds, .nfds = nfds, .keeper = getpid(), .entrance = entrance};
    char *memory = nfds < EXEC_FIXED_FDS ? NULL : sys_malloc(words * sizeof(char *) + length);
    int pid = -1, e = nfds < EXEC_FIXED_FDS ? -EINVAL : -ENOMEM;

    if (memory) {
        char *block = memory + words * sizeof(char *);
        e = read_block(fds[4], block, length);
        if (e == 0)
            e = parse_block(block, length, (char **)(void *)memory, &p);
        if (e == 0)
            pid = vfork_and_exec(&p);
        free(memory);
    }
    *failure = p.failure;
    if (e < 0)
        failure->error = -e;
    return pid;
}
