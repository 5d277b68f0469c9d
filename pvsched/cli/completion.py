"""`pvsched completion bash|zsh|fish`: prints a completion script made from the table of verbs."""

from __future__ import annotations

from pvsched.cli import VERBS, exits
from pvsched.cli.arguments import options, parser
from pvsched.cli.output import print_json, say

# What may follow each verb, besides --json and --help. A word in capitals is a kind of value, not a word.
WORDS: dict[str, tuple[str, ...]] = {
    "run": ("--config", "--state", "--socket", "--workers"),
    "status": ("--socket",),
    "top": ("--interval", "--socket"),
    "objects": ("ls", "get", "put", "verify", "--socket", "--output", "--quiet"),
    "tasks": ("ls", "show", "cancel", "--socket", "--all"),
    "events": ("--follow", "--after", "--type", "--socket"),
    "config": ("show", "check", "--origin", "--defaults", "--changed", "--config"),
    "doctor": ("--quiet", "--state", "--need", "--kernel-config"),
    "demo": ("--seconds", "--size", "--workers", "--state", "--ascii", "--svg"),
    "bench": ("--quick", "--board", "--note", "--rounds", "--only", "--list", "--markdown"),
    "completion": ("bash", "zsh", "fish"),
    "version": (),
}

BASH = """\
# bash completion of pvsched:  pvsched completion bash > /etc/bash_completion.d/pvsched
_pvsched() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} verb=${{COMP_WORDS[1]}} words
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{verbs} --help --version"
    else
        case $verb in
{cases}
        esac
        words="$words --json --help"
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    case $word in -*) ;; *) [ "$COMP_CWORD" -gt 1 ] && COMPREPLY+=($(compgen -f -- "$word")) ;; esac
}}
complete -o filenames -F _pvsched pvsched
"""

ZSH = """\
#compdef pvsched
# zsh completion of pvsched:  pvsched completion zsh > "${{fpath[1]}}/_pvsched"
_pvsched() {{
    local -a verbs choices
    verbs=(
{verbs}
    )
    if (( CURRENT == 2 )); then
        _describe verb verbs
        return
    fi
    local verb=$words[2]
    case $verb in
{cases}
    esac
    choices+=(--json --help)
    compadd -a choices
    _files
}}
compdef _pvsched pvsched
"""


def bash() -> list[str]:
    cases = [f'            {verb}) words="{" ".join(words)}" ;;' for verb, words in WORDS.items()]
    return BASH.format(verbs=" ".join(VERBS), cases="\n".join(cases)).splitlines()


def zsh() -> list[str]:
    verbs = [f"        '{verb}:{text}'" for verb, text in VERBS.items()]
    cases = [f"        {verb}) choices=({' '.join(words)}) ;;" for verb, words in WORDS.items()]
    return ZSH.format(verbs="\n".join(verbs), cases="\n".join(cases)).splitlines()


def fish() -> list[str]:
    lines = ["# fish completion of pvsched:  pvsched completion fish > ~/.config/fish/completions/pvsched.fish"]
    for verb, text in VERBS.items():
        lines.append(f"complete -c pvsched -n __fish_use_subcommand -f -a {verb} -d '{text}'")
        for word in (*WORDS[verb], "--json", "--help"):
            option = f"-l {word[2:]}" if word.startswith("--") else f"-a {word}"
            lines.append(f"complete -c pvsched -n '__fish_seen_subcommand_from {verb}' {option}")
    return lines


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
