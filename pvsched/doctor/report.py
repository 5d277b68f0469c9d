"""All findings, for people and for programs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from pvsched import machine
from pvsched.doctor import cgroups, containers, device, processes, storage
from pvsched.doctor.isolation import looked
from pvsched.doctor.probe import GOOD, KERNEL, NOTE, Finding, Probe, finding

MIB = 1 << 20
OPTION = re.compile(r"CONFIG_\w+=[ym]")
ORDER = ("missing", "weaker", "absent", "unknown", "good")
MEANING = {
    "missing": "pvsched cannot work without",
    "weaker": "a fallback stands in",
    "absent": "not possible here",
    "unknown": "could not be told",
}


def subjects(state: str) -> dict[str, tuple[Probe, ...]]:
    """Every probe, by subject. `state` is the state directory."""
    return {
        "processes": processes.PROBES,
        "cgroups": cgroups.PROBES,
        "storage": storage.probes(state),
        "containers": containers.PROBES,
        "device": device.PROBES,
    }


def examine(wanted: dict[str, tuple[Probe, ...]]) -> list[Finding]:
    """Runs the probes, each subject's in their order."""
    pairs = [(subject, probe) for subject, probes in wanted.items() for probe in probes]
    answers = looked([probe for _, probe in pairs])
    return [finding(probe, subject, answer) for (subject, probe), answer in zip(pairs, answers, strict=True)]


def host() -> dict[str, Any]:
    """What was examined."""
    found = os.uname()
    kind, why = machine.kind()
    return {
        "model": machine.model(),
        "kind": kind,
        "why": why,
        "kernel": found.release,
        "machine": found.machine,
        "cores": machine.cores(),
        "memory": machine.memory().get("MemTotal", 0),
        "uid": os.geteuid(),
    }


def fragment(wanted: dict[str, tuple[Probe, ...]]) -> Iterator[str]:
    """A fragment of a kernel's configuration with every option that a probe speaks of, once; it examines nothing."""
    seen: set[str] = set()
    for probes in wanted.values():
        for probe in probes:
            lines = " ".join(line for where, line in probe.advice if where == KERNEL and probe.role != NOTE)
            options = [option for option in OPTION.findall(lines) if option not in seen]
            if options:
                yield f"# {probe.name}; without: {probe.cost}"
                yield from options
            seen.update(options)


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    return {state: sum(1 for one in findings if one.state == state) for state in ORDER}


def document(findings: Sequence[Finding], lacking: Sequence[str]) -> dict[str, Any]:
    """`lacking` names what is needed and not there: with it the exit status is 1."""
    return {
        "host": host(),
        "counts": counts(findings),
        "lacking": list(lacking),
        "findings": [one.document() for one in findings],
    }


def lines(findings: Sequence[Finding], brief: bool) -> Iterator[str]:
    """A line a finding; below what is not good: what that costs, and what to add where."""
    about = host()
    kind = f" ({about['kind']}: {about['why']})" if about["why"] else ""
    yield (
        f"{about['model']}, Linux {about['kernel']} {about['machine']}, {about['cores']} cores, "
        f"{about['memory'] // MIB} MiB{kind}"
    )
    subject = ""
    for one in findings:
        if brief and one.state == GOOD:
            continue
        if one.subject != subject:
            subject = one.subject
            yield ""
            yield subject
        yield f"  {one.state:<8} {one.name:<16} {one.detail}"
        if one.state == GOOD:
            continue
        if one.cost:
            yield f"           costs: {one.cost}"
        for where, line in one.advice:
            yield f"           {where + ':':<8} {line}"
    yield ""
    yield ", ".join(f"{count} {state}" for state, count in counts(findings).items() if count)
