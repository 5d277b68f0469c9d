"""`pvsched doctor`: what this kernel and this image offer, what is missing, what that costs, and what to add."""

from __future__ import annotations

from pvsched.cli import exits
from pvsched.cli.arguments import Parser, options, parser
from pvsched.cli.failure import misuse
from pvsched.cli.output import print_json, printable, say

TYPE_CHECKING = False  # as type checkers know it: typing is slow to import
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pvsched.doctor.probe import Finding


def build() -> Parser:
    made = parser(
        "doctor",
        "What this kernel and this image offer, what is missing, what that costs, and the line that adds it. Changes "
        "nothing. Exit: 0 all that is needed is there, 1 something is missing.",
        talks=False,
    )
    made.add_argument("-q", "--quiet", action="store_true", help="only what is not good")
    made.add_argument("--state", metavar="DIR", help="the state directory to examine (default: that of the settings)")
    made.add_argument(
        "--need", metavar="NAME", action="append", default=[], help="fail unless NAME is good: --need lxc,loop"
    )
    made.add_argument(
        "--kernel-config", action="store_true", help="print the options of all of it as a fragment, and examine nothing"
    )
    return made


def main(arguments: list[str]) -> int:
    from pvsched.doctor.report import document, examine, fragment, lines, subjects

    chosen = options(build(), arguments)
    wanted = subjects(chosen.state or state_directory())
    if chosen.kernel_config:
        say(list(fragment(wanted)))
        return exits.OK
    names = {probe.name for probes in wanted.values() for probe in probes}
    needed = [name for some in chosen.need for name in some.split(",")]
    for name in needed:
        if name not in names:
            raise misuse(f"there is no finding {name!r}", "pvsched doctor   shows all of them")
    findings = examine(wanted)
    lacking = not_there(findings, needed)
    if chosen.json:
        print_json(document(findings, lacking))
    else:
        say([printable(line) for line in lines(findings, chosen.quiet)])
        if lacking:
            say([f"needed, and not there: {', '.join(lacking)}"])
    return exits.FAILED if lacking else exits.OK


def not_there(findings: Sequence[Finding], needed: Sequence[str]) -> list[str]:
    """Names of what the exit status speaks of."""
    return [one.name for one in findings if one.state == "missing" or (one.name in needed and one.state != "good")]


def state_directory() -> str:
    """Where the daemon of this user would keep its state. A file that is refused is the business of config check."""
    import os

    from pvsched.config.places import Places
    from pvsched.config.problem import ConfigError

    try:
        from pvsched.config.load import load

        return str(load().text("daemon.state"))
    except (ConfigError, ImportError):
        return Places(os.geteuid(), os.environ).state
