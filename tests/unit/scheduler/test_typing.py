"""The types that users see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pvsched

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def run_mypy(path: Path) -> str:
    api = pytest.importorskip("mypy.api", reason="lacks mypy: the guests and boards have none")

    out, err, _ = api.run(["--strict", "--no-incremental", "--config-file", str(ROOT / "pyproject.toml"), str(path)])
    return str(out) + str(err)


@pytest.mark.slow
def test_a_typed_program_passes_strict_mypy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example in typing_example.py uses each public name with its type."""
    monkeypatch.chdir(ROOT)
    assert "Success" in run_mypy(HERE / "typing_example.py")


MISTAKES = {
    "pvsched.Task('a', priorty=3)": "priorty",
    "pvsched.Task('a', executor='gpu')": "executor",
    "pvsched.Scheduler(policy='random')": "policy",
    "pvsched.Scheduler(executor='exec')": "executor",
    "pvsched.aio.AsyncScheduler(policy='random')": "policy",
    "pvsched.Scheduler().add_task('a')": "add_task",
}


@pytest.mark.slow
def test_mistakes_are_found_by_mypy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt option, an impossible word, a wrong argument: each is an error where it is written."""
    monkeypatch.chdir(ROOT)
    path = tmp_path / "wrong.py"
    path.write_text("import pvsched.aio\n" + "\n".join(MISTAKES) + "\n")
    errors = [line for line in run_mypy(path).splitlines() if ": error: " in line]
    assert [f":{number}: error: " in line for number, line in enumerate(errors, 2)] == [True] * len(MISTAKES), errors
    for line, word in zip(errors, MISTAKES.values()):
        assert word in line


def test_every_public_name_is_there() -> None:
    """The lazy names and __all__ are one list, and each can be had."""
    assert set(pvsched.__all__) == {*pvsched._HOMES, "__version__"}
    for name in pvsched.__all__:
        assert getattr(pvsched, name) is not None
    assert set(dir(pvsched)) >= set(pvsched.__all__)
    with pytest.raises(AttributeError):
        _ = pvsched.no_such_name


def test_the_scheduler_itself_is_light() -> None:
    """Opening a scheduler and adding an inline task loads neither json nor re, enum, threading."""
    unwanted = {"json", "re", "enum", "typing", "threading", "collections"}
    opened = "import pvsched; pvsched.register('x', 'm:f'); scheduler = pvsched.Scheduler(0)"
    assert not unwanted & loaded(f"{opened}; scheduler.add_task(pvsched.Task('x')); scheduler.close()")


def test_a_worker_does_not_load_the_scheduler() -> None:
    """What a worker and a module of handlers import is little: neither typing nor the supervisor's side."""
    unwanted = {"typing", "asyncio", "logging", "argparse", "json", "re", "enum", "signal", "threading", "dataclasses"}
    found = loaded("import pvsched, pvsched.scheduler.worker; pvsched.task('x')")
    assert not unwanted & found
    assert not {"pvsched.scheduler.scheduler", "pvsched.scheduler.collector"} & found


def loaded(code: str) -> set[str]:
    """Run the code in a fresh, isolated interpreter and return the modules that it has then."""
    # -S: what site loads is not ours, and an editable installation has it load a great deal
    start = f"import sys; sys.path[:0] = {[str(ROOT), *sys.path]!r}; {code}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", start], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
