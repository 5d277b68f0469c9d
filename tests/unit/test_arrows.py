"""Keeps the arrows of `docs/explanation/architecture.md`: a file imports, or includes, only what stands below it.

Imports for the type checker alone count too: a room that has to name another room's types depends on it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "pvsched"
CORE = ROOT / "csrc"

# A layer is named by the longest prefix of the module's name. Own layer always allowed.
MAY_IMPORT: dict[str, set[str]] = {
    "pvsched": {"errors", "scheduler"},
    "errors": set(),
    "_core": set(),
    "masking": set(),
    "loop": set(),
    "scheduler": {"errors", "_core"},
    "aio": {"pvsched", "scheduler", "errors"},
    "testing": {"pvsched", "scheduler", "errors", "_core"},
    "config": {"errors", "masking"},
    "message_ids": set(),
    "log": {"errors", "masking", "message_ids"},
    "notify": {"errors"},
    "signals": {"errors", "loop"},
    "drain": {"errors", "loop", "log", "notify"},
    "reload": {"errors", "config", "log", "scheduler"},
    "state": {"errors"},
    "socket_file": {"errors"},
    "delegation": {"errors"},
    "objects.model": {"errors"},
    "objects (worker)": {"objects.model", "errors"},
    "objects": {"objects.model", "pvsched", "scheduler", "errors"},
    "control": {"loop", "log", "errors"},
    "control.endpoints": {
        "control", "objects", "objects.model", "pvsched", "scheduler", "config", "masking", "loop", "errors",
    },
    "tuning": {"_core", "config", "control", "objects.model", "scheduler"},
    "daemon": {
        "pvsched", "errors", "masking", "loop", "scheduler", "config", "log", "notify", "signals", "drain", "reload",
        "state", "socket_file", "delegation", "tuning",
        "objects", "objects.model", "objects (worker)", "control", "control.endpoints",
    },
    "machine": set(),
    "doctor": {"machine", "_core", "config", "control", "daemon", "objects (worker)", "pvsched"},
    "cli.output": set(),
    "bench": {"pvsched", "scheduler", "errors", "_core", "cli.output", "machine"},
    "cli": {"errors", "config", "_core", "bench", "doctor", "pvsched", "cli.output"},
    "cli.run": {"errors", "config", "cli", "cli.output", "daemon", "notify", "scheduler"},
    "__main__": {"cli"},
}  # fmt: skip

# What runs in a worker: it must never see the main loop's side.
WORKER_SIDE = {"tasks", "body", "chunked", "client", "digest", "hashing", "pace", "sending", "store", "upload"}

HEADERS: dict[str, set[str]] = {
    "pvs.h": set(),
    "sys.h": set(),
    "task.h": {"pvs.h"},
    "frame.h": {"task.h"},
    "deadline.h": {"task.h"},
    "queue.h": {"task.h"},
    "lists.h": {"task.h"},
    "order.h": {"queue.h"},
    "fair.h": {"queue.h"},
    "channel.h": {"frame.h"},
    "cgroup.h": {"task.h"},
    "child.h": {"frame.h"},
    "keeper.h": {"frame.h"},
    "kill.h": {"frame.h"},
    "slice.h": {"task.h"},
    "spawn.h": {"frame.h"},
    "worker.h": {"frame.h"},
    "core.h": {"frame.h", "queue.h"},
    "python_glue.h": {"pvs.h"},
}
# A room: its files, and what they may include beside what its headers bring.
ROOMS: dict[str, tuple[set[str], set[str]]] = {
    "what waits": (
        {"queue.c", "records.c", "order.c", "fair.c", "deadline.c", "bench.c"},
        {"queue.h", "order.h", "fair.h", "lists.h", "deadline.h", "task.h", "sys.h"},
    ),
    "the supervisor": (
        {
            "core.c", "proc.c", "spawning.c", "batch.c", "collect.c", "reports.c", "deadlines.c", "store.c", "setup.c",
            "info.c",
        },
        {"core.h", "cgroup.h", "channel.h", "sys.h"},
    ),
    "the keeper and its children": (
        {"keeper.c", "burial.c", "kill.c", "spawn.c", "child.c", "worker.c", "launch.c"},
        {
            "cgroup.h", "channel.h", "child.h", "keeper.h", "kill.h", "slice.h", "spawn.h", "worker.h", "frame.h",
            "sys.h",
        },
    ),
    "the bottom": ({"cgroup.c", "channel.c", "slice.c"}, {"cgroup.h", "channel.h", "slice.h", "frame.h", "sys.h"}),
    "Python": ({"python_glue.c"}, {"python_glue.h"}),
}  # fmt: skip


def layer_of(module: str) -> str:
    """Return the layer of a module's full dotted name, or raise LookupError for one that has none."""
    name = module.removeprefix("pvsched").lstrip(".")
    parts = name.split(".") if name else []
    if parts[:1] == ["objects"] and len(parts) > 1 and parts[1] in WORKER_SIDE:
        return "objects (worker)"
    for length in range(len(parts), 0, -1):
        prefix = ".".join(parts[:length])
        if prefix in MAY_IMPORT:
            return prefix
    if not parts:
        return "pvsched"
    raise LookupError(f"{module} belongs to no layer: give it one here and in docs/explanation/architecture.md")


def module_name(path: Path, package: Path) -> str:
    """Return the dotted name of a file of the package."""
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def exists(module: str, package: Path) -> bool:
    """Tell whether a dotted name is a module or package here, rather than a name inside one."""
    path = package.parent.joinpath(*module.split("."))
    return path.is_dir() or any(path.with_suffix(suffix).is_file() for suffix in (".py", ".pyi"))


def imports_of(path: Path, package: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of every module of ours that a file imports, wherever it stands in it."""
    name = module_name(path, package)
    here = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = here.split(".")[: here.count(".") + 2 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            inner = [f"{base}.{alias.name}" for alias in node.names]
            found = [full if exists(full, package) else base for full in inner]
        else:
            continue
        for module in found:
            if module.split(".")[0] == package.name:
                yield node.lineno, module


def turned_back(path: Path, package: Path) -> list[str]:
    """Return one line a forbidden import of a file."""
    own = layer_of(module_name(path, package))
    wrong = []
    for line, module in imports_of(path, package):
        layer = layer_of(module)
        if layer != own and layer not in MAY_IMPORT[own]:
            wrong.append(f"{path.relative_to(package.parent)}:{line}: {own} must not import {module} ({layer})")
    return wrong


def includes_of(path: Path) -> set[str]:
    """Return the headers of ours that a C file includes; `Python.h` counts as one."""
    ours = {header.name for header in CORE.glob("*.h")} | {"Python.h"}
    return set(re.findall(r'^#\s*include\s+["<]([^">]+)[">]', path.read_text(), re.MULTILINE)) & ours


def room_of(path: Path) -> tuple[str, set[str]]:
    """Return the room of a C file and what may be included there."""
    for room, (files, allowed) in ROOMS.items():
        if path.name in files:
            return room, allowed | ({"Python.h"} if room == "Python" else set())
    raise LookupError(f"csrc/{path.name} belongs to no room: give it one here")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_python_imports_only_what_stands_below(path: Path) -> None:
    """A Python file imports only its own layer and those that its layer may know."""
    assert turned_back(path, PACKAGE) == []


@pytest.mark.parametrize("path", sorted(CORE.glob("*.h")), ids=lambda path: str(path.name))
def test_a_header_includes_only_what_stands_below(path: Path) -> None:
    """A header of the core includes only those that stand below it."""
    assert path.name in HEADERS, f"csrc/{path.name} has no place in the order of headers: give it one here"
    assert includes_of(path) <= HEADERS[path.name]


@pytest.mark.parametrize("path", sorted(CORE.glob("*.c")), ids=lambda path: str(path.name))
def test_a_c_file_stays_in_its_room(path: Path) -> None:
    """A C file includes only what its room may know; one file alone knows Python."""
    room, allowed = room_of(path)
    assert includes_of(path) <= allowed, f"csrc/{path.name} is in the room: {room}"


def test_the_order_of_headers_has_no_circle() -> None:
    """Following the allowed includes downwards always ends."""
    left = {name: set(below) for name, below in HEADERS.items()}
    while left:
        ends = {name for name, below in left.items() if not below & left.keys()}
        assert ends, f"a circle among {sorted(left)}"
        left = {name: below for name, below in left.items() if name not in ends}


def test_no_name_in_the_tables_is_stale() -> None:
    """Every layer, header and C file that the tables name exists."""
    layers = [name for name in MAY_IMPORT if " " not in name and name not in ("pvsched", "_core")]
    gone = [name for name in layers if not exists(f"pvsched.{name}", PACKAGE)]
    files = HEADERS.keys() | {name for names, _ in ROOMS.values() for name in names}
    gone += sorted(name for name in files if not (CORE / name).is_file())
    gone += sorted(name for name in WORKER_SIDE if not (PACKAGE / "objects" / f"{name}.py").is_file())
    assert gone == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("objects/tasks.py", "from pvsched.objects.controller import Objects"),
        ("objects/tasks.py", "from . import controller"),
        ("objects/model.py", "import pvsched.scheduler.task"),
        ("scheduler/task.py", "def f():\n    from ..control import http"),
        ("control/http.py", "from pvsched.objects import controller"),
        ("errors.py", "import pvsched.masking"),
        ("bench/fork.py", "from pvsched.cli import top"),
    ],
)
def test_an_arrow_that_turns_back_is_seen(file: str, line: str, tmp_path: Path) -> None:
    """The reading itself works: each way to write a forbidden import is found."""
    package = tmp_path / "pvsched"
    for name in ("objects/controller.py", "control/http.py", "scheduler/task.py", "masking.py", "cli/top.py", file):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).touch()
    (package / file).write_text(line + "\n")
    assert len(turned_back(package / file, package)) == 1
