"""A service that may call whoever listens on this machine."""

from collections.abc import AsyncIterator

import pytest

from tests.webhooks.receiver import Receiver, receiving


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"WEBHOOKS_ALLOW_PRIVATE": "true", "WEBHOOKS_TIMEOUT_SECONDS": "60"}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened
