"""What the scripts that build wheels decide, without building any."""

from __future__ import annotations

import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from board.tools import audit, cache, elf, headers, libffi, source, target, toolchain, wheels
from board.tools.elf import Elf
from board.tools.progress import Failure
from board.tools.target import Target
from board.tools.toolchain import Toolchain

ARM = next(target.targets("armv7l", "glibc"))
ARM_MUSL = next(target.targets("armv7l", "musl"))
GOOD = Elf(
    "ARM",
    32,
    True,
    frozenset({"libc.so.6", "ld-linux-armhf.so.3"}),
    frozenset(),
    frozenset(),
    frozenset(),
    False,
    False,
    "",
)


def test_the_tags_of_every_target() -> None:
    """Each architecture has a manylinux tag of the oldest glibc for all, and a musllinux one."""
    tags = [one.platform for one in target.targets("all", "all")]
    arches = ("x86_64", "aarch64", "armv7l")
    assert tags == [f"{libc}_{arch}" for arch in arches for libc in ("manylinux_2_17", "musllinux_1_2")]


def test_the_triples_name_the_oldest_glibc() -> None:
    """The compiler is told the glibc of the tag, and the hard-float ABI on 32-bit ARM."""
    assert ARM.triple == "arm-linux-gnueabihf.2.17"
    assert ARM_MUSL.triple == "arm-linux-musleabihf"
    assert next(target.targets("aarch64", "glibc")).triple == "aarch64-linux-gnu.2.17"


def test_extensions_are_named_as_the_boards_python_looks_for_them() -> None:
    """An extension for one version of Python has the suffix that this Python has on the board."""
    assert wheels.versioned(ARM, "3.11")["EXT_SUFFIX"] == ".cpython-311-arm-linux-gnueabihf.so"
    assert wheels.versioned(ARM_MUSL, "3.13")["SOABI"] == "cpython-313-arm-linux-musleabihf"


def listed(tree: Path, *names: str) -> None:
    """Write the list of what an object was compiled from."""
    (tree / "build").mkdir()
    quoted = " \\\n  ".join(name.replace(" ", "\\ ") for name in names)
    (tree / "build" / "core.d").write_text(f"build/core.o: {quoted}\n")


def test_headers_of_the_sysroot_pass(tmp_path: Path) -> None:
    """What lies in the tree or in an allowed folder may be read, by a relative name and one with a space, too."""
    tree, sysroot = tmp_path / "a tree", tmp_path / "sysroot"
    tree.mkdir()
    listed(tree, "core.c", f"{tree}/core.h", f"{sysroot}/python3.11/pyconfig.h")
    headers.check(tree, [tree, sysroot])


@pytest.mark.parametrize(
    "stranger", ["/usr/include/x86_64-linux-gnu/python3.11/pyconfig.h", "../pyconfig.h", "{sysroot}/../include/stdio.h"]
)
def test_a_header_of_the_host_fails_the_build(tmp_path: Path, stranger: str) -> None:
    """One header from elsewhere is named and ends the build, however its name is written."""
    tree, sysroot = tmp_path / "tree", tmp_path / "sysroot"
    tree.mkdir()
    listed(tree, "core.c", stranger.format(sysroot=sysroot), f"{sysroot}/python3.11/Python.h")
    with pytest.raises(Failure, match=r"core was compiled with /.*\.h, which is the host's"):
        headers.check(tree, [tree, sysroot])


def test_a_build_that_tells_nothing_fails(tmp_path: Path) -> None:
    """Where no list of headers was written nothing is proved, so it is an error."""
    with pytest.raises(Failure, match="nothing tells"):
        headers.check(tmp_path, [tmp_path])


@pytest.mark.parametrize("stranger", ["", "/usr/include/stdlib.h"], ids=["own", "host's"])
def test_libffi_reads_no_header_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stranger: str) -> None:
    """What cffi carries within is looked at like the extensions themselves."""
    unpacked = tmp_path / "libffi"
    for name in ("include/ffi.h.in", "src/arm/ffitarget.h"):
        (unpacked / name).parent.mkdir(parents=True)
        (unpacked / name).touch()

    def compile_only(_: Toolchain, command: list[str]) -> None:
        if command[-2] == "-o":
            Path(command[-1]).with_suffix(".d").write_text(f"{command[-1]}: {unpacked}/src/types.c {stranger}\n")

    monkeypatch.setattr(toolchain, "run", compile_only)
    chain = Toolchain(tmp_path / "toolchain")
    zig = chain.folder / "venv/lib/python3/site-packages/ziglang/lib"
    zig.mkdir(parents=True)
    if stranger:
        with pytest.raises(Failure, match=r"was compiled with /usr/include/stdlib\.h, which is the host's"):
            libffi.compiled(chain, ARM, tmp_path, unpacked)
    else:
        libffi.compiled(chain, ARM, tmp_path, unpacked)


