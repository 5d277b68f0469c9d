"""`board/qemu`: what is kept and what is made, and guests that boot, run, fail and hang."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from board.tools import cache, guest, kernel, suite
from board.tools.debian import Package
from board.tools.guest import OVERRAN, SILENT, Guest, Share
from board.tools.machine import MACHINES, machine
from board.tools.progress import Failure
from board.tools.yocto_packages import SETTLE

ROOT = Path(__file__).resolve().parent.parent.parent
QEMU = ROOT / "board" / "qemu"


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("PVSCHED_BOARD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_an_entry_is_made_once_and_again_when_its_key_changes(own_cache: Path) -> None:
    """What was made from the same is taken, what was made from something else never."""
    made: list[str] = []

    def make(folder: Path) -> None:
        made.append(folder.name)
        (folder / "file").write_text("whole")

    first = cache.entry("thing", cache.digest("a", b"b"), make)
    assert cache.entry("thing", cache.digest("a", b"b"), make) == first
    other = cache.entry("thing", cache.digest("ab", b""), make)
    assert len(made) == 2
    assert other != first
    assert [path.read_text() for path in (first / "file", other / "file")] == ["whole", "whole"]


def test_an_interrupted_entry_is_not_there(own_cache: Path) -> None:
    """Neither the entry nor a part of it is left; the next caller makes it from nothing."""

    def interrupted(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.entry("thing", "key", interrupted)
    assert [path.name for path in own_cache.iterdir()] == ["locks"]
    assert list(cache.entry("thing", "key", lambda folder: None).iterdir()) == []


def test_a_digest_tells_contents_names_and_borders_apart(tmp_path: Path) -> None:
    """A changed byte, a renamed file, and the same bytes cut elsewhere are other keys."""
    (tmp_path / "a").write_text("x")
    before = cache.digest_files([tmp_path / "a"], tmp_path)
    (tmp_path / "a").write_text("y")
    changed = cache.digest_files([tmp_path / "a"], tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    renamed = cache.digest_files([tmp_path / "b"], tmp_path)
    assert len({before, changed, renamed}) == 3
    assert cache.digest("ab", "c") != cache.digest("a", "bc")


def test_the_kernel_is_the_package_with_a_version_in_its_name() -> None:
    """The package that only names the newest kernel is not taken for it."""
    real = Package("linux-image-6.1.0-50-armmp-lpae_6.1.176-1_armhf.deb", "SHA256:1")
    names = Package("linux-image-armmp-lpae_6.1.176-1_armhf.deb", "SHA256:2")
    assert kernel.newest([names, real]) is real
    assert (real.name, real.version) == ("linux-image-6.1.0-50-armmp-lpae", "6.1.176-1")
    with pytest.raises(Failure):
        kernel.newest([names])


@pytest.mark.parametrize("arch", sorted(MACHINES))
def test_the_emulator_is_tcg_and_reads_what_it_shall_not_write(
    arch: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No KVM, ever; the layers and the tree are read-only; a share that is to be written is not."""
    monkeypatch.setattr(guest, "kernel", lambda machine: tmp_path)
    monkeypatch.setattr(guest, "initrd", lambda machine: tmp_path / "initrd")
    monkeypatch.setattr(guest.host, "find", lambda command: f"/usr/bin/{command}")
    made = Guest(machine(arch), [tmp_path / "root"], shares=[Share(ROOT, "/src"), Share(tmp_path, "/share", True)])
    command = made.command(tmp_path / "job")
    assert command[command.index("-accel") + 1].startswith("tcg")
    assert not [word for word in command if "kvm" in word]
    folders = {word.split("path=")[1].split(",")[0]: word for word in command if word.startswith("local,")}
    assert {folder for folder, word in folders.items() if "readonly=on" in word} == {str(tmp_path / "root"), str(ROOT)}
    assert {folder for folder, word in folders.items() if "readonly" not in word} == {
        str(tmp_path / "job"),
        str(tmp_path),
    }


@pytest.mark.parametrize(
    ("told", "emulator", "wanted"), [("0", 0, 0), ("42", 42, 42), ("0", 1, None), (None, 0, None), ("0", None, None)]
)
def test_both_ways_of_telling_have_to_agree(
    told: str | None, emulator: int | None, wanted: int | None, tmp_path: Path
) -> None:
    """A guest that crashed, hung, or says two things at once is never a success."""
    if told is not None:
        (tmp_path / "exit").write_text(told + "\n")
    made = Guest(machine("armhf"), [])
    if wanted is not None:
        assert made._judge(tmp_path, emulator, 1.0) == wanted
        return
    with pytest.raises(Failure) as caught:
        made._judge(tmp_path, emulator, 1.0)
    assert caught.value.code == (OVERRAN if emulator is None else SILENT)


def test_every_chosen_test_exists() -> None:
    """The set for CI names nothing that has gone."""
    for path in (*suite.WHOLE, *suite.QUICK, *suite.LEFT_OUT):
        file, _, name = path.partition("::")
        assert (ROOT / file).exists(), path
        assert not name or f"def {name}(" in (ROOT / file).read_text(), path


def test_what_is_named_is_all_that_runs() -> None:
    """A person's own choice of tests replaces the set, and keeps the marks that a guest needs."""
    said = suite.command(True, ["tests/c/test_c.py", "-k", "plain"])
    assert "test_lxc" not in said
    assert "not board" in said
    assert said.endswith("tests/c/test_c.py -k plain")


def test_how_much_the_c_programs_repeat_is_chosen() -> None:
    """A quarter in a guest, whatever the set, or as much as a person wants."""
    assert suite.command(False, []).startswith("PVSCHED_SCALE=0.25 ")
    assert suite.command(True, [], 1.0).startswith("PVSCHED_SCALE=1.0 ")


