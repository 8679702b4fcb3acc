"""Writing to a client: heads go out together with what follows them, and regions of files without being read."""

import asyncio
import os
from contextlib import suppress
from typing import Any, Final

from media_analysis.storage.calls import uncancelled
from media_analysis.storage.reading import FileRegion, Sendable

REGIONS: Final = "media_analysis.regions"
"""The extension of ASGI that says that a body may be a region of a file, where its length was told."""
EXTENSIONS: Final[dict[str, dict[object, object]]] = {REGIONS: {}}
_HEAD: Final = b"HTTP/1.1 "


class JoiningTransport:
    """A transport that holds a head until the body is written, though no longer than until the loop's next turn.

    The server writes them one after the other, and each write costs a call of the kernel and wakes the client.
    While a region is sent, its protocol is paused, and hears of every bit that the client took.
    """

    __slots__ = ("_head", "_is_closing", "_loop", "_sending", "_transport", "_waiting")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._head: bytes | None = None
        self._sending: asyncio.Task[None] | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._is_closing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: Sendable) -> None:
        if isinstance(data, FileRegion):
            self._let_go()
            if not self._transport.is_closing():
                self._begin(data.duplicate())
        elif self._head is not None:
            head, self._head = self._head, None
            self._transport.writelines((head, data))
        elif isinstance(data, bytes) and data.startswith(_HEAD):
            self._head = data
            self._loop.call_soon(self._let_go)
        else:
            self._transport.write(data)

    def is_closing(self) -> bool:
        return self._is_closing or self._transport.is_closing()

    def close(self) -> None:
        self._let_go()
        self._is_closing = True
        if self._sending is None:
            self._transport.close()

    def write_eof(self) -> None:
        self._let_go()
        self._transport.write_eof()

    def get_write_buffer_size(self) -> int:
        return len(self._head or b"") + (self._sending is not None) + self._transport.get_write_buffer_size()

    def abort(self) -> None:
        self._head = None
        self._transport.abort()
        self._go_on()

    @property
    def _protocol(self) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self._transport.get_protocol()  # type: ignore[assignment]
        return protocol

    def _let_go(self) -> None:
        head, self._head = self._head, None
        if head is not None and not self._transport.is_closing():
            self._transport.write(head)

    def _begin(self, region: FileRegion) -> None:
        # Its own, as numbers of descriptors are used again: what a thread still sends must reach nobody else. And now,
        # for at the loop's next turn the connection may be gone.
        try:
            target = os.dup(self._transport.get_extra_info("socket").fileno())
        except OSError:
            region.close()
            raise
        self._sending = self._loop.create_task(self._send(region, target))
        self._protocol.pause_writing()

    async def _send(self, region: FileRegion, target: int) -> None:
        try:
            await self._send_all(region, target)
        except OSError:  # of the client, who is gone, or of the disk
            self._transport.abort()
        finally:
            os.close(target)
            region.close()
            self._sending = None
            self._protocol.resume_writing()
            if self._is_closing:
                self._transport.close()

    async def _send_all(self, region: FileRegion, target: int) -> None:
        while len(region) and not self._transport.is_closing():
            if not self._transport.get_write_buffer_size():  # what was written before goes before
                with suppress(BlockingIOError):
                    count = await uncancelled(self._loop.run_in_executor(region.threads, region.send, target))
                    if not count:
                        raise OSError("the file ends before its time")
                    region = region.after(count)
                    self._protocol.pause_writing()  # the client takes it, so its time begins anew
                    continue
            await self._wait_for_room(target)

    async def _wait_for_room(self, target: int) -> None:
        self._waiting = self._loop.create_future()
        self._loop.add_writer(target, self._go_on)
        try:
            await self._waiting
        finally:
            self._loop.remove_writer(target)
            self._waiting = None

    def _go_on(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
