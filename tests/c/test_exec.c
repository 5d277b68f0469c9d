/* Programs: the exact errno of what cannot be started, and exactly the descriptors that were lent, whatever else is open.
 * tries: 2 (its children race with a busy machine's other work)
 * links: all */
#include "rig.h"

#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char folder[64];

static const char *path_to(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void make_file(const char *name, const char *text, mode_t mode)
{
    int fd = open(path_to(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), (long long)strlen(text));
    CHECK_EQ(fchmod(fd, mode), 0);
    CHECK_EQ(close(fd), 0);
}

static void failed_with(uint64_t id, int error)
{
    RIG_WANT(id, PVS_FAILED, PVS_R_EXEC_FAILED);
    CHECK_EQ(rig_ending(id)->event.error, error);
}

static void what_cannot_be_started_tells_its_errno(void)
{
    static char huge[200000];
    uint32_t rounds = rig_scale(40);

    rig_open(4);
    struct pvs_spec spec = rig_spec(PVS_EXEC);
    make_file("noexec", "this is no program\n", 0755);
    make_file("noaccess", "#!/bin/sh\n", 0644);
    make_file("busy", "#!/bin/true\n", 0755);
    memset(huge, 'h', sizeof(huge) - 1);
    int busy = open(path_to("busy"), O_WRONLY | O_CLOEXEC);
    CHECK(busy >= 0);
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t ids[6];
        ids[0] = rig_exec_with(&spec, (const char *const[]){path_to("absent"), NULL}, "", NULL, 0);
        ids[1] = rig_exec_with(&spec, (const char *const[]){path_to("noaccess"), NULL}, "", NULL, 0);
        ids[2] = rig_exec_with(&spec, (const char *const[]){path_to("noexec"), NULL}, "", NULL, 0);
        ids[3] = rig_exec_with(&spec, (const char *const[]){"/bin/true", huge, NULL}, "", NULL, 0);
        ids[4] = rig_exec_with(&spec, (const char *const[]){path_to("busy"), NULL}, "", NULL, 0);
        ids[5] = rig_exec_with(&spec, (const char *const[]){"no-such-program-anywhere", NULL}, "", NULL, 0);
        rig_run();
        failed_with(ids[0], ENOENT);
        failed_with(ids[1], EACCES);
        failed_with(ids[2], ENOEXEC);
        failed_with(ids[3], E2BIG);
        failed_with(ids[4], ETXTBSY);
        failed_with(ids[5], ENOENT);
    }
    CHECK_EQ(close(busy), 0);
    rig_close();
}

static void a_broken_exec_block_is_refused(void)
{
    static const struct {
        uint32_t count[3];
        const char *words;
        uint32_t length;
    } blocks[] = {
        {{0, 0, 0}, "", 12},          {{1, 0, 0}, "", 12},
        {{1, 0, 0}, "abc", 15},       {{5000, 0, 0}, "a", 14},
        {{1, 1, 0}, "/bin/true", 22}, {{1, 0, 1}, "/bin/true", 22},
        {{1, 0, 2}, "/bin/true", 22}, {{UINT32_MAX, UINT32_MAX, 0}, "a", 14},
    };

    rig_open(2);
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        struct pvs_spec spec = rig_spec(PVS_EXEC);
        char block[64] = "";
        memcpy(block, blocks[i].count, 12);
        memcpy(block + 12, blocks[i].words, strlen(blocks[i].words));
        for (uint32_t length = 1; length <= blocks[i].length; length++) {
            spec.exec_bytes = length;
            uint64_t id = rig_submit_bytes(&spec, block, length, NULL, 0);
            rig_run();
            RIG_WANT(id, PVS_FAILED, PVS_R_SPAWN_FAILED);
        }
    }
    rig_close();
}

