"""A real browser, started once for all tests of a process; whatever looks through it has a profile of its own."""

import shutil
from collections.abc import AsyncIterator
from typing import Final

import pytest
from playwright.async_api import Browser, async_playwright, expect

PROGRAMS: Final = ("chromium-headless-shell", "chromium")
"""Debian's: the first is the second's engine without its windows, which cost the tests more than all pages in them."""
PATIENCE_MILLISECONDS: Final = 60_000
FLAGS: Final = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find_chromium() -> str:
    """Return the first of the programs that is here; skip a test where none is."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    return found or pytest.skip("chromium is not installed")


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium without a window."""
    async with async_playwright() as playwright:
        # Its own is five seconds, whatever a profile is told.
        expect.set_options(timeout=PATIENCE_MILLISECONDS)
        started = await playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        yield started
        await started.close()
