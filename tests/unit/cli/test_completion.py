"""Completion scripts: real shells accept them, and they know every verb and option."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pvsched.cli import VERBS
from pvsched.cli.completion import GROUPS, SHELLS, WORDS


def complete(words: list[str]) -> list[str]:
    """What bash offers after these words, the last of which is being typed."""
    typed = " ".join(f"'{word}'" for word in words)
    script = f"{chr(10).join(SHELLS['bash']())}\nCOMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _pvsched\n"
    done = subprocess.run(
        ["bash", "-c", script + 'printf "%s\\n" "${COMPREPLY[@]}"'], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_a_verb() -> None:
    """The beginning of a verb gives the verb."""
    assert complete(["pvsched", "comp"]) == ["completion"]


def test_bash_completes_a_verb_group() -> None:
    """After `objects` come its own verbs."""
    assert complete(["pvsched", "objects", "ve"]) == ["verify"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["--json", "sta"], ["status"]),
        (["--socket", "/x", "sta"], ["status"]),
        (["--socket", "=", "/x", "objects", "ve"], ["verify"]),
        (["objects", "get", "l"], []),
        (["objects", "get", "--o"], ["--output"]),
        (["objects", "--o"], []),
        (["completion", "f"], ["fish"]),
        (["config", "check", "/proc/cpuinf"], ["/proc/cpuinfo"]),
        (["objects", "get", "x", "--output", "/proc/cpuinf"], ["/proc/cpuinfo"]),
        (["tasks", "show", "/proc/cpuinf"], []),
    ],
)
def test_bash_offers_what_may_stand_there_and_nothing_else(words: list[str], offered: list[str]) -> None:
    """Behind leading options, too; a group's verbs once; files where a file belongs."""
    assert complete(["pvsched", *words]) == offered


def test_bash_knows_the_objects_and_tasks_of_the_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `objects ls` and `tasks ls` list can be completed; without a daemon, nothing is."""
    sha = "ab" * 32
    fake = tmp_path / "pvsched"
    fake.write_text(
        f"#!/bin/sh\n[ $1 = objects ] && echo '{sha}  3 B' || printf ' ID  TYPE\\n  7  x\\n1 running, 0 waiting\\n'\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert complete(["pvsched", "objects", "get", "ab"]) == [sha]
    assert complete(["pvsched", "tasks", "cancel", ""])[-1] == "7"
    fake.write_text("#!/bin/sh\necho no daemon >&2\nexit 111\n")
    assert complete(["pvsched", "objects", "get", "ab"]) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_itself_accepts_the_script(shell: str) -> None:
    """The shell parses its script; where the shell is not installed, the script still names every verb."""
    lines = "\n".join(SHELLS[shell]())
    assert all(verb in lines for verb in VERBS)
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=lines, text=True, check=True)


def test_every_option_that_is_offered_exists(capsys: pytest.CaptureFixture[str]) -> None:
    """The table of words holds nothing that the verb's own help does not know."""
    from pvsched.cli import main

    assert {place.split()[0] for place in WORDS} == set(VERBS)
    for place, words in WORDS.items():
        if place == "run":
            continue
        with pytest.raises(SystemExit):
            main([*place.split(), "--help"])
        helps = capsys.readouterr().out
        assert [word for word in words if not word.isupper() and word not in helps] == [], place


def test_no_option_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Every long option that a verb's help names is offered, and each of a group's verbs has its own words."""
    from pvsched.cli import main

    for place, words in WORDS.items():
        if place in GROUPS:
            assert [word for word in words if f"{place} {word}" not in WORDS] == []
        elif place != "run":
            with pytest.raises(SystemExit):
                main([*place.split(), "--help"])
            named = set(re.findall(r"^  (?:-\w(?: [A-Z]+)?, )?(--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
            assert named - {"--json", "--help"} == {word for word in words if word.startswith("--")}, place