def test_a_good_extension_has_no_faults() -> None:
    """An extension of the right kind passes."""
    assert audit.faults(GOOD, ARM) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"machine": "AArch64"}, "is for AArch64"),
        ({"bits": 64}, "64 bits"),
        ({"hard_float": False}, "floating point"),
        ({"search_path": True}, "search path"),
        ({"text_relocations": True}, "-fPIC"),
        ({"needed": frozenset({"libffi.so.8"})}, "needs libffi.so.8"),
    ],
)
def test_each_fault_of_an_extension_is_named(change: dict[str, object], said: str) -> None:
    """One thing that is wrong gives one complaint that says it."""
    found = audit.faults(replace(GOOD, **change), ARM)
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"needed": frozenset({"libc.so.6"})}, "needs libc.so.6"),
        ({"versions": frozenset({"GLIBC_2.17"})}, "GLIBC_2.17"),
        ({"undefined": frozenset({"__printf_chk"})}, "musl does not have __printf_chk"),
    ],
)
def test_what_musl_does_not_give_is_named(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, object], said: str
) -> None:
    """A library, a version or a symbol that musl lacks is a fault; Python's own names and musl's are not."""
    given = replace(GOOD, needed=frozenset(), defined=frozenset({"printf"}))
    monkeypatch.setattr(audit, "musl", lambda _: Path("libc.so"))
    monkeypatch.setattr(elf, "read", lambda _: given)
    good = replace(GOOD, needed=frozenset({"libc.so"}), undefined=frozenset({"printf", "PyLong_FromLong"}))
    assert audit.faults(good, ARM_MUSL) == []
    found = audit.faults(replace(good, **change), ARM_MUSL)
    assert len(found) == 1
    assert said in found[0]


def test_a_wheel_may_be_for_an_older_glibc_but_for_no_newer_one() -> None:
    """What auditwheel finds has to be the tag or an older one of the same architecture."""
    allowed = audit.wheel_platforms(ARM)
    assert {"manylinux_2_17_armv7l", "manylinux_2_5_armv7l"} <= allowed
    assert not {"manylinux_2_18_armv7l", "manylinux_2_17_aarch64", "linux_armv7l"} & allowed


def test_an_elf_file_is_read() -> None:
    """This Python's own extension or program says for which machine it is and what it needs."""
    found = elf.read(Path(sys.executable).resolve())
    assert found.bits == (64 if sys.maxsize > 2**32 else 32)
    assert found.interpreter.startswith("/lib")
    assert any(name.startswith("libc.") for name in found.needed)
    assert "__libc_start_main" in found.undefined
    assert not [name for name in found.undefined if not name.replace("_", "a").isalnum()]


@pytest.mark.parametrize(
    ("spoilt", "status"), [("", 0), ("httptools.HttpRequestParser = Refusing; ", 1)], ids=["good", "with NEON"]
)
def test_the_first_use_sees_a_parser_that_refuses(spoilt: str, status: int) -> None:
    """What every wheel is used by finds an httptools beside it that cannot serve."""
    code = f"import httptools, runpy; from tests.neon import Refusing; {spoilt}"
    code += "runpy.run_path('.ci/smoke.py', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cache.ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == status, done.stderr
    assert ("refuses good requests" in done.stderr) == bool(spoilt)


def test_our_wheel_is_made_from_sources_alone() -> None:
    """The C core, the package and its types are in; what was built in the tree is not."""
    names = {str(path.relative_to(cache.ROOT)) for path in source.own_files()}
    assert {"setup.py", "csrc/pvs.h", "csrc/build_core.py", "pvsched/__init__.py", "pvsched/py.typed"} <= names
    assert not [name for name in names if name.endswith((".so", ".pyc", ".o")) or name == "pvsched/_core.c"]


@pytest.mark.parametrize(("cflags", "ours"), [(None, True), ("", True), ("-Os -g -ffile-prefix-map=a=b", False)])
def test_a_distributions_flags_are_not_overruled(
    monkeypatch: pytest.MonkeyPatch, cflags: str | None, ours: bool
) -> None:
    """Ours come after CFLAGS on the compiler's line: -g0 would leave pvsched-dbg without a line number."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    if cflags is None:
        monkeypatch.delenv("CFLAGS", raising=False)
    else:
        monkeypatch.setenv("CFLAGS", cflags)
    script = runpy.run_path(str(cache.ROOT / "csrc" / "build_core.py"))
    flags = script["ffibuilder"]._assigned_source[3]["extra_compile_args"]
    assert ({"-O2", "-g0"} <= set(flags)) == ours
    assert [flag for flag in flags if flag.startswith(("-O", "-g"))] == (["-O2", "-g0"] if ours else [])


def test_a_folder_with_a_space_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler's path would be split in two, after minutes and with no word of why."""
    monkeypatch.setenv("PVSCHED_BOARD_CACHE", str(tmp_path / "my boards"))
    with pytest.raises(Failure, match="a space in its name") as caught:
        toolchain.toolchain()
    assert "PVSCHED_BOARD_CACHE=" in caught.value.hint


def test_publishing_replaces_the_platforms_old_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one platform the folder has what was built last, and nothing older; other platforms' wheels stay."""
    monkeypatch.setenv("PVSCHED_BOARD_CACHE", str(tmp_path))
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in ("pvsched-0.0.9-cp310-abi3", "cffi-1.0-cp311-cp311"):
        (folder / f"{name}-{ARM.platform}.whl").touch()
    (folder / "pvsched-0.0.9-cp310-abi3-musllinux_1_2_armv7l.whl").touch()
    made = tmp_path / f"pvsched-0.1.0-cp310-abi3-{ARM.platform}.whl"
    made.write_text("new")
    assert wheels.publish([made], ARM.platform) == [folder / made.name]
    assert sorted(path.name for path in folder.iterdir()) == [
        "pvsched-0.0.9-cp310-abi3-musllinux_1_2_armv7l.whl",
        made.name,
    ]


def test_a_targets_flags_have_no_neon() -> None:
    """32-bit ARM is told to keep to what every ARMv7 board with a floating point unit has."""
    assert isinstance(ARM, Target)
    assert ARM.flags == ["-target", "arm-linux-gnueabihf.2.17", "-mcpu=generic+v7a-d32"]
