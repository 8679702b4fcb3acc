"""Writing to a client: the head of an answer goes out together with what follows it."""

import asyncio
from typing import Any, Final

_HEAD: Final = b"HTTP/1.1 "


class JoiningTransport:
    """A transport that holds a head until the body is written, though no longer than until the loop's next turn.

    The server writes them one after the other, and each write costs a call of the kernel and wakes the client.
    """

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._head: bytes | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.writelines((head, data))
        elif data.startswith(_HEAD):
            self._head = data
            self._loop.call_soon(self._let_go)
        else:
            self._transport.write(data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._let_go()
        self._transport.close()

    def write_eof(self) -> None:
        self._let_go()
        self._transport.write_eof()

    def get_write_buffer_size(self) -> int:
        return len(self._head or b"") + self._transport.get_write_buffer_size()

    def abort(self) -> None:
        self._head = None
        self._transport.abort()

    def _let_go(self) -> None:
        head, self._head = self._head, None
        if head is not None and not self._transport.is_closing():
            self._transport.write(head)
