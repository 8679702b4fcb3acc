"""An owner of one's own for each test."""

from collections.abc import Iterator

import pytest

from media_analysis.client import Client
from tests.client.server import Served, newcomer


@pytest.fixture
def server(shared_server: tuple[str, str]) -> Served:
    return newcomer(*shared_server)


@pytest.fixture
def alice(server: Served) -> Iterator[Client]:
    with server.client() as client:
        yield client
