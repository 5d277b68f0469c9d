"""The peer of http.py: a server that does nothing but h11 on a selector, with an answer as long as ours."""

from __future__ import annotations

import selectors
import socket
import sys
import time

import h11

BODY = b"[]"


def headers() -> list[tuple[str, str]]:
    return [
        ("Content-Type", "application/json"),
        ("Date", time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())),
        ("Content-Length", str(len(BODY))),
    ]


def serve(client: socket.socket, state: h11.Connection) -> bool:
    """Answers every whole request that has come. False when the client has gone."""
    data = client.recv(65536)
    if not data:
        return False
    state.receive_data(data)
    while True:
        event = state.next_event()
        if event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
            return True
        if isinstance(event, h11.EndOfMessage):
            answer = state.send(h11.Response(status_code=200, headers=headers())) or b""
            answer += state.send(h11.Data(data=BODY)) or b""
            client.sendall(answer + (state.send(h11.EndOfMessage()) or b""))
            if state.our_state is h11.MUST_CLOSE:
                return False
            state.start_next_cycle()


def served(client: socket.socket, state: h11.Connection) -> bool:
    """The same; a client that has left is no failure of the server."""
    try:
        return serve(client, state)
    except (BrokenPipeError, ConnectionResetError):
        return False


def main() -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(sys.argv[1])
    listener.listen()
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.data is None:
                client, _ = listener.accept()
                selector.register(client, selectors.EVENT_READ, h11.Connection(h11.SERVER))
            elif not served(key.fileobj, key.data):  # type: ignore[arg-type]
                selector.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]


if __name__ == "__main__":
    main()
