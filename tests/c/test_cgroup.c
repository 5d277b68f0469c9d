/* A delegated folder of cgroup v2: even where the keeper is killed, what has called setsid dies with its task, except what is to
 * survive; and nothing is left in the folder. Skipped where there is no cgroup v2 that we may write to.
 * tries: 2 (its children race with a busy machine's other work)
 * links: all */
#include "rig.h"

#include <sys/stat.h>

static char folder[256];

/* A fresh folder below wherever cgroup v2 is mounted; 0 if there is none. */
static int find_folder(void)
{
    char line[1024], at[200], type[32];
    FILE *mounts = fopen("/proc/self/mounts", "re");

    while (mounts && fgets(line, sizeof(line), mounts)) {
        if (sscanf(line, "%*s %199s %31s", at, type) != 2 || strcmp(type, "cgroup2") != 0)
            continue;
        snprintf(folder, sizeof(folder), "%s/pvsched-test-%d", at, (int)getpid());
        (void)fclose(mounts);
        return mkdir(folder, 0755) == 0;
    }
    if (mounts)
        (void)fclose(mounts);
    return 0;
}

static int has_kill(void)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/cgroup.kill", folder);
    return access(path, W_OK) == 0;
}

static void open_in_folder(uint32_t workers)
{
    struct pvs_settings set = {.workers = workers};

    memset(&rig, 0, sizeof(rig));
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    rig.fds_before = rig_count_fds();
    CHECK_EQ(pvs_open(&rig.core, &set), 0);
    CHECK_EQ(pvs_set_cgroup(rig.core, "/proc"), -ENOENT);
    CHECK_EQ(pvs_set_cgroup(rig.core, "/nowhere"), -ENOENT);
    CHECK_EQ(pvs_set_cgroup(rig.core, folder), 0);
    CHECK_EQ(pvs_attach_keeper(rig.core, rig_fork_keeper()), 0);
    CHECK_EQ(pvs_set_cgroup(rig.core, folder), -EBUSY);
}

static void each_process_has_its_own(void)
{
    open_in_folder(2);
    struct pvs_spec spec = rig_spec(PVS_FORK);
    uint64_t id = rig_shell(&spec, "grep ^0:: /proc/self/cgroup");
    spec.limit_memory = 1u << 30;
    uint64_t worker = rig_submit(&spec, "echo x");
    rig_run();
    CHECK(strstr(rig_ending(id)->out, "/pvs-") != NULL);
    RIG_WANT(worker, PVS_SUCCEEDED, 0);
    rig_close();
    CHECK_EQ(rmdir(folder), 0); /* so there is nothing in it */
    CHECK_EQ(mkdir(folder, 0755), 0);
}

static void strangers_die_with_a_keeper_that_is_killed(void)
{
    open_in_folder(2);
    struct pvs_spec spec = rig_spec(PVS_FORK);
    (void)rig_submit(&spec, "!daemon 5");
    spec.kind = PVS_POOL;
    (void)rig_submit(&spec, "!daemon 5");
    rig_until_notes(2);
    CHECK_EQ(kill(rig.core->keepers[0].pid, SIGKILL), 0);
    rig_run();
    rig.keeper_may_die = 1;
    rig.keeper_deaths = 0; /* rig_close() shall end nobody for us */
    CHECK_EQ(pvs_replace_keeper(rig.core, 0, rig_fork_keeper()), 0);
    uint64_t next = rig_submit(&spec, "echo next");
    rig_run();
    RIG_WANT(next, PVS_SUCCEEDED, 0);
    rig_close();
    CHECK_EQ(rig_count_fds(), rig.fds_before);
    open_in_folder(1); /* a keeper removes what the dead one could not */
    (void)rig_submit(&spec, "echo x");
    rig_run();
    rig_close();
    CHECK_EQ(rmdir(folder), 0);
    CHECK_EQ(mkdir(folder, 0755), 0);
}

static void what_is_to_survive_does(void)
{
    pid_t left[8];

    open_in_folder(1);
    struct pvs_spec spec = rig_spec(PVS_FORK);
    rig.core->set.spares = 0;
    spec.flags = PVS_SURVIVE;
    uint64_t id = rig_submit(&spec, "daemons 1");
    rig_run();
    struct pvs_stats stats = {.processes = 1};
    for (int i = 0; stats.processes; i++) { /* until its worker has left */
        CHECK(i < 1000);
        (void)rig_step(10);
        pvs_get_stats(rig.core, &stats);
    }
    RIG_WANT(id, PVS_SUCCEEDED, 0);
    pid_t keeper = rig.core->keepers[0].pid;
    pvs_close(rig.core, 3000);
    CHECK_EQ(waitpid(keeper, NULL, 0), keeper); /* then what it has left is ours */
    CHECK_EQ(kill_children(getpid(), left, 8), 1);
    CHECK_EQ(kill(left[0], SIGKILL), 0);
    rig_no_child_left();
    CHECK_EQ(rig_count_fds(), rig.fds_before);
    open_in_folder(1); /* a keeper removes what the one before left for the survivor */
    spec.flags = 0;
    (void)rig_submit(&spec, "echo x");
    rig_run();
    rig_close();
}

int main(void)
{
    if (!find_folder()) {
        printf("skipped: no cgroup v2 that we may write to\n");
        return 0;
    }
    if (!has_kill()) {
        printf("skipped: this kernel has no cgroup.kill\n");
        return rmdir(folder);
    }
    RUN(each_process_has_its_own);
    RUN(strangers_die_with_a_keeper_that_is_killed);
    RIG_RUN_WITH(rig_is_subreaper(), "PR_SET_CHILD_SUBREAPER", what_is_to_survive_does);
    CHECK_EQ(rmdir(folder), 0);
    return 0;
}
