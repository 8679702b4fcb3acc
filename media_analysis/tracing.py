"""Spans of a trace: how long something took, and as part of what; recorded where a recorder is installed, else free.

Whoever marks a span does not know who records it: that is `telemetry.traces`, by OpenTelemetry. A place in a trace is
what W3C Trace Context calls `traceparent`.
"""

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import Enum
from functools import wraps
from typing import Any, Final, ParamSpec, Protocol, TypeVar

Answer = TypeVar("Answer")
Given = ParamSpec("Given")
About = Mapping[str, str | int | float]


class SpanKind(Enum):
    """Which side of a call a span is; what is asked, and what takes up work that waited, may begin a trace."""

    INTERNAL = "internal"
    CLIENT = "client"
    SERVER = "server"
    CONSUMER = "consumer"

    @property
    def begins(self) -> bool:
        """Whether it is recorded where no trace is open."""
        return self in {SpanKind.SERVER, SpanKind.CONSUMER}


class OpenSpan(Protocol):
    """One that has begun."""

    def tell(self, about: About, *, name: str | None = None, failed: bool = False) -> None:
        """Add what is known by now: what it is about, what it is better called, whether it came to nothing."""
        ...


class Recorder(Protocol):
    """Keeps spans, and sends them on."""

    def span(
        self, name: str, about: About, *, kind: SpanKind, parent: str | None, links: Sequence[str]
    ) -> AbstractContextManager[OpenSpan]:
        """Begin a span below `parent`, or else below the one that is open, if any, and end it with the block."""
        ...

    def note(self, name: str, about: About, *, seconds: float, error: BaseException | None) -> None:
        """Add a span of a call that has just ended, below the one that is open, if there is one."""
        ...

    def place(self) -> str | None:
        """Return where in which trace the caller is; None where that is in none."""
        ...


class _Unrecorded:
    def tell(self, about: About, *, name: str | None = None, failed: bool = False) -> None:
        """Forget it."""


UNRECORDED: Final[OpenSpan] = _Unrecorded()
_NOWHERE: Final = nullcontext(UNRECORDED)
_installed: Recorder | None = None


def recorder() -> Recorder | None:
    """Return who records the spans of this process."""
    return _installed


@contextmanager
def recording(by: Recorder) -> Iterator[None]:
    """Have the spans of this process recorded while the block lasts."""
    global _installed  # noqa: PLW0603 - as traces are: one for all that a process does
    before, _installed = _installed, by
    try:
        yield
    finally:
        _installed = before


def span(
    name: str,
    about: About | None = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: str | None = None,
    links: Sequence[str] = (),
) -> AbstractContextManager[OpenSpan]:
    """Record the block as a span below `parent`, or else below the one that is open, linked to others."""
    if _installed is None:
        return _NOWHERE
    return _installed.span(name, about or {}, kind=kind, parent=parent, links=links)


def place() -> str | None:
    """Return where in which trace the caller is, for what goes on elsewhere; None where that is in none."""
    return None if _installed is None else _installed.place()


def traced(
    name: str,
) -> Callable[[Callable[Given, Coroutine[Any, Any, Answer]]], Callable[Given, Coroutine[Any, Any, Answer]]]:
    """Record each call of a method as a span, that of a client: what is asked is not part of the service."""

    def mark(work: Callable[Given, Coroutine[Any, Any, Answer]]) -> Callable[Given, Coroutine[Any, Any, Answer]]:
        @wraps(work)
        def call(*args: Given.args, **given: Given.kwargs) -> Coroutine[Any, Any, Answer]:
            if _installed is None:
                return work(*args, **given)
            return _recorded(_installed, name, work(*args, **given))

        return call

    return mark


async def _recorded(by: Recorder, name: str, work: Coroutine[Any, Any, Answer]) -> Answer:
    with by.span(name, {}, kind=SpanKind.CLIENT, parent=None, links=()):
        return await work
