/* python_glue.c - the only file that knows Python: fork hooks, given to the core as function pointers. */
#include <Python.h>

#include "python_glue.h"

/* cffi lets the GIL go around every call, and CPython wants it held around a fork. */
static PyGILState_STATE held;

static void before_fork(void *arg)
{
    (void)arg;
    held = PyGILState_Ensure();
    PyOS_BeforeFork();
}

static void after_fork_parent(void *arg)
{
    (void)arg;
    PyOS_AfterFork_Parent();
    PyGILState_Release(held);
}

static void after_fork_child(void *arg)
{
    (void)arg;
    PyOS_AfterFork_Child();
    PyGILState_Release(held);
}

const struct pvs_hooks *pvs_python_hooks(void)
{
    static const struct pvs_hooks hooks = {before_fork, after_fork_parent, after_fork_child, 0};
    return &hooks;
}
