"""Counts the SIGINTs that come before SIGTERM, or until end of file on standard input; says so on standard output."""
import signal
import sys

count = 0


def note(*_):
    global count
    count += 1
    print("interrupted", flush=True)


signal.signal(signal.SIGINT, note)
print("ready", flush=True)
for line in sys.stdin:
    if line.strip() == "end":
        break
print(f"count {count}", flush=True)
