"""The ends of a script: its arguments, and the exit status that means something."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from board.tools.progress import Failure, tell


class Parser(argparse.ArgumentParser):
    """A parser that shows the script's own text as it is, and for which misuse is exit status 100."""

    def __init__(self, name: str, text: str | None) -> None:
        form = argparse.RawDescriptionHelpFormatter
        super().__init__(prog=name, description=text, formatter_class=form, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Tell what is wrong with the command line."""
        raise Failure(message, f"{self.prog} --help", 100)


def new_file(text: str) -> Path:
    """Take the name of a file to be written, of an hour's results perhaps: its folder has to be there before."""
    path = Path(text)
    if not path.parent.is_dir() or path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} cannot be written: it is a folder, or is in none")
    return path


def sizes(text: str) -> list[int]:
    """Take numbers above zero, with commas between them."""
    numbers = [int(word) for word in text.split(",")]
    if min(numbers) < 1:
        raise ValueError
    return numbers


def run(name: str, main: Callable[[list[str]], int]) -> NoReturn:
    """Run a script's `main(arguments)`, and leave with its exit status; 111 and the like come with a Failure.

    What the system refused, in our own work or a command's, is 111 as well: 1 is a finding, and nothing was found then.
    SIGTERM, and the SIGHUP of a terminal that goes, are an end past every `finally`, as Ctrl-C is: what was started is
    ended, and what was made for a while goes. Under nohup SIGHUP stays ignored.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        sys.exit(main(sys.argv[1:]))
    except Failure as failure:
        sys.exit(tell(name, failure))
    except (OSError, subprocess.SubprocessError) as refused:
        sys.exit(tell(name, Failure(str(refused))))
    except KeyboardInterrupt:
        sys.exit(130)
