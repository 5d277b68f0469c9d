"""A system call that fails, or kills, for a program and all that it starts: a seccomp filter, as a container has one.

`python faults.py CALL=ERRNO|kill[,...] -- PROGRAM...`; CALL is a number of this machine.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000


def instruction(code: int, yes: int, no: int, value: int) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)


def install(faults: dict[int, int]) -> None:
    """{number of a call: errno, or 0 to kill}. For this process and its children, for ever."""
    program = instruction(LOAD, 0, 0, 0)  # the number of the call
    for number, error in faults.items():
        program += instruction(EQUAL, 0, 1, number)
        program += instruction(RETURN, 0, 0, ERRNO | error if error else KILL_PROCESS)
    program += instruction(RETURN, 0, 0, ALLOW)
    held = ctypes.create_string_buffer(program)
    description = struct.pack("HP", len(program) // 8, ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, FILTER, description, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


def main(arguments: list[str]) -> None:
    wanted, _, *program = arguments
    pairs = (fault.split("=") for fault in wanted.split(","))
    install({int(number): 0 if what == "kill" else int(what) for number, what in pairs})
    os.execvp(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])
