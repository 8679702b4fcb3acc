"""Uploads of anything, described by anything: stored as sent, or refused with a problem; never a crash."""

import asyncio
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import httpx
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from media_analysis.app import create_app
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.sessions.models import Role
from media_analysis.settings import Settings
from tests.api.answers import problem_in
from tests.api.forms import BOUNDARY, END, FORM_TYPE, field
from tests.api.forms import file as file_part
from tests.oracle import inspect_everything

FUZZ: Final = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
ANYTHING: Final = st.text(st.characters(exclude_categories=[]), max_size=60)
PLAUSIBLE: Final = st.one_of(
    st.sampled_from(["uploads", "temp", "never", "5", "-1", "1e9", "2090-01-01T00:00:00Z", "0" * 32]),
    st.integers().map(str),
    st.floats().map(str),
    st.datetimes().map(str),
    st.uuids().map(str),
    ANYTHING.map(lambda text: text.encode("utf-8", "surrogatepass").decode("latin-1")),
)
NAMES: Final = st.one_of(
    st.sampled_from(["category", "filename", "ttl_seconds", "expires_at", "job_id", "parent_id"]),
    st.text(max_size=8).map(lambda text: text.encode("utf-8", "replace").decode()),
)
HEADERS: Final = st.dictionaries(
    st.sampled_from(["Content-Type", "Content-Digest", "Digest", "Idempotency-Key", "Range", "X-Request-ID"]),
    st.one_of(
        st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40),
        st.sampled_from(
            [FORM_TYPE, "multipart/form-data", "sha-256=::", "sha-256=:AAAA:", "multipart/form-data; boundary"]
        ),
    ),
)


class Service:
    """The application on an event loop that examples share."""

    def __init__(self, loop: asyncio.AbstractEventLoop, runtime: Runtime, token: str) -> None:
        self._loop = loop
        self._transport = httpx.ASGITransport(create_app(runtime), raise_app_exceptions=False)
        self._token = token

    def send(
        self, content: bytes, *, query: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        lines = {"Authorization": f"Bearer {self._token}"} | (headers or {})
        raw = [(name.encode(), value.encode("latin-1")) for name, value in lines.items()]

        async def request() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://test") as http:
                return await http.post("/api/v1/files", params=query, content=content, headers=raw)

        return self._loop.run_until_complete(request())


@pytest.fixture
def service(settings: Settings, database: str) -> Iterator[Service]:
    """A service of its own; whatever was sent, the oracle finds nothing wrong afterwards."""
    with asyncio.Runner() as runner:
        opening = open_runtime(settings, database)
        runtime: Runtime = runner.run(opening.__aenter__())
        creating = runtime.sessions.create(owner="alice", role=Role.USER, ttl=timedelta(hours=1))
        _, token = runner.run(creating)
        yield Service(runner.get_loop(), runtime, token)
        runner.run(opening.__aexit__(None, None, None))
        assert runner.run(inspect_everything(database, settings.store_path)) == []


def require_sense(answer: httpx.Response, content: bytes | None = None) -> None:
    """Fail unless the answer is a problem, or a file of exactly these bytes."""
    if answer.status_code != 201:
        problem_in(answer)
        assert 400 <= answer.status_code < 500, answer.text
        return
    stored: dict[str, Any] = answer.json()
    if content is not None:
        assert stored["sha256"] == hashlib.sha256(content).hexdigest()


def test_any_query_and_headers_store_the_bytes_or_are_refused(service: Service) -> None:
    @FUZZ
    @given(query=st.dictionaries(NAMES, PLAUSIBLE, max_size=4), headers=HEADERS, content=st.binary(max_size=300))
    @example(query={"category": "temp", "filename": "\ud7ff"}, headers={}, content=b"")
    def upload(query: dict[str, str], headers: dict[str, str], content: bytes) -> None:
        described = {"category": "temp", "filename": "a"} | query

        answer = service.send(content, query=described, headers=headers)

        multipart = headers.get("Content-Type", "").lower().startswith("multipart/form-data")
        require_sense(answer, None if multipart else content)

    upload()


PARTS: Final = st.one_of(
    st.binary(max_size=100),
    st.builds(lambda name, value: field(name.replace('"', ""), value), NAMES, st.binary(max_size=60)),
    st.builds(file_part, st.binary(max_size=300), filename=st.one_of(st.none(), st.binary(max_size=30))),
    st.sampled_from([END, f"--{BOUNDARY}\r\n".encode(), b"\r\n\r\n", b'Content-Disposition: form-data; name="file"']),
    st.just(field("category", "temp")),
)


def test_any_form_is_a_file_or_is_refused(service: Service) -> None:
    @FUZZ
    @given(parts=st.lists(PARTS, max_size=6), cut=st.integers(0, 40))
    def upload(parts: list[bytes], cut: int) -> None:
        body = b"".join([*parts, END])

        answer = service.send(body[: len(body) - cut], headers={"Content-Type": FORM_TYPE})

        require_sense(answer)

    upload()


def test_a_form_survives_whatever_its_file_contains(service: Service) -> None:
    lookalikes = st.lists(
        st.one_of(st.binary(max_size=50), st.sampled_from([b"\r\n--", BOUNDARY[:-1].encode(), b"\r", b"--\r\n"]))
    ).map(b"".join)

    @FUZZ
    @given(content=lookalikes)
    def upload(content: bytes) -> None:
        body = field("category", "temp") + file_part(content) + END

        answer = service.send(body, headers={"Content-Type": FORM_TYPE})

        if f"\r\n--{BOUNDARY}".encode() not in content:
            assert answer.status_code == 201, answer.text
        require_sense(answer, content if answer.status_code == 201 else None)

    upload()
