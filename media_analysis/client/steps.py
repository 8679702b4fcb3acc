"""What an operation of the client wants done, one step after another; who does it, and how it waits, it does not know.

An operation is a generator. It yields steps and is sent what came of each, or has thrown into it what went wrong.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

Result = TypeVar("Result")
Item = TypeVar("Item")


class Body(Protocol):
    """Bytes to be sent, as often as they have to be."""

    @property
    def size_bytes(self) -> int:
        """How many they are."""

    def chunks(self) -> Iterator[bytes]:
        """Yield them from their beginning; reads from a disk, so asynchronous programs call it in a thread."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, by its path below the server's address, or by an address elsewhere, which gets no token."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Body = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer, its header names in small letters, and its content unless that is still to be read."""

    status: int
    headers: Mapping[str, str]
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Send:
    """Make a request; what comes of it is an `Answer` with its content."""

    request: Request


@dataclass(frozen=True, slots=True)
class Open:
    """Make a request and leave the content of its answer to be read; that of a refusal is read at once."""

    request: Request


@dataclass(frozen=True, slots=True)
class Read:
    """Read more of what was opened last: bytes, none at its end. The next request leaves it, as the end does."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Do:
    """Call a function that reads or writes the disk; what comes of it is what that returns."""

    act: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Emit(Generic[Item]):
    """Hand one item to whoever iterates."""

    item: Item


Step = Send | Open | Read | Wait | Do
Steps = Generator[Step, Any, Result]
"""An operation that ends with a result."""
Emitting = Generator[Step | Emit[Item], Any, None]
"""An operation that yields items, too, and ends with nothing."""


class Running(Generic[Result]):
    """An operation under way: its next step, until it has a result."""

    def __init__(self, steps: Generator[Step | Emit[Any], Any, Result]) -> None:
        self._steps = steps
        self.step: Step | Emit[Any] | None = None
        self.results: list[Result] = []
        self._go_on(lambda: next(steps))

    def succeed(self, value: object) -> None:
        """Go on with what came of the step."""
        self._go_on(lambda: self._steps.send(value))

    def fail(self, error: Exception) -> None:
        """Go on with what went wrong; an operation that does not know better raises it."""
        self._go_on(lambda: self._steps.throw(error))

    def close(self) -> None:
        """Let go of what the operation holds, wherever it is."""
        self._steps.close()

    def _go_on(self, advance: Callable[[], Step | Emit[Any]]) -> None:
        try:
            self.step = advance()
        except StopIteration as end:
            self.step, self.results = None, [end.value]
