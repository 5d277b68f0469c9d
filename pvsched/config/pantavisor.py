"""Pantavisor's own configuration keys, so that `/config`, `/config2` and an existing device's settings keep their
meaning.

Names, order, types and aliases are those that a real device answered (recordings 006 and `config-ls`); enum numbers
are Pantavisor's (config.h). Defaults are its documented ones, save for paths, which are ours (`{state}`, `{run}`),
and for modes that speak of what this version does not do (secure boot, watchdog hardware), which say so.
"""

from __future__ import annotations


class LegacyKey:
    """One key of Pantavisor. `alias` is its name in `/config` ("" if it is not shown there).

    `bound` names our own key that is the same thing: setting one sets the other. `default` None is an unset string.
    """

    __slots__ = ("alias", "bound", "choices", "default", "doc", "high", "kind", "low", "name")

    def __init__(
        self,
        name: str,
        alias: str,
        kind: str,
        default: object,
        doc: str = "",
        *,
        low: int | None = None,
        high: int | None = None,
        choices: tuple[str, ...] = (),
        bound: str = "",
    ) -> None:
        self.name = name
        self.alias = alias
        self.kind = kind
        self.default = default
        self.doc = doc
        self.low = 0 if low is None and kind == "integer" else low
        self.high = 0x7FFFFFFF if high is None and kind == "integer" else high
        self.choices = choices
        self.bound = bound

    @property
    def secret(self) -> bool:
        """True if its value must not be shown: Pantavisor shows it, we do not."""
        return self.name in ("PH_CREDS_SECRET", "PH_FACTORY_AUTOTOK")


K = LegacyKey
TEXT, INT, FLAG, PATH, CHOICE = "text", "integer", "flag", "text", "choice"

# The number that /config shows is the place in this row.
BOOTLOADERS = ("uboot", "uboot-pvk", "grub", "rpiab", "uboot-ab")
POWER_MODES = ("disabled", "locks", "managed")
SECUREBOOT_MODES = ("disabled", "audit", "lenient", "strict")
INIT_MODES = ("embedded", "standalone", "appengine")
WATCHDOG_MODES = ("disabled", "shutdown", "startup", "always")

HUB = (
    K("PH_CREDS_HOST", "creds.host", TEXT, "api.pantahub.com", "Hub to talk to."),
    K("PH_CREDS_ID", "creds.id", TEXT, None, "The device's id at the hub."),
    K("PH_CREDS_PORT", "creds.port", INT, 443, "Port of the hub.", low=1, high=65535),
    K("PH_CREDS_PROXY_HOST", "creds.proxy.host", TEXT, None, "HTTP proxy on the way to the hub."),
    K("PH_CREDS_PROXY_NOPROXYCONNECT", "creds.proxy.noproxyconnect", INT, 0, "1: without CONNECT.", high=1),
    K("PH_CREDS_PROXY_PORT", "creds.proxy.port", INT, 3218, "Port of the proxy.", low=1, high=65535),
    K("PH_CREDS_PRN", "creds.prn", TEXT, None, "The device's resource name at the hub."),
    K("PH_CREDS_SECRET", "creds.secret", TEXT, None, "The device's secret at the hub. Never shown."),
    K("PH_CREDS_TYPE", "creds.type", TEXT, "builtin", "Where credentials come from."),
    K("PH_FACTORY_AUTOTOK", "factory.autotok", TEXT, None, "Token that claims a new device. Never shown."),
    K("PH_LIBEVENT_HTTP_TIMEOUT", "", INT, 60, "Seconds that one request to the hub may take."),
    K("PH_LIBEVENT_HTTP_RETRIES", "", INT, 1, "Further tries of a request to the hub."),
    K("PH_METADATA_DEVMETA_INTERVAL", "metadata.devmeta.interval", INT, 10, "Seconds between uploads of metadata."),
    K("PH_METADATA_USRMETA_INTERVAL", "metadata.usrmeta.interval", INT, 5, "Seconds between downloads of metadata."),
    K("PH_ONLINE_REQUEST_THRESHOLD", "", INT, 0, "Failed requests before the hub counts as offline."),
    K("PH_UPDATER_INTERVAL", "updater.interval", INT, 5, "Seconds between two looks for an update."),
    K("PH_UPDATER_NETWORK_TIMEOUT", "updater.network_timeout", INT, 120, "Seconds without network that end an update."),
    K("PH_UPDATER_TRANSFER_MAX_COUNT", "", INT, 5, "Downloads at once."),
)  # fmt: skip

