"""Says in JSON what a command finds around itself, on standard output."""
import json
import os
import socket
import sys

found = {
    "ids": [os.getuid(), os.geteuid(), os.getgid(), os.getegid()],
    "folder": os.getcwd(),
    "variable": os.environ.get("CLOSECHECK_TEST"),
    "input": sys.stdin.read(),
    "group": os.getpgrp(),
    "session": os.getsid(0),
    "arguments": sys.argv[1:],
    "interfaces": [name for _, name in socket.if_nameindex()],
    "descriptors": sorted(int(fd) for fd in os.listdir("/proc/self/fd")),
    "ports": [],
}
for address in [("127.0.0.1", 80), ("::1", 443)]:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        found["ports"].append(socket.create_server(address, family=family).getsockname()[1])
    except OSError as error:
        found["ports"].append(str(error))
json.dump(found, sys.stdout)
print("to standard error", file=sys.stderr)
