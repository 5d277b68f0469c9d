"""The library: tasks, outcomes, policies, executors, events. The public names are those of `pvsched`."""