BOOTLOADER = (
    K("PV_BOOTLOADER_FITCONFIG", "bootloader.fitconfig", TEXT, None),
    K("PV_BOOTLOADER_MTD_ENV", "bootloader.mtd_env", TEXT, None),
    K("PV_BOOTLOADER_MTD_ONLY", "bootloader.mtd_only", FLAG, False),
    K("PV_BOOTLOADER_TYPE", "bootloader.type", CHOICE, "uboot", choices=BOOTLOADERS),
    K("PV_BOOTLOADER_UBOOTAB_A_NAME", "", TEXT, "fitA"),
    K("PV_BOOTLOADER_UBOOTAB_B_NAME", "", TEXT, "fitB"),
    K("PV_BOOTLOADER_UBOOTAB_ENV_NAME", "", TEXT, None),
    K("PV_BOOTLOADER_UBOOTAB_ENV_BAK_NAME", "", TEXT, None),
    K("PV_BOOTLOADER_UBOOTAB_ENV_OFFSET", "", INT, 0),
    K("PV_BOOTLOADER_UBOOTAB_ENV_SIZE", "", INT, 0),
)

LOCAL = (
    K("PV_CACHE_DEVMETADIR", "cache.devmetadir", PATH, "{state}/cache/devmeta", "Device metadata on disk."),
    K("PV_CACHE_USRMETADIR", "cache.usrmetadir", PATH, "{state}/cache/meta", "User metadata on disk."),
    K("PV_CONTROL_REMOTE", "control.remote", FLAG, True, "Talk to the hub at all."),
    K("PV_CONTROL_REMOTE_ALWAYS", "control.remote.always", FLAG, False, "Talk to the hub on local revisions too."),
    K("PV_DEBUG_SHELL", "debug.shell", FLAG, True, "A shell on the console."),
    K("PV_DEBUG_SHELL_AUTOLOGIN", "debug.shell.autologin", FLAG, False),
    K("PV_DEBUG_SHELL_TIMEOUT", "", INT, 60, "Seconds that the console's shell is offered."),
    K("PV_DEBUG_SSH", "debug.ssh", FLAG, True, "The debug SSH server."),
    K("PV_DEBUG_SSH_AUTHORIZED_KEYS", "debug.ssh_authorized_keys", TEXT, None),
    K("PV_DISK_EXPORTSDIR", "disk.exportsdir", PATH, "/exports"),
    K("PV_DISK_VOLDIR", "disk.voldir", PATH, "/volumes"),
    K("PV_DISK_WRITABLEDIR", "disk.writabledir", PATH, "/writable"),
    K("PV_DROPBEAR_CACHE_DIR", "dropbear.cache.dir", PATH, "{state}/cache/dropbear"),
    K("PV_LIBEVENT_DEBUG_MODE", "", FLAG, False),
    K("PV_LIBTHTTP_CERTSDIR", "libthttp.certdir", PATH, "/certs", "Certificates of the hub."),
    K("PV_LIBTHTTP_LOG_LEVEL", "libthttp.log.level", INT, 3),
)

LOG = (
    K("PV_LOG_AUTO_DEVLOG", "", FLAG, True),
    K("PV_LOG_CAPTURE", "log.capture", FLAG, True, "Keep what containers log."),
    K("PV_LOG_CAPTURE_DMESG", "log.capture.dmesg", FLAG, False),
    K("PV_LOG_BUF_NITEMS", "log.buf_nitems", INT, 128),
    K("PV_LOG_DIR", "log.dir", PATH, "{state}/logs", "Logs of revisions."),
    K("PV_LOG_DIR_MAXSIZE", "", TEXT, "0", "Most bytes of logs; 0 for automatic."),
    K("PV_LOG_FILETREE_TIMESTAMP_FORMAT", "log.filetree.timestamp.format", TEXT, None),
    K("PV_LOG_HYSTERESIS_FACTOR", "", INT, 4),
    K("PV_LOG_LEVEL", "log.level", INT, 3, "From 0 (fatal) to 5 (trace).", high=5, bound="log.level"),
    K("PV_LOG_LOGGERS", "log.loggers", FLAG, True, "Loggers beside each container."),
    K("PV_LOG_PUSH", "log.push", FLAG, True, "Send logs to the hub."),
    K("PV_LOG_ROTATE_FACTOR", "", INT, 5),
    K("PV_LOG_SERVER_OUTPUTS", "log.server.outputs", INT, 132, "Pantavisor's bit mask of log outputs.", high=255),
    K("PV_LOG_SINGLEFILE_TIMESTAMP_FORMAT", "log.singlefile.timestamp.format", TEXT, None),
    K("PV_LOG_STDOUT_TIMESTAMP_FORMAT", "log.stdout.timestamp.format", TEXT, None),
    K("PV_LOG_TIMESTAMP", "", TEXT, "relative"),
    K("PV_LOOP_INDEX_BASE", "", INT, -1, low=-1),
    K("PV_LXC_LOG_LEVEL", "lxc.log.level", INT, 2, "Log level of LXC.", high=8),
)  # fmt: skip

