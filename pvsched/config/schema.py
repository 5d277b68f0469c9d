"""Every key of the daemon's configuration: type, default, unit, range, meaning, and whether a reload may change it."""

from __future__ import annotations

from collections.abc import Iterator

from pvsched.config.pantavisor import LEGACY_KEYS

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
DAY = 86400


class Key:
    """One key. `kind` is one of integer, number, flag, text, path, list, choice, bytes, mode.

    `low` and `high` bound numbers, bytes and modes, both inclusive. `choices` are the words of a `choice`. `unit` is
    for people. A `secret` value is never shown.
    """

    __slots__ = ("choices", "default", "doc", "high", "kind", "low", "name", "reloadable", "secret", "unit")

    def __init__(
        self,
        name: str,
        kind: str,
        default: object,
        doc: str,
        *,
        unit: str = "",
        low: float | None = None,
        high: float | None = None,
        choices: tuple[str, ...] = (),
        reloadable: bool = False,
        secret: bool = False,
    ) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.doc = doc
        self.unit = unit
        self.low = low
        self.high = high
        self.choices = choices
        self.reloadable = reloadable
        self.secret = secret

    @property
    def environment(self) -> str:
        """The environment variable that sets it."""
        return "PVSCHED_" + self.name.replace(".", "_").upper()


POLICIES = ("fifo", "strict", "fair", "edf")

DAEMON = (
    Key(
        "daemon.state",
        "path",
        "",
        "State directory. Empty: `/var/lib/pvsched` for root, else `$XDG_STATE_HOME/pvsched`.",
    ),
    Key(
        "daemon.drain_timeout",
        "number",
        10.0,
        "How long SIGTERM lets running requests and tasks finish before they are ended.",
        unit="seconds",
        low=0,
        high=3600,
        reloadable=True,
    ),
    Key(
        "daemon.short_slice",
        "flag",
        True,
        "Ask the kernel for short turns on the processor (0.1 ms, Linux 6.12 and later), so that the main loop is not "
        "kept waiting by one that computes. Older kernels do nothing.",
    ),
    Key(
        "daemon.watchdog",
        "flag",
        True,
        "Feed the service manager's watchdog where it set one (a wake-up each half period).",
    ),
)

SCHEDULER = (
    Key(
        "scheduler.workers",
        "integer",
        2,
        "Tasks that run at once. 0 runs every task in the main loop, one a turn: for comparison only.",
        low=0,
        high=256,
        reloadable=True,
    ),
    Key(
        "scheduler.max_workers", "integer", 16, "The most that `workers` may be raised to by a reload.", low=1, high=256
    ),
    Key("scheduler.policy", "choice", "strict", "Who goes first.", choices=POLICIES, reloadable=True),
    Key(
        "scheduler.capacity",
        "integer",
        4096,
        "Tasks waiting and running; more are refused with 503.",
        low=16,
        high=1_000_000,
    ),
    Key("scheduler.lanes", "integer", 64, "Lanes that may exist.", low=2, high=1024),
    Key("scheduler.batch", "integer", 32, "The most tasks sent ahead to one busy worker.", low=1, high=32),
    Key("scheduler.spares", "integer", 1, "One-shot workers made ahead of need.", low=0, high=16),
    Key("scheduler.inline_budget", "integer", 1, "Inline tasks run in one turn of the main loop.", low=1, high=64),
    Key(
        "scheduler.payload_bytes",
        "bytes",
        0,
        "Memory for the payloads of all waiting tasks; 0 takes the core's default.",
        unit="bytes",
        low=0,
        high=GIB,
    ),
    Key("scheduler.history", "integer", 256, "Ended tasks that `/tasks` still shows.", low=0, high=4096),
    Key(
        "scheduler.cgroup",
        "text",
        "",
        "A folder of cgroup v2 for the tasks: each is killed and limited as a whole in one of its own. `auto`: below "
        "the daemon's own, where that is delegated (systemd: `Delegate=yes`). Empty: none.",
    ),
)

OBJECTS = (
    Key("objects.directory", "path", "", "Where objects are kept. Empty: `objects` in the state directory."),
    Key(
        "objects.reserved_percent",
        "integer",
        5,
        "Part of the file system that uploads leave free.",
        unit="percent",
        low=0,
        high=90,
        reloadable=True,
    ),
    Key(
        "objects.max_size",
        "bytes",
        0,
        "The largest object accepted; 0 for no limit but the space.",
        unit="bytes",
        low=0,
        high=1024 * GIB,
        reloadable=True,
    ),
    Key(
        "objects.min_rate",
        "bytes",
        1 * KIB,
        "A transfer slower than this over `stall_timeout` is ended; 0 turns that off.",
        unit="bytes a second",
        low=0,
        high=GIB,
        reloadable=True,
    ),
    Key(
        "objects.stall_timeout",
        "number",
        30.0,
        "A transfer may make no progress for this long.",
        unit="seconds",
        low=1,
        high=3600,
        reloadable=True,
    ),
    Key(
        "objects.transfer_timeout",
        "number",
        4 * 3600.0,
        "The longest that one transfer may take.",
        unit="seconds",
        low=1,
        high=30 * DAY,
        reloadable=True,
    ),
    Key(
        "objects.queue_timeout",
        "number",
        120.0,
        "The longest that a transfer waits for a worker.",
        unit="seconds",
        low=1,
        high=DAY,
        reloadable=True,
    ),
    Key(
        "objects.drain_limit",
        "bytes",
        GIB,
        "Bytes of a refused upload that are read and dropped, so that the client gets to read why.",
        unit="bytes",
        low=0,
        high=1024 * GIB,
        reloadable=True,
    ),
    Key(
        "objects.line",
        "integer",
        64,
        "Uploads of one object that wait for each other.",
        low=1,
        high=4096,
        reloadable=True,
    ),
    Key(
        "objects.lane_limit",
        "integer",
        0,
        "Transfers that run at once; 0: one less than there are workers, but one at least.",
        low=0,
        high=256,
        reloadable=True,
    ),
    Key("objects.verify_at_start", "flag", False, "Hash every object after start, at the lowest priority."),
)

