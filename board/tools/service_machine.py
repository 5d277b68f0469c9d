"""A container of this very system (an overlay above /, gone afterwards) whose first process is a real systemd.

So the units are tried as systemd runs them: sandbox, watchdog, socket, journal. Needs root, systemd-nspawn and overlayfs;
nothing is downloaded. Takes some seconds.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path

from board.tools import host
from board.tools.progress import Failure

NEEDS = {"systemd-nspawn": "systemd-container", "systemctl": "systemd", "lxc-start": "lxc", "busybox": "busybox-static"}
SOURCE, PYTHON, BASE = "/opt/source", "/opt/python", "/opt/base"  # not where ProtectHome= or PrivateTmp= hide them
SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
# Runs in a mount namespace of its own: $1 is a folder for the tmpfs, $2 the script that prepares the root, the rest nspawn's.
OVERLAY = """
mount --make-rprivate / && mount -t tmpfs tmpfs "$1" && mkdir "$1/upper" "$1/work" "$1/root" &&
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root" || exit 125
sh -eu "$2" "$1/root" || exit 126
shift 2
exec systemd-nspawn "$@"
"""
PREPARE = """
cd "$1"
: >etc/machine-id
rm -rf etc/systemd/system/*.wants lib/systemd/system/*.wants/* etc/pvsched var/lib/pvsched
rm -f etc/systemd/system/*.service usr/bin/pvsched
mkdir -p etc/pvsched usr/lib/systemd/system/pvsched.service.d usr/lib/sysusers.d usr/lib/tmpfiles.d usr/lib/systemd/catalog
cp {source}/board/systemd/pvsched.service {source}/board/systemd/pvsched.socket usr/lib/systemd/system/
cp {source}/board/systemd/pvsched.sysusers usr/lib/sysusers.d/pvsched.conf
cp {source}/board/systemd/pvsched.tmpfiles usr/lib/tmpfiles.d/pvsched.conf
cp {source}/board/systemd/pvsched.catalog usr/lib/systemd/catalog/
cp {source}/board/pvsched.toml etc/pvsched/
printf '%s\\n' '#!/bin/sh' 'PYTHONPATH={inside}:{python}/{site} exec {base}/bin/python3 -m pvsched "$@"' >usr/bin/pvsched
chmod 755 usr/bin/pvsched
systemd-sysusers --root="$PWD" pvsched.conf
journalctl --root="$PWD" --update-catalog
cp {script} script
printf '%s\\n' '[Unit]' 'After=basic.target' 'DefaultDependencies=no' '[Service]' 'Type=oneshot' \\
  'ExecStart=/bin/bash -x /script' 'StandardOutput=file:/results/output' 'StandardError=file:/results/trace' \\
  'TimeoutStartSec={limit}' 'ExecStopPost=/bin/sh -c "systemctl --no-block exit $EXIT_STATUS"' >usr/lib/systemd/system/script.service
printf '%s\\n' '[Unit]' 'Requires=basic.target' 'After=basic.target' \\
  'Wants=script.service systemd-journald.service systemd-tmpfiles-setup.service' >usr/lib/systemd/system/trial.target
"""


def run(script: str, results: Path, limit: float = 120) -> int:
    """Boots, runs a bash script as root, and returns its exit status. What it prints is in `results`/output, its trace in
    `results`/trace; the folder is /results inside. Failure where that cannot be done here, with 111; with 1 where what we
    install is not there or is refused, which is no fault of the machine.
    """
    host.need(NEEDS)
    with tempfile.TemporaryDirectory(prefix="pvsched-systemd-") as folder:
        paths = [Path(folder, name) for name in ("mount", "prepare", "script")]
        paths[0].mkdir()
        paths[2].write_text(script)
        source = Path(__file__).resolve().parent.parent.parent
        paths[1].write_text(
            PREPARE.format(
                source=source, inside=SOURCE, python=PYTHON, base=BASE, site=SITE, script=paths[2], limit=int(limit)
            )
        )
        command = ["unshare", "--mount", "sh", "-c", OVERLAY, "sh", str(paths[0]), str(paths[1])]
        command += ["-D", f"{paths[0]}/root", "--quiet", "--register=no", "--keep-unit", "--machine=pvsched-units"]
        command += [f"--bind-ro={source}:{SOURCE}", f"--bind-ro={sys.prefix}:{PYTHON}", f"--bind={results}:/results"]
        command += [
            f"--bind-ro={sys.base_prefix}:{BASE}",
            "--capability=all",
            "--console=pipe",
            "--boot",
            "--",
            "--unit=trial.target",
        ]
        done = host.run(command, limit + 60)
    if done.returncode == 126:
        raise Failure(f"the units could not be installed:\n{done.stdout[-3000:]}", code=1)
    if done.returncode == 125 or not (results / "trace").exists():
        raise Failure(
            f"no systemd came up: {host.last_line(done.stdout)}\n{shlex.join(command)}\n{done.stdout[-3000:]}"
        )
    return done.returncode
