"""Random request heads, most of them nearly right: a pure function of the random source."""

from __future__ import annotations

from random import Random

METHODS = (b"GET",) * 16 + (b"PUT",) * 16 + (b"POST", b"DELETE", b"HEAD") * 3
METHODS += (b"PATCH", b"OPTIONS", b"CONNECT", b"get", b"F@O", b"")
TARGETS = (b"/", b"/a", b"/objects/" + b"a" * 64, b"/a?b=c", b"/%2e%2e/x") * 8
TARGETS += (b"http://localhost/a", b"http://localhost") * 2
TARGETS += (b"//x", b"*", b"a", b"http://elsewhere/a", b"https://localhost/", b"/\xc3\xa4", b"/a b", b"/\x00", b"")
VERSIONS = (b"HTTP/1.1",) * 50 + (b"HTTP/1.0",) * 15
VERSIONS += (b"HTTP/2.0", b"HTTP/9.9", b"HTTP/0.9", b"http/1.1", b"HTTP/1.1 ", b"")
HOSTS = (b"localhost",) * 8 + (b"", b"localhost:80", b"LOCALHOST", b"elsewhere")
LENGTHS = (b"0", b"5", b"17", b"005", b"5 ") * 6
LENGTHS += (b"-1", b"+5", b"5, 5", b"5,6", b"", b"0x5", b"99999999999999999999", b"9" * 19)
CODINGS = (b"chunked", b"chunked", b"Chunked", b"identity", b"gzip, chunked", b"chunked, identity", b"x", b"")
CONNECTIONS = (b"close", b"keep-alive", b"Upgrade", b"foo, close")
EXPECTS = (b"100-continue", b"100-Continue", b"gold")
NAMES = (b"X-A", b"x-a", b"Accept", b"Range", b"X!#$%&'*+-.^_`|~") * 8 + (b"X A", b"X\x00", b"\xe4", b"")
VALUES = (b"1", b"", b" x ", b"\tx\t", b"a b", b"\xe4\xf6", b"x" * 500, b"a:b") * 8
VALUES += (b"\x00", b"\x01", b"\x7f", b"a\rb", b"\x0b")
SEPARATORS = (b": ", b": ", b":", b":\t") * 30 + (b" : ", b" :", b"")
ENDS = (b"\r\n",) * 200 + (b"\n", b"\r", b"\r\r\n", b"\r\n ", b"\r\n\t")
GARBAGE = (b"\x16\x03\x01\x00\xc8", b"\x00", b"\r", b"\n", b"\r\n\r\n")


def field(random: Random) -> bytes:
    """One line of name and value, without its end."""
    kind = random.randrange(12)
    if kind == 0:
        name, value = b"Host", random.choice(HOSTS)
    elif kind < 4:
        name, value = random.choice((b"Content-Length", b"content-length")), random.choice(LENGTHS)
    elif kind < 6:
        name, value = b"Transfer-Encoding", random.choice(CODINGS)
    elif kind == 6:
        name, value = b"Connection", random.choice(CONNECTIONS)
    elif kind == 7:
        name, value = b"Expect", random.choice(EXPECTS)
    elif kind == 8 and random.randrange(4) == 0:
        name, value = b"Upgrade", b"h2c"
    else:
        name, value = random.choice(NAMES), random.choice(VALUES)
    return name + random.choice(SEPARATORS) + value


def head(random: Random) -> bytes:
    """A head, usually with its end; now and then with stray lines in front, a mutated byte, or cut short."""
    stray = b"\r\n" * random.choice((0,) * 20 + (1, 2, 5))
    space = random.choice((b" ",) * 100 + (b"  ", b"\t"))
    line = random.choice(METHODS) + space + random.choice(TARGETS) + space + random.choice(VERSIONS)
    if random.randrange(30) == 0:
        line = random.choice(GARBAGE) + line
    usual = random.choice((b"Host: localhost\r\n",) * 5 + (b"",))
    fields = b"".join(field(random) + random.choice(ENDS) for _ in range(random.randrange(4)))
    raw = stray + line + random.choice(ENDS) + usual + fields + random.choice(ENDS)
    return mutated(random, raw)


def mutated(random: Random, raw: bytes) -> bytes:
    """`raw` as it is, or with one byte changed, taken or added, or cut."""
    kind, at = random.randrange(24), random.randrange(1, len(raw))
    if kind == 0:
        return raw[:at] + bytes((random.randrange(256),)) + raw[at + 1 :]
    if kind == 1:
        return raw[:at] + raw[at + 1 :]
    if kind == 2:
        return raw[:at] + bytes((random.randrange(256),)) + raw[at:]
    if kind == 3:
        return raw[:at]
    return raw
