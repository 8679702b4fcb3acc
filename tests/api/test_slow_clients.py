"""Clients that stop sending are told so instead of being waited for."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from media_analysis.api.checks import RequestChecks
from media_analysis.api.resources import Resources
from tests.api.answers import refusal
from tests.api.conftest import Remains
from tests.api.forms import FORM_TYPE, field, file
from tests.conftest import Client


async def stalling(beginning: bytes) -> AsyncIterator[bytes]:
    """Send a beginning, and never the rest."""
    yield beginning
    await asyncio.Event().wait()


class TestImpatience:
    """A service that waits for a second."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"STORAGE_UPLOAD_IDLE_SECONDS": "1"}

    async def test_an_upload_that_stalls_anywhere_is_given_up(self, client: Client, remains: Remains) -> None:
        raw, form = "/api/v1/files?category=temp&filename=a", "/api/v1/files"
        begun = field("category", "temp") + file(bytes(9000))
        sent = [(raw, b""), (raw, b"head"), (raw, bytes(9000)), (form, b"--"), (form, begun[:90]), (form, begun[:-9])]

        answers = await asyncio.gather(
            *(
                client.request(
                    "POST",
                    path,
                    content=stalling(beginning),
                    headers={"Content-Type": FORM_TYPE if path == form else ""},
                )
                for path, beginning in sent
            )
        )

        assert [refusal(answer) for answer in answers] == [(408, "upload_stalled")] * len(sent)
        assert await remains() == []


async def test_a_document_that_stalls_never_reaches_the_application() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    known = FastAPI()
    known.post("/api/v1/sessions")(len)
    checks = RequestChecks(application, Resources.of_routes(known.routes, {}), seconds=0.05)
    transport = httpx.ASGITransport(checks)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        answer = await http.post("/api/v1/sessions", content=stalling(b"{"))

    assert refusal(answer) == (408, "upload_stalled")
