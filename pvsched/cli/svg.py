"""Lines of a terminal as an SVG picture, for the README."""

from __future__ import annotations

from collections.abc import Sequence

WIDE, TALL, EDGE = 8.0, 17, 16


def svg(lines: Sequence[str]) -> str:
    """A picture of these lines in a fixed-width font."""
    width = int(max(map(len, lines), default=0) * WIDE) + 2 * EDGE
    tall = len(lines) * TALL + 2 * EDGE
    rows = []
    for number, line in enumerate(lines):
        if line.strip():
            length = f' textLength="{len(line) * WIDE:.0f}"'
            rows.append(f'<text x="{EDGE}" y="{EDGE + (number + 1) * TALL - 4}"{length}>{escape(line)}</text>')
    style = "text{font:13px 'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:#d8dee9;white-space:pre}"
    # xml:space says to older viewers what white-space says to younger ones: the columns stand where they were printed.
    begin = '<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" '
    begin += f'width="{width}" height="{tall}" viewBox="0 0 {width} {tall}">'
    return "\n".join(
        [
            begin,
            f"<style>{style}</style>",
            '<rect width="100%" height="100%" rx="6" fill="#1c2128"/>',
            *rows,
            "</svg>",
            "",
        ]
    )


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
