"""A command typed into a shell: asks the fork server, whose link is given by its descriptor, and ends as it does."""

import json
import os
import socket
import sys

LINK = "TEST_COMMANDS_LINK"
STREAMS = (0, 1, 2)
KILLED = 128
"""A shell adds to it the signal that killed a command."""


def main() -> None:
    """Have it run with this process's arguments, environment, folder and streams."""
    environment = dict(os.environ)
    link = socket.socket(fileno=int(environment.pop(LINK)))
    wanted = {"arguments": sys.argv[1:], "environment": environment, "folder": os.getcwd()}  # noqa: PTH109 - it takes long to import
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    socket.send_fds(link, [json.dumps(wanted).encode()], [*STREAMS, theirs.fileno()])
    theirs.close()
    for stream in STREAMS:
        os.close(stream)  # who reads what is printed waits for the command alone
    ours.recv(32)  # which process it is
    status = int(ours.recv(32))
    os._exit(status if status >= 0 else KILLED - status)


if __name__ == "__main__":
    main()
