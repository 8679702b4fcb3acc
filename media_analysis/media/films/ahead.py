"""Decoding that runs a little ahead of whoever takes its frames."""

import threading
from collections.abc import Iterator
from queue import Queue
from typing import Final, TypeVar

Item = TypeVar("Item")
DEPTH: Final = 2
"""How many items wait at most."""


def ahead(items: Iterator[Item], stop: threading.Event) -> Iterator[Item]:
    """Yield `items`, made in a thread of its own; what making them raises is raised here.

    Closing this generator sets `stop` and waits for the thread; whoever makes the items should look at it often.
    """
    waiting: Queue[tuple[Item] | BaseException | None] = Queue(DEPTH)

    def work() -> None:
        outcome = None
        try:
            for item in items:
                waiting.put((item,))
                if stop.is_set():
                    break
        except BaseException as error:  # noqa: BLE001 - raised again where the items are taken
            outcome = error
        waiting.put(outcome)

    worker = threading.Thread(target=work, name="decoding", daemon=True)
    worker.start()
    try:
        yield from _taken(waiting)
    finally:
        stop.set()
        while worker.is_alive():
            _drain(waiting)
            worker.join(0.01)


def _taken(waiting: "Queue[tuple[Item] | BaseException | None]") -> Iterator[Item]:
    while (item := waiting.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item[0]


def _drain(waiting: "Queue[tuple[Item] | BaseException | None]") -> None:
    while not waiting.empty():
        waiting.get_nowait()
