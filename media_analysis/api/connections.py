"""One client's connection: uvicorn's on httptools, with bounds on what comes before a request, and whole bodies.

Source: docs/decisions/0018.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from media_analysis.api.heads import (
    DECISIVE,
    DIGEST_IN_TRAILER,
    DIGESTS,
    HEAD_TOO_SLOW,
    MALFORMED,
    TOO_MANY_CONNECTIONS,
    TOO_MANY_HEADS,
    RequestRefused,
    framing,
    require_short,
    require_valid,
    too_long,
)
from media_analysis.api.writing import EXTENSIONS, JoiningTransport


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one client, and all of them, may take before they are known."""

    connections: int = 8192
    head_bytes: int = 64 * 1024
    open_heads_bytes: int = 32 * 2**20
    """What all heads that are not whole may hold together; past it the next one longer than `small_head_bytes` goes."""
    small_head_bytes: int = 4 * 1024
    head_seconds: float = 15
    """From the connection, or the first byte of a further request, to the end of the head."""
    idle_seconds: float = 5
    """Between an answer and the first byte of a further request."""
    unread_seconds: float = 30
    """How long the rest of a body is read after its answer."""
    write_seconds: float = 60
    """How long a client may leave an answer in its connection without taking anything of it."""
    refused_seconds: float = 2
    """How long a client may take to read why it was refused."""


DEFAULT_LIMITS: Final = ConnectionLimits()


@dataclass(slots=True)
class OpenHeads:
    """What the heads of all connections hold that are not whole yet."""

    held_bytes: int = 0


