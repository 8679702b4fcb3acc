"""How tests are collected, while nobody looks for garbage, and in which order; and how what they log is printed."""

import gc
from collections.abc import Generator, Sequence
from typing import TypeVar

import pytest
import structlog

T = TypeVar("T")


def pytest_configure() -> None:
    """Print tracebacks as the service does: pretty ones take twenty seconds where an upload is in reach."""
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let the garbage collector look only at what tests make: five thousand of them and all modules stay anyway."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def shared_out(long: Sequence[T], short: Sequence[T], workers: int) -> list[T]:
    """Return all, so that the part of each worker begins with its share of those that take long.

    pytest-xdist gives each worker as many that follow one another; who is done steals from the end of another's part.
    """
    ordered: list[T] = []
    rest = list(short)
    for worker in range(workers):
        part = (len(long) + len(short) - len(ordered)) // (workers - worker)
        own = long[worker::workers]
        most = max(part - len(own), 0)
        ordered += [*own, *rest[:most]]
        rest = rest[most:]
    return ordered + rest
