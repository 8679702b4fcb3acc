"""The zygote: a small process that has imported what tasks need, and forks a child for each of them.

python -c "from media_analysis.analysis.child.zygote import main; main()" DESCRIPTOR PARENT

It listens on a socket of packets for `{"start": number}` with three descriptors (order, messages, printed) and
`{"kill": number}`, and answers `{"ended": number, "status": status}`, of which `status` is as of `subprocess`; null
says that it could not be started, and `cause` why. It imports no plugin: these are for confined children only.
"""

import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NoReturn

from PIL import Image

from media_analysis.analysis.child import main as child
from media_analysis.analysis.child.confinement import die_with
from media_analysis.analysis.tasks import analyze, contact_sheet, frames, preview, probe, single_picture

MOST_BYTES: Final = 1_024
DESCRIPTORS: Final = 3
IMPORTED: Final = (analyze, contact_sheet, frames, preview, probe, single_picture)
"""So that no child has to."""


def main() -> None:
    """Fork children until the parent is gone."""
    die_with(int(sys.argv[2]))
    Image.preinit()
    gc.freeze()  # what is there now is shared with every child as long as nobody touches it
    with socket.socket(fileno=int(sys.argv[1])) as link:
        Zygote(link).run()


class Zygote:
    """The children that live, by the numbers the parent gave them."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._living: dict[int, int] = {}
        self._ready = selectors.DefaultSelector()
        self._ready.register(link, selectors.EVENT_READ)

    def run(self) -> None:
        """Answer until the parent closes the link."""
        while True:
            for key, _ in self._ready.select():
                if key.fileobj is not self._link:
                    self._end(key.fd, key.data)
                elif not self._hear():
                    return

    def _hear(self) -> bool:
        packet, descriptors, _, _ = socket.recv_fds(self._link, MOST_BYTES, DESCRIPTORS)
        if not packet:
            return False
        match json.loads(packet):
            case {"start": int(number)}:
                self._start(number, descriptors)
            case {"kill": int(number)} if number in self._living:
                # Not reaped yet, so the process number is still its own.
                os.kill(self._living[number], signal.SIGKILL)
        return True

    def _start(self, number: int, descriptors: Sequence[int]) -> None:
        try:
            process = os.fork()
        except OSError as error:
            self._tell({"ended": number, "status": None, "cause": str(error)})
        else:
            if process == 0:
                self._become_child(*descriptors)
            self._living[number] = process
            self._ready.register(os.pidfd_open(process), selectors.EVENT_READ, number)
        for descriptor in descriptors:
            os.close(descriptor)

    def _end(self, descriptor: int, number: int) -> None:
        self._ready.unregister(descriptor)
        os.close(descriptor)
        _, status = os.waitpid(self._living.pop(number), 0)
        self._tell({"ended": number, "status": os.waitstatus_to_exitcode(status)})

    def _tell(self, what: dict[str, object]) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # the next packet is the end then
            self._link.send(json.dumps(what).encode())

    def _become_child(self, order: int, messages: int, printed: int) -> NoReturn:
        try:
            os.setsid()
            for key in list(self._ready.get_map().values()):
                os.close(key.fd)
            self._ready.close()
            for theirs, ours in ((order, 0), (printed, 1), (printed, 2)):
                os.dup2(theirs, ours)
            for theirs in (order, printed):
                os.close(theirs)
            child.main(messages)
        except BaseException:  # noqa: BLE001 - a child never goes on as the zygote
            traceback.print_exc()
        finally:
            os._exit(1)
