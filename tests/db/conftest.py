"""A PostgreSQL that tests may switch off, with a migrated database to copy."""

import os
from collections.abc import AsyncIterator
from itertools import count

import pytest

from media_analysis.db.migrations import migrate
from tests.conftest import execute, with_database
from tests.db.embedded.servers import short_home
from tests.db.power import Power

_numbers = count(1)


@pytest.fixture(scope="package")
async def own_server() -> AsyncIterator[Power]:
    with short_home() as home:
        power = Power(home / "postgres")
        await power.switch_on()
        await migrate(power.url)
        try:
            yield power
        finally:
            await power.switch_off()


@pytest.fixture
async def own_database(own_server: Power) -> str:
    """A migrated database on a server that the test may switch off."""
    name = f"away_{os.getpid()}_{next(_numbers)}"
    await execute(with_database(own_server.url, "postgres"), f'CREATE DATABASE "{name}" TEMPLATE media_analysis')
    return with_database(own_server.url, name)
