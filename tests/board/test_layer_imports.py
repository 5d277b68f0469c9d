"""The recipes name every package of Python's library that the code imports: openembedded-core splits it."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvsched.doctor import device

ROOT = Path(__file__).resolve().parent.parent.parent
RECIPE = ROOT / "yocto-layer" / "recipes-pvsched" / "pvsched" / "pvsched.inc"

# Modules that are not in python3-core: their package, without "python3-". `test_the_table_is_openembeddeds` compares.
PACKAGE = {
    "_json": "json", "_queue": "threading", "asyncio": "asyncio", "base64": "netclient", "concurrent": "asyncio",
    "ctypes": "ctypes", "difflib": "difflib", "fcntl": "fcntl", "getpass": "unixadmin", "hashlib": "crypt",
    "hmac": "netclient", "html": "html", "http": "netclient", "json": "json", "logging": "logging", "mmap": "mmap",
    "multiprocessing": "multiprocessing", "pickle": "pickle", "queue": "threading", "random": "math",
    "resource": "resource", "secrets": "netclient", "shlex": "shell", "socket": "io", "sqlite3": "sqlite3",
    "statistics": "statistics", "tempfile": "io", "termios": "io", "tomllib": "tomllib", "tty": "terminal",
    "unittest": "unittest", "uuid": "netclient",
}  # fmt: skip
CORE = {
    "__future__", "_collections", "_collections_abc", "_signal", "_thread", "_weakrefset", "argparse", "array", "ast",
    "atexit", "bisect", "builtins", "collections", "contextlib", "copy", "dataclasses", "enum", "errno", "functools",
    "gc", "grp", "heapq", "importlib", "inspect", "io", "itertools", "math", "operator", "os", "platform", "pwd", "re",
    "select", "selectors", "shutil", "signal", "stat", "struct", "subprocess", "sys", "sysconfig", "textwrap",
    "threading", "time", "traceback", "types", "typing", "warnings", "weakref",
}  # fmt: skip
OURS = {"cffi": "cffi", "_cffi_backend": "cffi", "httptools": "httptools"}
# Peers of the benchmark, used if they are there; and what older Pythons need in place of tomllib.
OPTIONAL = {"billiard", "h11", "pebble", "psutil", "sortedcontainers", "tomli", "typing_extensions"}
# pvsched.aio is for asyncio programs: PACKAGECONFIG[aio] brings what it needs.
PARTS = {"bench": ["bench"], "testing": ["testing"], "aio": ["aio.py"]}


def imports(file: Path) -> Iterator[str]:
    """Yield the top names of what a file imports when it runs."""
    tree = ast.parse(file.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def files_of(part: str) -> list[Path]:
    """Return the files of a package: bench, testing, aio, or the main one (an empty name), which has the rest."""
    package = ROOT / "pvsched"
    elsewhere = {name: part for part, names in PARTS.items() for name in names}
    every = sorted(package.rglob("*.py"))
    return [path for path in every if elsewhere.get(path.relative_to(package).parts[0], "") == part]


def needed(part: str) -> dict[str, str]:
    """Return the packages that a part needs, each with one place that needs it."""
    found: dict[str, str] = {"core": "every file"}
    if not part:
        found["cffi"] = "the extension needs its backend"
    for file in files_of(part):
        for module in imports(file):
            if module == "pvsched" or module in OPTIONAL or module in CORE:
                continue
            place = f"{file.relative_to(ROOT)} imports {module}"
            assert module in PACKAGE or module in OURS, f"{place}: which package has it? Add it to a table here"
            found.setdefault(PACKAGE.get(module) or OURS[module], place)
    return found


def named(part: str) -> set[str]:
    """Return the python3- packages that the recipe names for a part."""
    text = RECIPE.read_text()
    if part == "aio":
        found = re.search(r"^PACKAGECONFIG\[aio\] = \"(.*?)\"", text, re.MULTILINE)
    else:
        found = re.search(
            rf'^RDEPENDS:\$\{{PN\}}{f"-{part}" if part else ""} = "(.*?)"', text, re.MULTILINE | re.DOTALL
        )
    assert found is not None
    return set(re.findall(r"python3-([a-z0-9-]+)", found.group(1)))


@pytest.mark.parametrize("part", ["", "bench", "testing", "aio"])
def test_every_import_is_in_rdepends(part: str) -> None:
    """A package's RDEPENDS hold what its files import."""
    brought = named("") if part == "aio" else set()
    missing = {package: place for package, place in needed(part).items() if package not in named(part) | brought}
    assert not missing


@pytest.mark.parametrize("part", ["", "bench", "testing"])
def test_rdepends_name_nothing_that_is_not_imported(part: str) -> None:
    """What nothing imports any more does not stay in RDEPENDS."""
    assert not named(part) - set(needed(part))


def test_the_doctor_names_the_same_packages() -> None:
    """`pvsched doctor` tells which package brings a module that is missing on a device."""
    modules = {module for file in files_of("") for module in imports(file)}
    known = {module: f"python3-{package}" for module, package in {**PACKAGE, **OURS}.items() if module in modules}
    assert known == device.PACKAGES


@pytest.mark.slow
@pytest.mark.board
@pytest.mark.parametrize("release", ["scarthgap", "wrynose"])
def test_the_table_is_openembeddeds(release: str) -> None:
    """The tables above are those of openembedded-core's own manifest, in both releases."""
    repository = os.environ.get("PVSCHED_OE_CORE")
    if not repository:
        pytest.skip("lacks openembedded-core: PVSCHED_OE_CORE names no repository")
    path = f"{release}:meta/recipes-devtools/python/python3/python3-manifest.json"
    text = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", repository, "show", path], capture_output=True, text=True, check=True
    ).stdout
    manifest = json.loads(text[text.index("\n{") :])
    for module, package in PACKAGE.items():
        assert package in holders(manifest, module), module
    for module in CORE:
        assert holders(manifest, module) <= {"core"}, module


def holders(manifest: dict[str, dict[str, list[str]]], module: str) -> set[str]:
    """Return the packages of the manifest that hold a module of Python's library."""
    ending = re.compile(rf"/(lib-dynload/)?{re.escape(module)}(\.py|\.\*\.so|)/?$")
    return {
        name
        for name, package in manifest.items()
        if any("python${PYTHON_MAJMIN}" in file and ending.search(file) for file in package["files"])
    }
