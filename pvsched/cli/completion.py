"""`pvsched completion bash|zsh|fish`: prints a completion script made from the table of verbs."""

from __future__ import annotations

from pvsched.cli import LEADING, VERBS, exits
from pvsched.cli.arguments import options, parser
from pvsched.cli.output import print_json, say

# What may follow a verb, or a verb and its own verb, besides --json and --help. A word in capitals is a kind of value.
WORDS: dict[str, tuple[str, ...]] = {
    "run": ("--config", "--state", "--socket", "--workers"),
    "status": ("--socket",),
    "top": ("--interval", "--socket"),
    "objects": ("ls", "get", "put", "verify"),
    "objects ls": ("--socket",),
    "objects get": ("--output", "--quiet", "--socket", "OBJECT"),
    "objects put": ("--quiet", "--socket", "FILE"),
    "objects verify": ("--quiet", "--socket", "OBJECT"),
    "tasks": ("ls", "show", "cancel"),
    "tasks ls": ("--all", "--socket"),
    "tasks show": ("--socket", "TASK"),
    "tasks cancel": ("--socket", "TASK"),
    "events": ("--follow", "--after", "--type", "--socket"),
    "config": ("show", "check"),
    "config show": ("--origin", "--defaults", "--changed", "--config"),
    "config check": ("FILE",),
    "doctor": ("--quiet", "--state", "--need", "--kernel-config"),
    "demo": ("--seconds", "--size", "--workers", "--state", "--ascii", "--svg"),
    "bench": ("--quick", "--board", "--note", "--rounds", "--only", "--list", "--markdown"),
    "completion": ("bash", "zsh", "fish"),
    "version": (),
}
GROUPS = tuple(dict.fromkeys(place.split()[0] for place in WORDS if " " in place))
FILE_OPTIONS = ("--socket", "--config", "--state", "--output", "-o", "--svg", "--markdown")  # a path follows
# How a shell learns the values of a kind: from the daemon, which may not be there.
VALUES = {
    "OBJECT": "pvsched objects ls 2>/dev/null | grep -oE '^[0-9a-f]{64}'",
    "TASK": "pvsched tasks ls --all 2>/dev/null | grep -oE '^ *[0-9]+  ' | tr -d ' '",
}

BASH = """\
# bash completion of pvsched:  pvsched completion bash > /etc/bash_completion.d/pvsched
_pvsched() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} place= words= i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --socket | =) [ "${COMP_WORDS[i + 1]}" = = ] || ((i++)) ;;
        -*) ;;
        *) case $place in '' | @GROUPS@) place=${place:+$place }${COMP_WORDS[i]} ;; esac ;;
        esac
    done
    case $before in
    @FILES@) COMPREPLY=($(compgen -f -- "$word")); return ;;
    esac
    case $place in
@CASES@
    esac
    COMPREPLY+=($(compgen -W "$words" -- "$word"))
}
complete -o filenames -F _pvsched pvsched
"""

ZSH = """\
#compdef pvsched
# zsh completion of pvsched:  pvsched completion zsh > "${fpath[1]}/_pvsched"
_pvsched() {
    local place= i
    local -a verbs
    for (( i = 2; i < CURRENT; i++ )); do
        case $words[i] in
        --socket) (( i++ )) ;;
        -*) ;;
        *) case $place in (''|@GROUPS@) place=${place:+$place }$words[i] ;; esac ;;
        esac
    done
    case $words[CURRENT-1] in
    @FILES@) _files; return ;;
    esac
    case $place in
@CASES@
    esac
}
if [ "$funcstack[1]" = _pvsched ]; then _pvsched "$@"; else compdef _pvsched pvsched; fi
"""


def _script(text: str, cases: list[str]) -> list[str]:
    filled = text.replace("@GROUPS@", " | ".join(GROUPS)).replace("@FILES@", " | ".join(FILE_OPTIONS))
    return filled.replace("@CASES@", "\n".join(cases)).splitlines()


def _plain(place: str) -> str:
    """The words that may stand there, without the kinds of values."""
    return " ".join((*(word for word in WORDS[place] if not word.isupper()), "--json", "--help"))


def bash() -> list[str]:
    cases = [f'    "") words="{" ".join((*VERBS, *LEADING, "--help", "--version"))}" ;;']
    for place, words in WORDS.items():
        values = "".join(f" $({VALUES[word]})" for word in words if word in VALUES)
        files = ' COMPREPLY=($(compgen -f -- "$word"))' if "FILE" in words else ""
        cases.append(f'    "{place}") words="{_plain(place)}{values}"{files and ";" + files} ;;')
    return _script(BASH, cases)


def zsh() -> list[str]:
    verbs = " ".join(f"'{verb}:{text}'" for verb, text in VERBS.items())
    leading = " ".join((*LEADING, "--help", "--version"))
    cases = [f"    '') verbs=({verbs}); _describe verb verbs; compadd -- {leading} ;;"]
    for place, words in WORDS.items():
        values = "".join(f' ${{(f)"$({VALUES[word]})"}}' for word in words if word in VALUES)
        files = "; _files" if "FILE" in words else ""
        cases.append(f"    '{place}') compadd -- {_plain(place)}{values}{files} ;;")
    return _script(ZSH, cases)


def fish() -> list[str]:
    lines = [
        "# fish completion of pvsched:  pvsched completion fish > ~/.config/fish/completions/pvsched.fish",
        "complete -c pvsched -f",
        "complete -c pvsched -l json -d 'print JSON'",
        "complete -c pvsched -l help",
    ]
    for verb, text in VERBS.items():
        lines.append(f"complete -c pvsched -n __fish_use_subcommand -a {verb} -d '{text}'")
    lines.append("complete -c pvsched -n __fish_use_subcommand -l socket -r -F")
    for place, words in WORDS.items():
        lines += [f"complete -c pvsched -n '{_reached(place)}' {_offer(word)}" for word in words]
    return lines


def _reached(place: str) -> str:
    """Fish's condition for being behind these words, and not behind a further one."""
    test = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in place.split())
    inner = " ".join(word for word in WORDS[place] if not word.startswith("-")) if place in GROUPS else ""
    return f"{test}; and not __fish_seen_subcommand_from {inner}" if inner else test


def _offer(word: str) -> str:
    if word == "FILE":
        return "-F"
    if word in VALUES:
        return f'-a "({VALUES[word]})"'
    if word.startswith("--"):
        return f"-l {word[2:]}" + (" -r -F" if word in FILE_OPTIONS else "")
    return f"-a {word}"


SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}


def main(arguments: list[str]) -> int:
    made = parser("completion", "A completion script, on standard output.", talks=False)
    made.add_argument("shell", choices=tuple(SHELLS))
    chosen = options(made, arguments)
    lines = SHELLS[chosen.shell]()
    if chosen.json:
        print_json({"shell": chosen.shell, "script": "\n".join(lines) + "\n"})
    else:
        say(lines)
    return exits.OK
