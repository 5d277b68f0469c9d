"""On which line of a TOML file a key stands. The parser does not tell, and a person with an editor wants to know.

Only used on text that the parser has accepted, so this needs to find its way, not to judge.
"""

from __future__ import annotations


def key_lines(text: str) -> dict[str, int]:
    """Full name of each table and each key -> its line, counted from 1."""
    found: dict[str, int] = {}
    section = ""
    closing = ""  # what ends the value that goes on over several lines
    depth = 0
    for number, line in enumerate(text.splitlines(), 1):
        if closing:
            if closing in line:
                closing = ""
            continue
        if depth > 0:
            depth += _brackets(line)
            continue
        stripped = line.strip()
        if stripped.startswith("["):
            section = _name(stripped.lstrip("[").split("]", 1)[0])
            found.setdefault(section, number)
        elif "=" in stripped and not stripped.startswith("#"):
            name, value = stripped.split("=", 1)
            found.setdefault(f"{section}.{_name(name)}" if section else _name(name), number)
            closing = _open_string(value)
            depth = 0 if closing else max(0, _brackets(value))
    return found


def line_of(lines: dict[str, int], name: str) -> int:
    """The line of `name`, or of the nearest table above it (`a = {b = 1}`), or 0."""
    while name:
        if name in lines:
            return lines[name]
        name = name.rpartition(".")[0]
    return 0


def _name(text: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in text.split("."))


def _open_string(value: str) -> str:
    """The quotes that end a multi-line string which begins here and does not end here, else ""."""
    for quotes in ('"""', "'''"):
        if value.lstrip().startswith(quotes) and value.count(quotes) == 1:
            return quotes
    return ""


def _brackets(text: str) -> int:
    """Brackets opened minus closed, strings and comments left out."""
    depth = 0
    quote = ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "#":
            break
        else:
            depth += (character in "[{") - (character in "]}")
    return depth