@pytest.mark.parametrize(
    "words",
    [
        ["mips", "run"],
        ["armhf", "run"],
        ["armhf", "walk"],
        ["armhf", "run", "--smp", "x"],
        ["armhf", "shell", "--smp", "0"],
        ["armhf", "shell", "--memory", "-64"],
        ["armhf", "shell", "--limit", "0"],
        ["armhf", "test", "--amounts", "0"],
        ["armhf", "shell", "--disk", "/nonexistent"],
        ["armhf", "shell", "--share", "/nonexistent"],
        ["armhf", "shell", "--bare", "--packages", "/tmp"],
    ],
)
def test_misuse_is_told_with_100(words: list[str]) -> None:
    """A wrong command line never gets as far as making something."""
    done = subprocess.run([QEMU, *words], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (100, "")
    assert "next: " in done.stderr


def qemu_module() -> ModuleType:
    """The script itself, as a module."""
    loader = importlib.machinery.SourceFileLoader("board_qemu", str(QEMU))
    spec = importlib.util.spec_from_loader("board_qemu", loader)
    assert spec is not None
    script = importlib.util.module_from_spec(spec)
    loader.exec_module(script)
    return script


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        (["run"], 600),
        (["test", "--quick"], 600),
        (["test"], 10800),
        (["bench"], 3600),
        (["demo"], 3600),
        (["bench", "--limit", "60"], 60),
    ],
)
def test_each_has_the_time_that_it_takes(
    words: list[str], seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole benchmark took 11 minutes in both guests, and the demo 614 s: no limit of ours ends them before."""
    script = qemu_module()
    monkeypatch.setattr(script.rootfs, "rootfs", lambda board: tmp_path)
    monkeypatch.setattr(script.site, "site", lambda board: tmp_path)
    options = script.parser().parse_args(["armhf", *words])
    assert script.guest_for(machine("armhf"), options).limit == seconds


@pytest.mark.parametrize("what", ["test", "bench", "demo", "shell", "run"])
def test_the_packages_take_the_wheels_place_whatever_runs(
    what: str, own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What bitbake built is what is tested, measured, shown and tried: never the wheels beside it."""
    script = qemu_module()
    ran: list[str] = []

    class Listening(Guest):
        """A guest that only notes its command."""

        def run(self, command: str, *, interactive: bool = False, output: int | None = None) -> int:
            ran.append(command)
            return 0

    monkeypatch.setattr(script, "guest_for", lambda board, options: Listening(board, []))
    monkeypatch.setattr(script, "c_programs", lambda board, kinds: tmp_path)
    assert script.main(["armhf", what, "--packages", str(tmp_path), "--", "true"]) == 0
    assert script.main(["armhf", what, "--", "true"]) == 0
    assert [command.startswith(f"{SETTLE} && ") for command in ran] == [True, False]


def qemu(*words: str, limit: float = 900) -> subprocess.CompletedProcess[str]:
    """Run board/qemu; what the guest says and what we say come back in one."""
    return subprocess.run(
        [QEMU, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", timeout=limit, check=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.board
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("arch", sorted(MACHINES))
def test_a_guest_runs_a_command(arch: str, tmp_path: Path) -> None:
    """Its output and exit status are ours; the tree is there, read-only; a share is writable; cgroup v2 is pure."""
    script = (
        "uname -m; test -f /src/board/qemu; ! touch /src/x 2>/dev/null; echo told >/share/file; "
        "cat /sys/fs/cgroup/cgroup.controllers; exit 42"
    )
    done = qemu(arch, "run", "--bare", "--share", str(tmp_path), "--", "sh", "-c", script, limit=2300)
    assert done.returncode == 42, done.stdout
    assert {"armhf": "armv7l", "arm64": "aarch64"}[arch] in done.stdout.split()
    assert {"memory", "pids", "cpu"} <= set(done.stdout.split())
    assert (tmp_path / "file").read_text() == "told\n"


@pytest.mark.slow
@pytest.mark.board
@pytest.mark.timeout(2400)
@pytest.mark.parametrize(
    ("script", "limit", "status"),
    [("sleep 1000", 60, OVERRAN), ("echo c >/proc/sysrq-trigger; sleep 60", 300, SILENT)],
    ids=["hangs", "panics"],
)
def test_a_guest_that_hangs_or_panics_is_a_failure(script: str, limit: int, status: int) -> None:
    """Its time limit ends the one, the kernel the other; each has an exit status of its own."""
    done = qemu("arm64", "run", "--bare", "--limit", str(limit), "--", "sh", "-c", script, limit=2300)
    assert done.returncode == status, done.stdout


@pytest.mark.slow
@pytest.mark.board
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("arch", sorted(MACHINES))
def test_the_chosen_tests_pass_in_a_guest(arch: str) -> None:
    """The C suite, the chosen unit tests and a scenario with a real container, under a real ARM kernel."""
    done = qemu(arch, "test", "--quick", "--limit", "1800", limit=3500)
    assert done.returncode == 0, done.stdout[-8000:]


@pytest.mark.slow
@pytest.mark.board
@pytest.mark.timeout(3600)
def test_the_fallbacks_hold_under_the_user_mode() -> None:
    """The C suite where clone3, subreapers and much else are refused."""
    command = [ROOT / "board" / "qemu-user", "armhf"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=3500, check=False)
    assert done.returncode == 0, done.stdout[-8000:]
    assert "no PR_SET_CHILD_SUBREAPER" in done.stdout
