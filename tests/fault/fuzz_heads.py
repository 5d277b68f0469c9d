"""atheris (libFuzzer for Python) against the request-head parser, h11 as the oracle; a program of its own.

    python -m tests.fault.fuzz_heads -max_total_time=60 CORPUS

It ends with a traceback at the first head that no rule of `head_oracle.py` explains. `test_fuzz_heads.py` runs it.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pvsched.control", "httptools", "h11"]):
    from tests.fault.head_oracle import difference

from tests.conformance.recordings import numbers, recording
from tests.fault import head_grammar


def seeds() -> list[bytes]:
    """Return what the fuzzer begins with: the recorded requests, and heads of the grammar."""
    source = random.Random(1)
    recorded = [recording(number).request for number in numbers(1, 62)]
    return [raw for raw in recorded if len(raw) < 2000] + [head_grammar.head(source) for _ in range(300)]


def words() -> list[bytes]:
    """Return the words of the grammar, which no fuzzer would guess."""
    names = (b"Host", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Expect", b"Upgrade")
    lists = [value for name, value in sorted(vars(head_grammar).items()) if name.isupper() and isinstance(value, tuple)]
    return sorted({word for one in [*lists, names] for word in one if 1 < len(word) < 100})


def quoted(word: bytes) -> str:
    """Return a word as a line of a libFuzzer dictionary."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n'


def one_head(raw: bytes) -> None:
    """Raise if the two readings differ for no known reason; any other exception is a finding, too."""
    found = difference(raw)
    if isinstance(found, str):
        raise AssertionError(found)


def main(arguments: list[str]) -> None:
    """Fill the corpus, which is the last argument, and fuzz."""
    corpus = Path(arguments[-1])
    for number, raw in enumerate(seeds()):
        (corpus / f"seed-{number}").write_bytes(raw)
    dictionary = corpus.with_suffix(".words")
    dictionary.write_text("".join(map(quoted, words())))
    atheris.Setup([arguments[0], f"-dict={dictionary}", *arguments[1:]], one_head)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
