"""A first use of the installed library: every executor runs one task, the documents are as they should be, and the HTTP
parser that was installed with it takes good requests.
"""

from __future__ import annotations

from typing import Any

import pvsched
from pvsched.control.http import parser_is_sound


@pvsched.task("double", timeout=30)
def double(data: int, context: pvsched.Context) -> dict[str, Any]:
    """Return twice the number, and where it was computed."""
    return {"twice": 2 * data, "has deadline": context.deadline is not None}


def main() -> None:
    """Run five tasks, one an executor, and check what comes back."""
    ended: list[dict[str, Any]] = []
    with pvsched.Scheduler(workers=2) as scheduler:
        for number, executor in enumerate(("inline", "thread", "fork", "pool")):
            scheduler.add_task(pvsched.Task("double", data=number, executor=executor), ended.append)
        scheduler.add_task(pvsched.Task("program", argv=["/bin/echo", "hello"], executor="exec"), ended.append)
        while scheduler.pending:
            scheduler.run(wait=1.0)
    outcomes = {document["outcome"] for document in ended}
    assert len(ended) == 5, ended
    assert outcomes == {"succeeded"}, ended
    twice = sorted(document["data"]["twice"] for document in ended if document["type"] == "double")
    assert twice == [0, 2, 4, 6], ended
    assert parser_is_sound(), "httptools, as it was built, refuses good requests"
    print(f"smoke: 5 tasks in 5 executors, all succeeded, from {pvsched.__file__.rpartition('/lib/')[2]}")


if __name__ == "__main__":
    main()
