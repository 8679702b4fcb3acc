"""Load over HTTP: callers that ask one request after another, each over a connection of its own, and what it took."""

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"


@dataclass(frozen=True)
class Load:
    """What the callers of one peer got done."""

    seconds: float
    spent: Sequence[float]
    """What each request took, in seconds."""

    @property
    def per_second(self) -> float:
        return len(self.spent) / self.seconds

    @property
    def p99_ms(self) -> float:
        """99 of 100 requests took no longer."""
        return 1000 * (statistics.quantiles(self.spent, n=100)[98] if len(self.spent) > 1 else max(self.spent))


@dataclass(eq=False)
class _Caller(asyncio.Protocol):
    """One connection; it asks again as soon as an answer is whole."""

    requests: Iterator[bytes]
    ends_at: float
    done: asyncio.Future[None]
    spent: list[float] = field(default_factory=list)
    _transport: asyncio.Transport | None = None
    _head: bytes = b""
    _missing: int = -1
    """How much of the content is to come; -1 while the head is."""
    _began: float = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        if self._missing < 0:
            self._head += data
            end = self._head.find(_END)
            if end < 0:
                return
            self._missing = self._content_length(self._head[:end]) - (len(self._head) - end - len(_END))
            self._head = b""
        else:
            self._missing -= len(data)
        if self._missing <= 0:
            self._answered()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the peer ended a connection"))

    def _ask(self) -> None:
        self._missing, self._began = -1, time.perf_counter()
        if self._transport is None:
            return
        if (asked := next(self.requests, None)) is None:
            self._end()
        else:
            self._transport.write(asked)

    def _answered(self) -> None:
        now = time.perf_counter()
        self.spent.append(now - self._began)
        if now < self.ends_at:
            self._ask()
        else:
            self._end()

    def _end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        if self._transport is not None:
            self._transport.close()

    def _content_length(self, head: bytes) -> int:
        if not head.startswith((b"HTTP/1.1 20", b"HTTP/1.0 20")):
            raise SystemExit(f"a request was answered {head.decode('latin-1')}")
        lower = head.lower()
        at = lower.find(_LENGTH)
        return 0 if at < 0 else int(lower[at + len(_LENGTH) :].split(b"\r\n", 1)[0])


async def load(port: int, requests: Iterator[bytes], *, callers: int, seconds: float) -> Load:
    """Let `callers` ask for as long as that, or until nothing is left; each request of the iterator is asked once."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    asking = [_Caller(requests, began + seconds, loop.create_future()) for _ in range(callers)]
    for one in asking:
        await loop.create_connection(lambda one=one: one, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(one.done for one in asking))
    return Load(time.perf_counter() - began, [spent for one in asking for spent in one.spent])


async def load_times(port: int, asked: bytes, *, callers: int, times: int) -> None:
    """Let `callers` ask the same so many times together."""
    await load(port, iter([asked] * times), callers=callers, seconds=float("inf"))


def request(method: str, target: str, *lines: str, body: bytes = b"") -> bytes:
    """Return a request of HTTP/1.1 whose body, if any, has its length told."""
    told = (*lines, f"Content-Length: {len(body)}") if body or method in {"POST", "PUT"} else lines
    return "\r\n".join((f"{method} {target} HTTP/1.1", "Host: a", *told, "", "")).encode() + body
