"""The example that the project began with: a hub client's state machine over a scheduler.

In IDLE it sends `ph_client_task_idle` with the device's metadata; the JSON that comes back brings `usrmeta` and
`update: true`; the callback updates the state; the machine moves to UPDATE and sends `ph_client_update`, which brings
the revision. The main loop turns at its own pace throughout.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

import pvsched
from tests.scenario.hub_tasks import REGISTRY

SLOW = 0.4  # seconds that the hub takes for each answer


class HubClient:
    """States IDLE -> UPDATE -> DONE. Only callbacks, in the main loop, change anything here."""

    def __init__(self, scheduler: pvsched.Scheduler) -> None:
        self.scheduler = scheduler
        self.state = "IDLE"
        self.waiting = False
        self.devmeta = {"serial": "device-1", "arch": "arm"}
        self.usrmeta: dict[str, Any] = {}
        self.revision = 55
        self.documents: list[dict[str, Any]] = []

    def step(self) -> None:
        """One turn: send what this state needs, if it was not sent yet."""
        if self.waiting or self.state == "DONE":
            return
        data: dict[str, Any] = {"hub_is_slow": SLOW}
        if self.state == "IDLE":
            task = pvsched.Task("ph_client_task_idle", {**data, "devmeta": self.devmeta}, priority=3, timeout=15)
            self.scheduler.add_task(task, self.idle_answered)
        else:
            task = pvsched.Task("ph_client_update", {**data, "revision": self.revision}, timeout=60)
            self.scheduler.add_task(task, self.update_answered)
        self.waiting = True

    def idle_answered(self, document: dict[str, Any]) -> None:
        self.waiting = False
        self.documents.append(document)
        if document["outcome"] == "succeeded":
            self.usrmeta.update(document["data"]["usrmeta"])
            self.state = "UPDATE" if document["data"]["update"] else "IDLE"

    def update_answered(self, document: dict[str, Any]) -> None:
        self.waiting = False
        self.documents.append(document)
        if document["outcome"] == "succeeded":
            self.revision = document["data"]["revision"]
            self.state = "DONE"


@pytest.mark.parametrize("executor", ["pool", "fork"])
def test_the_machine_gets_its_revision_while_the_loop_turns(executor: Any) -> None:
    """IDLE, then UPDATE, then revision 56; the loop never waited for the hub."""
    states, turns, longest = [], 0, 0.0
    with pvsched.Scheduler(workers=2, executor=executor, registry=REGISTRY) as scheduler:
        client = HubClient(scheduler)
        while client.state != "DONE":
            began = time.monotonic()
            client.step()
            scheduler.run()
            longest = max(longest, time.monotonic() - began)
            turns += 1
            if not states or states[-1] != client.state:
                states.append(client.state)
            time.sleep(0.005)  # the loop's own pace: what else a device has to do
    assert states == ["IDLE", "UPDATE", "DONE"]
    assert client.usrmeta == {"seen-by-hub": "device-1", "log.level": "debug"}
    assert client.revision == 56
    assert [document["type"] for document in client.documents] == ["ph_client_task_idle", "ph_client_update"]
    assert turns > 2 * SLOW / 0.005 / 10
    assert longest < SLOW, "a turn of the loop has waited for the hub"


def test_without_workers_it_works_too_only_slower() -> None:
    """workers=0, as on the smallest boards: the same states and the same documents, inline."""
    with pvsched.Scheduler(workers=0, registry=REGISTRY) as scheduler:
        client = HubClient(scheduler)
        while client.state != "DONE":
            client.step()
            scheduler.run(wait=0.1)
    assert client.revision == 56
    assert [document["outcome"] for document in client.documents] == ["succeeded", "succeeded"]
