"""Runs a command on a kernel that lacks Landlock, seccomp or netlink, as far as the command can tell.

usage: without.py landlock|seccomp|netlink COMMAND...
"""
import ctypes
import os
import struct
import sys

# The numbers are x86-64's (asm/unistd_64.h).
CALLS = {"landlock": [444, 445, 446], "seccomp": [317]}
SOCKET, AF_NETLINK = 41, 16
EACCES, ENOSYS = 13, 38
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
RETURN_ERRNO, RETURN_ALLOW = 0x00050000, 0x7FFF0000
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2

program = [(LOAD, 0, 0, 0)]  # the number of the system call
if sys.argv[1] == "netlink":
    program.append((JUMP_IF_EQUAL, 0, 2, SOCKET))
    program.append((LOAD, 0, 0, 16))  # its first argument
    program.append((JUMP_IF_EQUAL, 1, 0, AF_NETLINK))
    error = EACCES
else:
    calls = CALLS[sys.argv[1]]
    for place, call in enumerate(calls):
        program.append((JUMP_IF_EQUAL, len(calls) - place, 0, call))
    error = ENOSYS
program += [(RETURN, 0, 0, RETURN_ALLOW), (RETURN, 0, 0, RETURN_ERRNO | error)]
code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
buffer = ctypes.create_string_buffer(code)
header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
libc = ctypes.CDLL(None, use_errno=True)
for option, value, argument in [
    (PR_SET_NO_NEW_PRIVS, 1, 0),
    (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(header)),
]:
    if libc.prctl(option, value, argument, 0, 0) != 0:
        sys.exit(f"prctl {option}: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[2], sys.argv[2:])
