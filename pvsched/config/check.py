"""`pvsched config check FILE`: everything that is wrong with a file, each finding with file, line, key and the
nearest key.
"""

from __future__ import annotations

from pvsched.config.merge import Layers, file_layer
from pvsched.config.problem import Problem, unreadable


def check(path: str) -> list[Problem]:
    """The findings in one file; empty if it can be used. The environment is left out. Reads the file: not for the
    main loop.
    """
    try:
        with open(path, "rb") as stream:
            text = stream.read().decode()
    except (OSError, UnicodeDecodeError) as problem:
        return [unreadable(path, problem)]
    return check_text(path, text)


def check_text(place: str, text: str) -> list[Problem]:
    """The same for a text that came from `place`."""
    layers = Layers()
    file_layer(layers, place, text)
    layers.check_rules()
    return layers.problems
