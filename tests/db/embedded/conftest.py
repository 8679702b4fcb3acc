"""A stopped server to copy, a running one to look at."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from media_analysis.db.embedded import embedded_server
from media_analysis.db.embedded.account import OsAccount, choose_account
from media_analysis.db.embedded.location import BASE
from media_analysis.db.embedded.programs import reachable_binaries
from tests.db.embedded.servers import copy_of, run_statement, short_home


@pytest.fixture(scope="session", autouse=True)
def programs_in_reach() -> None:
    """Where root's account cannot enter this checkout they are copied once, which no test is about."""
    reachable_binaries(choose_account(None), BASE, lambda _: None)


@pytest.fixture
def home() -> Iterator[Path]:
    """A short directory that every account can enter, unlike pytest's own."""
    with short_home() as path:
        yield path


@pytest.fixture(scope="session")
async def template() -> Any:
    """A stopped server with one committed row, to be copied."""
    with short_home() as path:
        async with embedded_server(path / "postgres") as server:
            await run_statement(server.url, "CREATE TABLE kept AS SELECT 'precious' AS word")
        yield path / "postgres"


@pytest.fixture
def directory(home: Path, template: Path) -> Path:
    return copy_of(template, home / "postgres")


@pytest.fixture(scope="module")
async def running(template: Path) -> Any:
    """A server for tests that change nothing, and its directory."""
    with short_home() as path:
        directory = copy_of(template, path / "postgres")
        async with embedded_server(directory) as server:
            yield directory, server


@pytest.fixture
def account() -> OsAccount:
    return choose_account(None)