static void a_program_sees_exactly_its_descriptors(void)
{
    int spare[40], fds[16];

    rig_open(2);
    struct pvs_spec spec = rig_spec(PVS_EXEC);
    for (int i = 0; i < 40; i++) /* without O_CLOEXEC, and the keeper is made with them open */
        spare[i] = open("/dev/null", O_RDONLY);
    CHECK_EQ(pvs_attach_keeper(rig.core, rig_fork_keeper()), 1);
    spec.keeper = 1;
    for (int i = 0; i < 16; i++)
        fds[i] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    for (uint32_t lent = 0; lent <= 16; lent++) {
        char want[128] = "0\n1\n2\n3\n";
        const char *const argv[] = {"/bin/sh", "-c", "exec /bin/ls -v /proc/self/fd/", NULL};
        for (uint32_t i = 0; i <= lent; i++) /* one more: the folder that ls reads */
            snprintf(want + strlen(want), sizeof(want) - strlen(want), "%u\n", i + 4);
        uint64_t id = rig_exec_with(&spec, argv, "", fds, lent);
        rig_run();
        RIG_WANT(id, PVS_SUCCEEDED, 0);
        CHECK_EQ(strcmp(rig_ending(id)->out, want), 0);
    }
    channel_close_all(fds, 16);
    channel_close_all(spare, 40);
    rig_close();
}

/* The same for a worker of ours. */
static void a_worker_sees_exactly_its_descriptors(void)
{
    int spare[40];

    for (int i = 0; i < 40; i++)
        spare[i] = open("/dev/null", O_RDONLY);
    rig_open(2);
    for (int kind = PVS_FORK; kind <= PVS_POOL; kind++) {
        struct pvs_spec spec = rig_spec(kind);
        uint64_t id = rig_submit(&spec, "fds");
        rig_run();
        CHECK_EQ(strcmp(rig_ending(id)->body, "0 1 2 3 "), 0);
    }
    rig_close();
    channel_close_all(spare, 40);
}

/* An emulator of the user mode takes a limit of its address space and forgets it. */
static int has_memory_limits(void)
{
    int status = 0;
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        struct rlimit limit = {1u << 30, 1u << 30};
        _exit(setrlimit(RLIMIT_AS, &limit) != 0 || getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur != 1u << 30);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status == 0;
}

static void limits_hold_and_signals_are_at_their_default(void)
{
    rig_open(2);
    struct pvs_spec spec = rig_spec(PVS_EXEC);
    spec.limit_files = 33, spec.limit_cpu = 77, spec.limit_memory = 1u << 30, spec.nice = 3;
    uint64_t id = rig_shell(&spec, "ulimit -n; ulimit -t; ulimit -v; nice");
    spec = rig_spec(PVS_EXEC);
    uint64_t signals = rig_exec_with(
        &spec, (const char *const[]){"/bin/grep", "-E", "SigBlk|SigIgn", "/proc/self/status", NULL}, "", NULL, 0);
    uint64_t leads = rig_shell(
        &spec, "read pid name state ppid group session rest < /proc/self/stat; test $group = $$ -a $session = $$");
    rig_run();
    char wanted[64];
    int niceness = getpriority(PRIO_PROCESS, 0) + 3; /* a suite that runs beside other work may be nice itself */
    (void)snprintf(wanted, sizeof(wanted), "33\n77\n1048576\n%d\n", niceness > 19 ? 19 : niceness);
    if (has_memory_limits())
        CHECK_EQ(strcmp(rig_ending(id)->out, wanted), 0);
    else
        printf("skipped: no RLIMIT_AS here: what ulimit -v says\n");
    unsigned long long ignored = 1;
    CHECK_EQ(sscanf(rig_ending(signals)->out, "SigBlk:\t0000000000000000\nSigIgn:\t%llx", &ignored), 1);
    /* 32 and 33 are the C library's own: whoever was started by a posix_spawn, as make starts us, has them ignored */
    CHECK_EQ(ignored & ~(3ull << 31), 0);
    RIG_WANT(leads, PVS_SUCCEEDED, 0);
    rig_close();
}

int main(void)
{
    strcpy(folder, "/tmp/pvs-exec-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    RIG_RUN_WITH(rig_vfork_shares(), "vfork() that shares memory", what_cannot_be_started_tells_its_errno);
    RUN(a_broken_exec_block_is_refused);
    RUN(a_program_sees_exactly_its_descriptors);
    RUN(a_worker_sees_exactly_its_descriptors);
    RUN(limits_hold_and_signals_are_at_their_default);
    (void)unlink(path_to("noexec"));
    (void)unlink(path_to("noaccess"));
    (void)unlink(path_to("busy"));
    CHECK_EQ(rmdir(folder), 0);
    return 0;
}
