"""How much of everything a client of the control socket may take."""

from __future__ import annotations


class Limits:
    """Bounds of the control socket; sizes in bytes, times in seconds. Every one can be set by keyword."""

    __slots__ = (
        "body_stall",
        "chunk_line",
        "connections",
        "drain",
        "head",
        "head_time",
        "linger",
        "linger_time",
        "reply_stall",
        "stream_buffer",
    )

    def __init__(
        self,
        *,
        head: int = 16 * 1024,
        head_time: float = 10.0,
        body_stall: float = 30.0,
        chunk_line: int = 256,
        drain: int = 64 * 1024 * 1024,
        connections: int = 256,
        reply_stall: float = 60.0,
        stream_buffer: int = 256 * 1024,
        linger: int = 64 * 1024 * 1024,
        linger_time: float = 2.0,
    ) -> None:
        self.head = head  # a request head, its end included; more is 431
        self.head_time = head_time  # from the first byte of a head to its last; later is 408
        self.body_stall = body_stall  # longest time without a byte of a body that the loop reads itself; then 408
        self.chunk_line = chunk_line  # a chunk's size line, and the trailer's lines together times 16; more is 413
        self.drain = drain  # an unwanted body up to this size is read and dropped, so that the connection can go on
        self.connections = connections  # open at once; then the longest idle one makes room, or the new one gets 503
        self.reply_stall = reply_stall  # longest time in which a client takes no byte of its reply; then closed
        self.stream_buffer = stream_buffer  # what a stream may hold for a slow client; more and it is closed
        self.linger = linger  # read and dropped after the last reply, so that the client sees it before the close
        self.linger_time = linger_time
