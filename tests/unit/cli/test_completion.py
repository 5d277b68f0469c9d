"""Completion scripts: real shells accept them, and they know every verb and option."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from pvsched.cli import VERBS
from pvsched.cli.completion import SHELLS, WORDS


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

    assert set(WORDS) == set(VERBS)
    for verb in sorted(set(VERBS) - {"run"}):
        helps = ""
        for middle in ([], *([word] for word in WORDS[verb] if not word.startswith("-") and verb != "completion")):
            with pytest.raises(SystemExit):
                main([verb, *middle, "--help"])
            helps += capsys.readouterr().out
        assert [word for word in WORDS[verb] if word not in helps] == []