class Connection(HttpToolsProtocol):
    """Reads requests of one client: heads within bounds, bodies whole whatever the head offers besides."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: ConnectionLimits = DEFAULT_LIMITS,
        open_heads: OpenHeads,
        note_refusal: Callable[[int], None] = lambda _status: None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.timeout_keep_alive = limits.idle_seconds  # type: ignore[assignment] # call_later takes either
        self._limits = limits
        self._open_heads, self._held_bytes = open_heads, 0
        self._note_refusal = note_refusal
        self.url = b""
        self._in_head = True
        self._head_bytes = 0
        self._decisive: list[tuple[bytes, bytes]] = []
        self._is_uncounted = False
        self._messages = 0
        self._has_body_come = False
        self._bytes_without_body = 0
        self._is_refused = False
        self._deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", JoiningTransport(transport, self.loop)))
        if len(self.connections) > self._limits.connections:
            self._refuse(TOO_MANY_CONNECTIONS)
        else:
            self._end_after(self._limits.head_seconds, self._give_up_head)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        self._cancel_write_deadline()
        self._hold(0)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._unset_keepalive_if_required()
        try:
            self._read(data)
        except RequestRefused as refusal:
            self._refuse(refusal)
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, RequestRefused) else MALFORMED)
        else:
            # Of a head behind another request only the whole read is known.
            self._hold((self._head_bytes or len(data)) if self._in_head and self.url else 0)
            waits = self._in_head and self._is_answered() and not self._is_refused
            if waits and self._deadline is None and not self.transport.is_closing():
                self._end_after(self._limits.head_seconds, self._give_up_head)

    def _read(self, data: bytes) -> None:
        # Where a head begins is not known of one that came behind another request, so it is measured when it is there.
        self._is_uncounted |= len(data) > self._limits.head_bytes
        unread = memoryview(data)
        while unread:
            piece = unread
            if self._in_head and len(unread) > (room := self._limits.head_bytes - self._head_bytes):
                piece = unread[:room]
            if not piece:
                raise too_long(self.url, self._limits.head_bytes)
            messages, in_head = self._messages, self._in_head
            try:
                self.parser.feed_data(piece)
                taken = len(piece)
            except httptools.HttpParserUpgrade as upgrade:
                taken = cast("int", upgrade.args[0])
                self._decline_upgrade()
            self._count(taken, is_same_head=in_head and messages == self._messages)
            unread = unread[taken:]

    def _count(self, taken: int, *, is_same_head: bool) -> None:
        if self._in_head:
            self._head_bytes += taken if is_same_head else 0
            self._is_uncounted |= not is_same_head and self.url != b""
        elif self._has_body_come:
            self._has_body_come, self._bytes_without_body = False, 0
        else:
            # Chunk extensions and trailers: the parser would keep them, however long they are.
            self._bytes_without_body += taken
            if self._bytes_without_body > 2 * self._limits.head_bytes:
                raise too_long(b"", self._limits.head_bytes)

    def _hold(self, head_bytes: int) -> None:
        """Account for a head that is not whole; most are when they are first heard of, and cost nothing here."""
        if head_bytes == self._held_bytes:
            return
        self._open_heads.held_bytes += head_bytes - self._held_bytes
        self._held_bytes = head_bytes
        if head_bytes > self._limits.small_head_bytes and self._open_heads.held_bytes > self._limits.open_heads_bytes:
            self._refuse(TOO_MANY_HEADS)

    def _decline_upgrade(self) -> None:
        """Go on in HTTP/1.1 after a head that offered something else (RFC 9110, 7.8).

        The parser has left the body to whoever speaks the other protocol. A new one is told where the body ends, by a
        head that nobody hears of.
        """
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        last = b"" if self.cycle.keep_alive else b"connection: close\r\n"
        self.parser.feed_data(b"POST / HTTP/1.1\r\n" + framing(self._decisive) + last + b"\r\n")

    def on_message_begin(self) -> None:
        if self._in_head:
            self._decisive = []
            super().on_message_begin()
            self.scope["extensions"] = EXTENSIONS

    def on_url(self, url: bytes) -> None:
        if self._in_head:
            self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if not self._in_head:  # a trailer could be taken for a header
            if name in DIGESTS:
                raise DIGEST_IN_TRAILER
        else:
            self.expect_100_continue |= name == b"expect" and value.lower() == b"100-continue"
            self.headers.append((name, value))
            if name in DECISIVE:
                self._decisive.append((name, value))

    def on_headers_complete(self) -> None:
        if not self._in_head:
            return
        if self._is_uncounted:
            require_short(self.url, self.headers, self._limits.head_bytes)
        require_valid(self.parser.get_http_version(), self._decisive)
        self.expect_100_continue &= self.parser.get_http_version() != "1.0"  # which knows no 100 (RFC 9110, 10.1.1)
        super().on_headers_complete()
        self._in_head = False
        self._head_bytes = 0
        self._bytes_without_body = 0
        self._cancel_deadline()

    def on_body(self, body: bytes) -> None:
        self._has_body_come = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # the parser skipped the body
        self._in_head = True
        self._head_bytes = 0
        self.url = b""
        self._messages += 1
        self._cancel_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._await_last_bytes()
        elif self.cycle.response_complete and not self._in_head:
            self._end_after(self._limits.unread_seconds, self.transport.close)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._await_last_bytes()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._abort_unless_written()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._cancel_write_deadline()

    def _is_answered(self) -> bool:
        return getattr(self.cycle, "response_complete", True)

    def _give_up_head(self) -> None:
        self._deadline = None
        if self._head_bytes:
            self._refuse(HEAD_TOO_SLOW)
        else:
            self.transport.close()

    def _refuse(self, refusal: RequestRefused) -> None:
        self._is_refused = True
        self._hold(0)
        self.parser = httptools.HttpRequestParser(self)  # the other holds what came of the head
        self._note_refusal(refusal.status)
        if self._in_head and not self._is_answered():
            self.cycle.keep_alive = False  # what was asked before is answered, and nothing after it
        elif self.pipeline or (not self._in_head and self.cycle.response_started):
            self.transport.close()
        else:
            self._tell(refusal)

    def _tell(self, refusal: RequestRefused) -> None:
        if not self._in_head:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(refusal.answer(self.server_state.default_headers))
        # Closed at once, what the client still sends would cost it the answer (RFC 9112, 9.6).
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._end_after(self._limits.refused_seconds, self.transport.abort)

    def _await_last_bytes(self) -> None:
        if self.transport.get_write_buffer_size():
            self._abort_unless_written()

    def _abort_unless_written(self) -> None:
        self._cancel_write_deadline()
        self._write_deadline = self.loop.call_later(self._limits.write_seconds, self.transport.abort)

    def _end_after(self, seconds: float, end: Callable[[], None]) -> None:
        self._cancel_deadline()
        self._deadline = self.loop.call_later(seconds, end)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cancel_write_deadline(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None