CONTROL = (
    Key(
        "control.socket",
        "path",
        "",
        "The socket. Empty: `/run/pvsched/pv-ctrl` for root, else under `$XDG_RUNTIME_DIR/pvsched`.",
    ),
    Key("control.mode", "mode", 0o660, "Permissions of the socket.", unit="octal", low=0o600, high=0o777),
    Key("control.group", "text", "", "Group of the socket, by name or number. Empty: the daemon's own."),
    Key(
        "control.link",
        "text",
        "auto",
        "Symbolic link to the socket where the shell clients look. `auto`: `/run/pantavisor/pv/pv-ctrl` if run by root"
        " on the default socket. Empty: none. Made only if nothing answers there; removed at exit.",
    ),
    Key(
        "control.host_cgroups",
        "list",
        ("/user.slice", "/system.slice", "/init.scope"),
        "Callers below these cgroups are the host, and privileged.",
        reloadable=True,
    ),
    Key(
        "control.max_connections",
        "integer",
        256,
        "Connections at once; the rest wait in the kernel.",
        low=4,
        high=65536,
        reloadable=True,
    ),
    Key(
        "control.head_timeout",
        "number",
        10.0,
        "Time for a request's head; then 408.",
        unit="seconds",
        low=0.1,
        high=3600,
        reloadable=True,
    ),
    Key(
        "control.body_timeout",
        "number",
        30.0,
        "Time without progress in a body.",
        unit="seconds",
        low=0.1,
        high=3600,
        reloadable=True,
    ),
    Key("control.max_head", "bytes", 16 * KIB, "A longer head gets 431.", unit="bytes", low=1 * KIB, high=1 * MIB),
    Key(
        "control.reply_timeout",
        "number",
        60.0,
        "A client that takes no byte of its answer for this long is closed.",
        unit="seconds",
        low=0.1,
        high=3600,
        reloadable=True,
    ),
    Key(
        "control.drain_limit",
        "bytes",
        64 * MIB,
        "An unwanted body up to this size is read and dropped, so that the connection can go on.",
        unit="bytes",
        low=0,
        high=GIB,
        reloadable=True,
    ),
    Key(
        "control.stream_buffer",
        "bytes",
        256 * KIB,
        "What a stream of events may hold for a slow client; more, and it is closed.",
        unit="bytes",
        low=4 * KIB,
        high=64 * MIB,
        reloadable=True,
    ),
)

EVENTS = (
    Key("events.buffer", "integer", 1024, "Events kept for those who ask later.", low=16, high=65536),
    Key(
        "events.waiters",
        "integer",
        32,
        "Clients that wait for events at once; more get 503.",
        low=0,
        high=4096,
        reloadable=True,
    ),
    Key(
        "events.max_wait",
        "number",
        60.0,
        "The longest `wait=` of `/events`.",
        unit="seconds",
        low=0,
        high=3600,
        reloadable=True,
    ),
)

LOG_LEVELS = ("fatal", "error", "warning", "info", "debug", "trace")
LOG = (
    Key(
        "log.level",
        "choice",
        "info",
        "Records of this level and above are written.",
        choices=LOG_LEVELS,
        reloadable=True,
    ),
    Key(
        "log.format",
        "choice",
        "auto",
        "`auto`: the journal's own protocol where stderr is the journal, else plain lines.",
        choices=("auto", "plain", "json", "journald"),
    ),
)

LANE_KEYS = (
    Key(
        "limit", "integer", 0, "Tasks of this lane that run at once; 0 for no limit.", low=0, high=256, reloadable=True
    ),
    Key(
        "weight",
        "text",
        "medium",
        "Share under the policy `fair`: high (100), medium (10), low (1), or a number.",
        reloadable=True,
    ),
)

SECTIONS: dict[str, tuple[Key, ...]] = {
    "daemon": DAEMON,
    "scheduler": SCHEDULER,
    "objects": OBJECTS,
    "control": CONTROL,
    "events": EVENTS,
    "log": LOG,
}


def own_keys() -> Iterator[Key]:
    """The keys of our own sections, in the order of the reference page."""
    for keys in SECTIONS.values():
        yield from keys


def pantavisor_keys() -> Iterator[Key]:
    """The keys of `[pantavisor]`, under Pantavisor's own names, in the order of `/config2`."""
    for legacy in LEGACY_KEYS:
        yield Key(
            f"pantavisor.{legacy.name}",
            legacy.kind,
            legacy.default,
            legacy.doc,
            choices=legacy.choices,
            low=legacy.low,
            high=legacy.high,
            secret=legacy.secret,
            reloadable=True,
        )


def all_keys() -> dict[str, Key]:
    """Every key by its full name."""
    return {key.name: key for key in (*own_keys(), *pantavisor_keys())}
