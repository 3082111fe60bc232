"""Runs a command on a terminal of its own, so many columns wide, and shows what it writes there.

usage: screen.py COLUMNS COMMAND..."""
import fcntl
import os
import pty
import struct
import sys
import termios

child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, int(sys.argv[1]), 0, 0))
    os.execvp(sys.argv[2], sys.argv[2:])
shown = b""
while True:
    try:
        shown += os.read(terminal, 4096)
    except OSError:
        break
sys.stdout.write(shown.decode().replace("\r\n", "\n"))
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
