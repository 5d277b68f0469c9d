"""`pvsched doctor`: what is shown, and the exit status."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pvsched.cli import exits, main
from pvsched.doctor.probe import BETTER, FEATURE, KERNEL, NEEDED, Lacks, Probe
from tests.patience import SLOWNESS, patience


def absent() -> str:
    raise Lacks("not there")


def put(monkeypatch: pytest.MonkeyPatch, *probes: Probe) -> None:
    """Examines these, and nothing else."""
    monkeypatch.setattr("pvsched.doctor.report.subjects", lambda state: {"things": probes})


GOOD = Probe("fine", NEEDED, lambda: "as it should be", "-", ((KERNEL, "-"),))
WEAK = Probe("slow", BETTER, absent, "it is slower", ((KERNEL, "CONFIG_FAST=y"),))
NONE = Probe("rare", FEATURE, absent, "no rare things", ((KERNEL, "CONFIG_RARE=y"),))
BAD = Probe("must", NEEDED, absent, "it does not start", ((KERNEL, "CONFIG_MUST=y"), ("boot", "must=1")))


def test_what_is_weaker_or_absent_is_told_and_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each with what it costs and the line that adds it; the counts come last."""
    put(monkeypatch, GOOD, WEAK, NONE)
    assert main(["doctor"]) == exits.OK
    out = capsys.readouterr().out
    assert "  good     fine             as it should be" in out
    assert "costs: it is slower" in out
    assert "kernel:  CONFIG_FAST=y" in out
    assert out.splitlines()[-1] == "1 weaker, 1 absent, 1 good"


def test_what_is_needed_and_missing_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 1, by name, with every line of advice."""
    put(monkeypatch, BAD, GOOD)
    assert main(["doctor", "-q"]) == exits.FAILED
    out = capsys.readouterr().out
    assert "boot:    must=1" in out
    assert out.splitlines()[-1] == "needed, and not there: must"
    assert "fine" not in out, "--quiet leaves out what is good"


def test_an_image_may_need_more(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """--need makes a feature's absence a failure; a name that does not exist is misuse."""
    put(monkeypatch, GOOD, NONE)
    assert main(["doctor", "--need", "fine,rare", "--json"]) == exits.FAILED
    assert json.loads(capsys.readouterr().out)["lacking"] == ["rare"]
    assert main(["doctor", "--need", "fine"]) == exits.OK
    assert main(["doctor", "--need", "rarely"]) == exits.MISUSE


def test_the_document_has_all_of_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """--json: the host, the counts, each finding with its state; advice only where something lacks."""
    put(monkeypatch, GOOD, WEAK)
    assert main(["doctor", "--json"]) == exits.OK
    document = json.loads(capsys.readouterr().out)
    assert document["host"]["kernel"] == os.uname().release
    assert document["counts"] == {"missing": 0, "weaker": 1, "absent": 0, "unknown": 0, "good": 1}
    good, weak = document["findings"]
    assert good == {"name": "fine", "subject": "things", "state": "good", "detail": "as it should be"}
    assert weak["advice"] == [{"where": "kernel", "line": "CONFIG_FAST=y"}]


def test_this_machine_is_examined_and_left_as_it_was(tmp_path: Path) -> None:
    """The whole of it, as a program: no file, no process and no cgroup is left, and it takes no second of processor."""
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-m", "pvsched", "doctor", "--json", "--state", str(tmp_path)],
        capture_output=True, text=True, timeout=patience(60), check=False,
    )  # fmt: skip
    used = os.times()
    assert done.returncode == 0, done.stdout
    names = {one["name"] for one in json.loads(done.stdout)["findings"]}
    assert {"pidfd", "clone3", "cgroup-v2", "subreaper", "overlayfs", "squashfs", "loop", "lxc", "crun"} <= names
    assert list(tmp_path.iterdir()) == []
    assert used.children_user + used.children_system - before.children_user - before.children_system < patience(1.0) * (
        2 if SLOWNESS > 1 else 1
    )


def test_the_fragment_for_a_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    """Before there is a board: every option once, each with its reason, in a form that merge_config.sh takes."""
    assert main(["doctor", "--kernel-config"]) == exits.OK
    found = capsys.readouterr().out.splitlines()
    options = [line for line in found if not line.startswith("# ")]
    assert all(re.fullmatch(r"CONFIG_[A-Z0-9_]+=[ym]", option) for option in options)
    assert len(options) == len(set(options))
    assert {"CONFIG_PROC_CHILDREN=y", "CONFIG_MEMCG=y", "CONFIG_OVERLAY_FS=y", "CONFIG_EPOLL=y"} <= set(options)


def test_a_broken_configuration_does_not_stop_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The doctor is asked when something is wrong already."""
    put(monkeypatch, GOOD)
    broken = tmp_path / "broken.toml"
    broken.write_text("[daemon\n")
    monkeypatch.setenv("PVSCHED_CONFIG", str(broken))
    assert main(["doctor"]) == exits.OK


def test_nobody_else_imports_the_doctor() -> None:
    """The daemon and the other verbs weigh nothing more for it."""
    code = "import sys, pvsched.daemon, pvsched.cli.status; print([m for m in sys.modules if 'doctor' in m])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=patience(60), check=True
    )
    assert done.stdout == "[]\n"