NETWORK_AND_POWER = (
    K("PV_NET_BRADDRESS4", "net.braddress4", TEXT, "10.0.3.1"),
    K("PV_NET_BRDEV", "net.brdev", TEXT, "lxcbr0"),
    K("PV_NET_BRMASK4", "net.brmask4", TEXT, "255.255.255.0"),
    K("PV_OEM_NAME", "", TEXT, None, "Whose configuration is laid over this one."),
    K("PV_POLICY", "policy", TEXT, None, "Name of a policy file."),
    K("PV_POWER_MODE", "power.mode", CHOICE, "locks", "Who may put the device to sleep.", choices=POWER_MODES),
    K("PV_POWER_DEVMETA_EAGER_PUSH", "power.devmeta.eager_push", FLAG, False),
    K("PV_POWER_WAKE_INTERVAL", "power.wake.interval", INT, 3600, "Seconds between two timed wakes."),
    K("PV_POWER_WAKE_RUN_WINDOW", "power.wake.run_window", INT, 0, "Seconds awake after the work of a wake."),
    K("PV_POWER_AUTOSLEEP_SETTLE", "power.autosleep.settle", INT, 90, "Seconds from ready to the first sleep."),
    K("PV_POWER_WAKE_MIN_AWAKE", "power.wake.min_awake", INT, 10, "Least seconds awake in a wake."),
    K("PV_POWER_WAKE_MAX_AWAKE", "power.wake.max_awake", INT, 60, "Most seconds awake in a wake."),
    K("PV_POWER_DEVMETA_MAX_HELD", "power.devmeta.max_held", INT, 300, "Most seconds awake for metadata."),
    K("PV_POWER_SYSFS_DIR", "power.sysfs_dir", PATH, "/sys/power"),
    K("PV_REVISION_RETRIES", "revision.retries", INT, 10, "Tries of a revision before it is given up."),
)

SECUREBOOT_AND_STORAGE = (
    K("PV_SECUREBOOT_CHECKSUM", "secureboot.checksum", FLAG, True, "Check a revision's files before it runs."),
    K("PV_SECUREBOOT_HANDLERS", "secureboot.handlers", FLAG, False),
    K("PV_SECUREBOOT_MODE", "secureboot.mode", CHOICE, "disabled", "On a bad signature.", choices=SECUREBOOT_MODES),
    # Its alias really is spelt like this.
    K("PV_SECUREBOOT_OEM_TRUSTSTORE", "PV_SECUREBOOT_OEM_TRUSTORE", TEXT, "ca-oem-certificates"),
    K("PV_SECUREBOOT_TRUSTSTORE", "secureboot.truststore", TEXT, "ca-certificates"),
    K("PV_STORAGE_DEVICE", "storage.device", TEXT, None, "Device of the storage; ours is mounted by the host."),
    K("PV_STORAGE_FSTYPE", "storage.fstype", TEXT, None, "Its file system."),
    K("PV_STORAGE_GC_KEEP_FACTORY", "storage.gc.keep_factory", FLAG, False, "Never collect revision 0."),
    K("PV_STORAGE_GC_RESERVED", "storage.gc.reserved", INT, 5, "Percent of the storage that uploads leave free.",
      high=90, bound="objects.reserved_percent"),
    K("PV_STORAGE_GC_THRESHOLD_DEFERTIME", "storage.gc.threshold.defertime", INT, 600,
      "Seconds that an upload puts off collection."),
    K("PV_STORAGE_GC_THRESHOLD", "storage.gc.threshold", INT, 0, "Percent in use that starts one; 0 never.", high=100),
    K("PV_STORAGE_LOGTEMPSIZE", "storage.logtempsize", TEXT, None),
    K("PV_STORAGE_MNTPOINT", "storage.mntpoint", PATH, "{state}", "Our state directory.", bound="daemon.state"),
    K("PV_STORAGE_MNTTYPE", "storage.mnttype", TEXT, None),
    K("PV_STORAGE_FIRMWARE_VOL", "", FLAG, False),
    K("PV_STORAGE_PHCONFIG_VOL", "", FLAG, False),
    K("PV_STORAGE_WAIT", "storage.wait", INT, 5, "Seconds to wait for the storage's device."),
)  # fmt: skip

