"""The event loop of the tests: the one that every command runs on, and that costs less."""

import asyncio
import signal
import warnings
from types import FrameType

import uvloop


def run_on_uvloop() -> None:
    """Make every loop of this process uvloop's, each run of which leaves the handler of ^C as it is.

    pytest-asyncio's hook for it would give tests that are not async, and their fixtures, a loop of their own.
    """
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of policies, since Python 3.14
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    # A Runner replaces the default one, for which it writes out all that the last test's services are, and no other.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where whoever began the run ignores it
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.default_int_handler(number, frame)
