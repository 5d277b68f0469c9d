"""A hub client as a state machine whose slow work runs elsewhere. See hub-client.md; run it: `python hub_client.py`.

The hub of this example is a small HTTP server on loopback that the program starts itself.
"""

from __future__ import annotations

import http.client
import http.server
import json
import platform
import threading
import time
from itertools import pairwise
from typing import Any

import pvsched


# ---- what runs in workers: it may wait for the network as long as it likes -----------------------------------------
def ask_hub(data: dict[str, Any], method: str, path: str, body: object = None) -> Any:
    """Ask the hub for one document. Blocks: for workers only. Raises OSError when the hub cannot be reached."""
    connection = http.client.HTTPConnection(data["host"], data["port"], timeout=10)
    try:
        connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
        return json.load(connection.getresponse())
    finally:
        connection.close()


@pvsched.task("ph_client_task_idle", priority=3, timeout=15)
def ph_client_task_idle(data: dict[str, Any], context: pvsched.Context) -> Any:
    """Give the hub the device's metadata; learn the user's metadata and whether there is an update."""
    return ask_hub(data, "PUT", "/device-meta", data["devmeta"])


@pvsched.task("ph_client_update", timeout=60)
def ph_client_update(data: dict[str, Any], context: pvsched.Context) -> Any:
    """Learn which revision to go to."""
    return ask_hub(data, "GET", "/update")


# ---- what runs in the main loop: it only decides -------------------------------------------------------------------
class HubClient:
    """IDLE -> UPDATE -> DONE. Its state is written by its callbacks alone, in the main loop."""

    def __init__(self, scheduler: pvsched.Scheduler, host: str, port: int) -> None:
        self.scheduler = scheduler
        self.hub = {"host": host, "port": port}
        self.state = "IDLE"
        self.usrmeta: dict[str, Any] = {}
        self.revision: int | None = None
        self.waiting: int | None = None

    def turn(self) -> None:
        """One turn: if nothing is under way, send the task that this state asks for. Never blocks."""
        if self.waiting is not None or self.state == "DONE":
            return
        if self.state == "IDLE":
            data = {**self.hub, "devmeta": {"arch": platform.machine(), "kernel": platform.release()}}
            self.waiting = self.scheduler.add_task(pvsched.Task("ph_client_task_idle", data), self.idle_answered)
        else:
            self.waiting = self.scheduler.add_task(pvsched.Task("ph_client_update", self.hub), self.update_answered)

    def idle_answered(self, document: dict[str, Any]) -> None:
        """The hub has our metadata, or we try again in the next turn."""
        self.waiting = None
        if document["outcome"] != "succeeded":
            return
        self.usrmeta = document["data"]["usrmeta"]
        if document["data"]["update"]:
            self.state = "UPDATE"

    def update_answered(self, document: dict[str, Any]) -> None:
        """There is a revision to go to, or we go back to where we were."""
        self.waiting = None
        if document["outcome"] != "succeeded":
            self.state = "IDLE"
            return
        self.revision = document["data"]["revision"]
        self.state = "DONE"


def main_loop(client: HubClient, pace: float = 0.01, most: float = 30.0) -> list[float]:
    """Turn at our own pace until the client is done; return when each turn began (seconds of CLOCK_MONOTONIC)."""
    turns = [time.monotonic()]
    while client.state != "DONE" and turns[-1] - turns[0] < most:
        client.turn()
        rest = turns[-1] + pace - time.monotonic()
        client.scheduler.run(wait=max(0.0, rest))  # sleeps until the next turn, or until a task has ended
        turns.append(time.monotonic())
    return turns


# ---- the hub of this example ---------------------------------------------------------------------------------------
class Hub(http.server.BaseHTTPRequestHandler):
    """Answers slowly, as hubs do."""

    delay = 0.3
    seen: list[Any] = []

    def answer(self, document: object) -> None:
        """Read the request's body, take our time, send the document."""
        self.seen.append(json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "null"))
        time.sleep(self.delay)
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        """The device's metadata."""
        self.answer({"usrmeta": {"site": "greenhouse"}, "update": True})

    def do_GET(self) -> None:
        """The update."""
        self.answer({"revision": 56})

    def log_message(self, *args: object) -> None:
        """Keep the terminal for the client."""


def serve_hub() -> http.server.ThreadingHTTPServer:
    """Start the hub on loopback, in a thread of its own."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main() -> None:
    """Run the client against the hub and tell how the main loop fared."""
    server = serve_hub()
    with pvsched.Scheduler(workers=2, executor="fork") as scheduler:
        client = HubClient(scheduler, "127.0.0.1", server.server_address[1])
        turns = main_loop(client)
    server.shutdown()
    server.server_close()
    longest = max(after - before for before, after in pairwise(turns))
    print(f"state {client.state}, usrmeta {client.usrmeta}, revision {client.revision}")
    print(f"{len(turns) - 1} turns in {turns[-1] - turns[0]:.2f} s, the longest took {longest * 1000:.1f} ms")


if __name__ == "__main__":
    main()
