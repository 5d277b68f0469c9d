"""What the README and the docs point at exists, and nothing in the tree names the machine that it was written on."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|<img[^>]+src=\"([^\"]+)\"")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# tests/unit/test_docs.py, tests/c/test_queue.c, tests/unit/test_docs.py::test_links, test_links[a case]
NAMED_TEST = re.compile(r"(tests/[\w/.-]+\.(?:py|c|h))(?:::(\w+))?")
# Written so that this very file does not hold what it looks for.
STRANGE = re.compile(
    r"/(?:root|work)/[\w.]|[/.]pypi\.org/simple|pythonhosted\.org|deb\.debian\.org|(?:extra-)?index-url\s*="
)


def name_of(path: Path) -> str:
    """Return the path as the ids of the tests show it."""
    return str(path.relative_to(ROOT))


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that a page's headings make, as GitHub does."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """Return the relative links of a page whose file, or whose heading, is not there."""
    broken = []
    for link, image in LINK.findall(FENCE.sub("", page.read_text())):
        target = link or image
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path) if path else page
        is_known = found.exists() and (not anchor or found.suffix != ".md" or anchor in anchors_of(found))
        if not is_known:
            broken.append(target)
    return broken


def functions_of(path: Path) -> set[str]:
    """Return the names of the functions and classes of a test file, in Python or C."""
    if path.suffix == ".py":
        defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, defined)}
    return set(re.findall(r"\b(\w+)\s*\(", path.read_text()))


def missing_tests(page: Path) -> list[str]:
    """Return the tests that a page names and that do not exist."""
    missing = []
    for file, function in NAMED_TEST.findall(page.read_text()):
        path = ROOT / file
        if not path.is_file() or (function and function not in functions_of(path)):
            missing.append(f"{file}::{function}" if function else file)
    return missing


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_resolves(page: Path) -> None:
    """A relative link leads to a file of the project, and its anchor to a heading there."""
    assert broken_links(page) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    """A promise names the test that proves it: file and function are there."""
    assert missing_tests(page) == []


def test_the_readme_links_its_promises_to_tests() -> None:
    """The README's table of promises names at least one test in every row."""
    text = (ROOT / "README.md").read_text()
    found = re.search(r"^## [^\n]*[Pp]romise[^\n]*\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, "the README has no heading with the word promise"
    rows = [line for line in found.group(1).splitlines() if line.startswith("|")][2:]
    assert len(rows) >= 5
    assert [row for row in rows if not NAMED_TEST.search(row)] == []


def test_every_page_is_reached_from_the_index() -> None:
    """Who begins at docs/index.md can click through to every page of the docs."""
    start = (ROOT / "docs" / "index.md").resolve()
    seen, left = set(), [start]
    while left:
        page = left.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        links = (link for link, _ in LINK.findall(FENCE.sub("", page.read_text())))
        left += [(page.parent / link.partition("#")[0]).resolve() for link in links if not re.match(r"[a-z]+:", link)]
    assert sorted(name_of(page) for page in PAGES if page.is_relative_to(ROOT / "docs") and page not in seen) == []


# A command of ours, and what stands behind it: `board/qemu armhf run --memory 64`, `pvsched doctor -q`
COMMAND = re.compile(r"(?:^|[;&|(] *|-- )(board/[\w-]+|pvsched (?:(?:config|objects) )?[a-z]+)(?![\w./-])([^|;&]*)")


def commands_of(page: Path) -> set[tuple[str, str]]:
    """Return the commands of ours in a page, each with an option that it is given there, or with none."""
    text = page.read_text()
    code = [line for block in FENCE.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    found = set()
    for line in [*code, *re.findall(r"`([^`\n]+)`", FENCE.sub("", text))]:
        for name, rest in COMMAND.findall(line.split(" # ")[0]):
            own = rest.split(" -- ")[0]  # what follows is another command's
            found |= {(name, option) for option in re.findall(r"(?<!\S)\[?(--[a-z][\w-]*)", own)} | {(name, "")}
    return found


@pytest.mark.slow
def test_every_command_of_the_docs_has_the_options_that_it_is_given() -> None:
    """What a reader copies is understood: each script and each verb is there, and its --help has each option."""
    pages = [*PAGES, *(ROOT / "yocto-layer").rglob("*.md"), *(ROOT / "board").rglob("*.md")]
    used = {use: name_of(page) for page in pages for use in commands_of(page) if not (ROOT / use[0]).is_dir()}
    assert len({name for name, _ in used}) > 15
    wrong = []
    for name in sorted({name for name, _ in used}):
        words = [sys.executable, "-m", *name.split()] if name.startswith("pvsched") else [sys.executable, name]
        done = subprocess.run([*words, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        known = set(re.findall(r"--[a-z][\w-]*", done.stdout)) | {""} if done.returncode == 0 else set()
        wrong += [(page, *use) for use, page in used.items() if use[0] == name and use[1] not in known]
    assert wrong == []


def test_adrs_are_short() -> None:
    """A decision takes 40 lines at most."""
    long = {
        path.name: lines
        for path in (ROOT / "docs" / "adr").glob("*.md")
        if (lines := path.read_text().count("\n")) > 40
    }
    assert long == {}


def test_nothing_names_the_machine_it_was_written_on() -> None:
    """No file of the tree holds a home directory, a work directory or a registry's address."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    found = []
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if not name or path == Path(__file__).resolve() or not path.is_file():
            continue
        text = path.read_bytes()
        if b"\0" in text[:1024]:
            continue
        lines = text.decode(errors="replace").splitlines()
        found += [
            f"{name}:{number}: {line.strip()[:100]}" for number, line in enumerate(lines, 1) if STRANGE.search(line)
        ]
    assert found == []
