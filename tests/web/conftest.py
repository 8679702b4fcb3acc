"""What tests of the page look through: a browser's cookie without a browser."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.conftest import Client

OWN = {"Origin": "http://test"}


@pytest.fixture
async def visitor(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that has not signed in."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield http


SignIn = Callable[[str], Awaitable[httpx.AsyncClient]]


@pytest.fixture
def sign_in(visitor: httpx.AsyncClient, client: Client) -> SignIn:
    """Signs the browser in as one of the client's owners."""

    async def enter(owner: str, **form: Any) -> httpx.AsyncClient:
        answer = await visitor.post("/sign-in", data={"token": client.tokens[owner], **form}, headers=OWN)
        assert answer.status_code == 303, answer.text
        return visitor

    return enter
