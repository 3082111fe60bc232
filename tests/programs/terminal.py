"""Runs a command on a terminal of its own, presses Ctrl-C there once it is ready, and shows what it says."""
import os
import pty
import sys

child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
shown, steps = b"", [(b"ready", b"\x03"), (b"interrupted", b"end\n")]
while True:
    try:
        shown += os.read(terminal, 4096)
    except OSError:
        break
    if steps and steps[0][0] in shown:
        os.write(terminal, steps.pop(0)[1])
sys.stdout.write(shown.decode())
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
