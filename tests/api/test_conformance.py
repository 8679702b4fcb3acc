"""The service does what its OpenAPI document says, whatever is sent: generated from the document itself."""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from schemathesis import APIOperation, BaseSchema, Case, GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core.result import Ok
from schemathesis.python import asgi
from starlette.types import ASGIApp, Receive, Scope, Send

from media_analysis.app import create_app
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.sessions.models import Role
from media_analysis.settings import Settings

EXAMPLES: Final = 20
CHECKED: Final = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
]


@schemathesis.serializer("application/offset+octet-stream")
def send_bytes(_context: object, value: object) -> bytes:
    """Send a piece of an upload as what was generated for it."""
    return value if isinstance(value, bytes) else str(value).encode()


class ServedApplication:
    """An application whose services open and close with its lifespan, on whatever event loop serves it."""

    def __init__(self, settings: Settings, url: str) -> None:
        self.token = ""
        self._settings = settings
        self._url = url
        self._opened = AsyncExitStack()
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._app is not None:
            await self._app(scope, receive, send)

    async def prepare(self, runtime: Runtime) -> None:
        """Make what whoever asks is to find."""
        _, self.token = await runtime.sessions.create(owner="admin", role=Role.ADMIN, ttl=timedelta(hours=1))

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        runtime = await self._opened.enter_async_context(open_runtime(self._settings, self._url))
        await self.prepare(runtime)
        self._app = create_app(runtime)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._opened.aclose()
        await send({"type": "lifespan.shutdown.complete"})


@pytest.fixture
def application(settings: Settings, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedApplication]:
    """The application, opened by the first request that schemathesis sends it, with streams that end at once."""
    monkeypatch.setattr("media_analysis.api.routes.events.LONGEST_SECONDS", 0)
    yield ServedApplication(settings, database)
    asgi.shutdown_lifespans()


@pytest.fixture
def document(application: ServedApplication) -> BaseSchema:
    """What the application says of itself."""
    return schemathesis.openapi.from_asgi("/openapi.json", application)


@pytest.mark.parametrize("mode", GenerationMode)
def test_every_answer_is_one_the_document_announces(
    document: BaseSchema, application: ServedApplication, mode: GenerationMode
) -> None:
    for described in document.get_all_operations():
        assert isinstance(described, Ok)
        operation = described.ok()
        takes_input = bool(operation.body) or any(operation.iter_parameters())
        if mode is GenerationMode.POSITIVE or takes_input:
            exercise(operation, mode, application)


def exercise(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, application: ServedApplication) -> None:
    """Send what fits the description of an operation, or what does not, and check the answers against it."""
    checks: list[Any] = CHECKS.get_by_names(CHECKED)

    @hypothesis_settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Case[Any]) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {application.token}"}, checks=checks)

    send()
