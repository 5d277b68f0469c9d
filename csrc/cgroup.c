/* cgroup.c - a task's own cgroup v2, below a folder that was delegated to us. */
#include "cgroup.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys.h>

struct cgroup_name cgroup_name(pid_t keeper, uint32_t proc, uint32_t gen)
{
    struct cgroup_name n;

    (void)snprintf(n.text, sizeof(n.text), "pvs-%d-%u-%u", (int)keeper, proc, gen);
    return n;
}

/* Its file, for writing; -errno. */
static int open_file(int folder, const struct cgroup_name *name, const char *file)
{
    char path[sizeof(name->text) + 32];

    (void)snprintf(path, sizeof(path), "%s/%s", name->text, file);
    int fd = sys_openat(folder, path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static void write_file(int folder, const struct cgroup_name *name, const char *file, const char *text)
{
    int fd = open_file(folder, name, file);

    if (fd < 0)
        return;
    (void)!sys_write(fd, text, strlen(text));
    (void)sys_close(fd);
}

int cgroup_make(int folder, const struct cgroup_name *name, uint64_t memory)
{
    char text[24];

    if (sys_mkdirat(folder, name->text) < 0 && errno != EEXIST)
        return -errno;
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)memory);
    if (memory)
        write_file(folder, name, "memory.max", text);
    int fd = open_file(folder, name, "cgroup.procs");
    if (fd < 0)
        cgroup_remove(folder, name);
    return fd;
}

int cgroup_enter(int entrance)
{
    return sys_write(entrance, "0", 1) == 1 ? 0 : -errno;
}

void cgroup_kill(int folder, const struct cgroup_name *name)
{
    write_file(folder, name, "cgroup.kill", "1");
}

void cgroup_remove(int folder, const struct cgroup_name *name)
{
    (void)sys_rmdirat(folder, name->text);
}

void cgroup_clean(int folder)
{
    int fd = sys_openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);

    if (!entries) {
        if (fd >= 0)
            (void)sys_close(fd);
        return;
    }
    for (struct dirent *e = readdir(entries); e; e = readdir(entries)) {
        int keeper;
        if (sscanf(e->d_name, "pvs-%d-", &keeper) == 1 && sys_kill(keeper, 0) < 0 && errno == ESRCH)
            (void)sys_rmdirat(folder, e->d_name);
    }
    (void)closedir(entries);
}