SYSTEM = (
    K("PV_SYSTEM_APPARMOR_PROFILES", "system.apparmor.profiles", TEXT, None),
    K("PV_SYSTEM_CONFDIR", "system.confdir", PATH, "{run}/configs"),
    K("PV_SYSTEM_DRIVERS_LOAD_EARLY_AUTO", "system.drivers.load_early.auto", FLAG, False),
    K("PV_SYSTEM_ETCDIR", "system.etcdir", PATH, "/etc"),
    K("PV_SYSTEM_ETCPANTAVISORDIR", "", PATH, "/etc/pantavisor"),
    K("PV_SYSTEM_INIT_MODE", "system.init.mode", CHOICE, "appengine", "What runs as init.", choices=INIT_MODES),
    K("PV_SYSTEM_LIBDIR", "system.libdir", PATH, "/usr/lib/pantavisor"),
    K("PV_SYSTEM_MEDIADIR", "system.mediadir", PATH, "{run}/media"),
    K("PV_SYSTEM_MOUNT_SECURITYFS", "system.mount.securityfs", FLAG, False),
    K("PV_SYSTEM_RUNDIR", "system.rundir", PATH, "{run}", "Directory of the socket `pv-ctrl`.", bound="control.socket"),
    K("PV_SYSTEM_DISKSDIR", "system.disksdir", PATH, "{run}/disks"),
    K("PV_SYSTEM_USRDIR", "system.usrdir", PATH, "/usr"),
    K(
        "PV_UPDATER_COMMIT_DELAY",
        "updater.commit.delay",
        INT,
        25,
        "Seconds that a new revision must run before it is kept.",
    ),
    K("PV_UPDATER_GOALS_TIMEOUT", "updater.goals.timeout", INT, 120, "Seconds for containers to reach their goals."),
    K("PV_UPDATER_USE_TMP_OBJECTS", "updater.use_tmp_objects", FLAG, False),
    K("PV_VOLMOUNT_DM_EXTRA_ARGS", "", TEXT, None),
    K("PV_WDT_MODE", "wdt.mode", CHOICE, "disabled", "Who feeds the hardware watchdog.", choices=WATCHDOG_MODES),
    K("PV_WDT_TIMEOUT", "wdt.timeout", INT, 15, "Seconds of the hardware watchdog."),
    K("PV_XCONNECT_DBUS_SYSTEMBUS_ENABLED", "xconnect.dbus.systembus.enabled", FLAG, True),
)

LEGACY_KEYS: tuple[LegacyKey, ...] = (
    *HUB, *BOOTLOADER, *LOCAL, *LOG, *NETWORK_AND_POWER, *SECUREBOOT_AND_STORAGE, *SYSTEM
)  # fmt: skip

LEGACY: dict[str, LegacyKey] = {key.name: key for key in LEGACY_KEYS}
BOUND: dict[str, str] = {f"pantavisor.{key.name}": key.bound for key in LEGACY_KEYS if key.bound}


def modified_by(name: str, origin: str) -> str:
    """The word that `/config2` uses for where a value came from."""
    source = origin.split(":", 1)[0]
    if source == "file":
        return "ph conf file" if name.startswith("PH_") else "pv conf file"
    return {"default": "default", "environment": "env", "argument": "args"}.get(source, "unknown")


def typed_value(key: LegacyKey, value: object) -> object:
    """A value as `/config` shows it: enums as numbers, the rest as it is."""
    return key.choices.index(str(value)) if key.kind == "choice" else value


def text_value(key: LegacyKey, value: object) -> str:
    """A value as `/config2` shows it: always text, `(null)` when unset, flags as 0 and 1."""
    if value is None:
        return "(null)"
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)
