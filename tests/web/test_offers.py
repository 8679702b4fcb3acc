"""What a session was not made for is not offered to it: no form, no button, no picture that would be refused."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from html.parser import HTMLParser
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from media_analysis.api.dependencies import ACCESS
from media_analysis.api.resources import Resources
from media_analysis.api.shortcuts import SHORTCUTS
from media_analysis.runtime import Runtime
from media_analysis.sessions.limits import LIMITABLE, Limit
from media_analysis.sessions.models import Role
from media_analysis.sessions.roles import SCOPES, Scope
from tests.conftest import Client, RunJob
from tests.web.browser.stock import Stock, stocked
from tests.web.conftest import SignIn

Request = tuple[str, str]
NOBODY = UUID(int=0)
EVENTS: Request = ("GET", "/api/v1/events")
KINDS: Mapping[str, tuple[Role, Sequence[Scope], Limit | None]] = {
    "reads": (Role.USER, [Scope.FILES_READ], None),
    "jobs": (Role.USER, [Scope.JOBS], None),
    "keeps": (Role.USER, [Scope.RETENTION], None),
    "writes": (Role.USER, [Scope.FILES_WRITE], None),
    "all but deletion": (Role.USER, sorted(SCOPES[Role.USER] - {Scope.FILES_DELETE}), None),
    "limited": (Role.USER, sorted(LIMITABLE), Limit.of(["uploads"], ())),
    "runs the store": (Role.ADMIN, [Scope.STORAGE], None),
    "administers files": (Role.ADMIN, [Scope.FILES_READ, Scope.RETENTION], None),
}


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"DELETION_STRATEGY": "soft", "WEBHOOKS_ALLOW_PRIVATE": "true"}


class Offers(HTMLParser):
    """What a screen asks for by itself, or when somebody presses something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[Request] = set()
        self._is_told = False
        self._many: dict[str, Request] = {}
        self._buttons: set[str] = set()
        self._dialog = ""
        self.feed(page)
        self.found.update(self._many[name] for name in self._buttons)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attributes}
        if tag == "html":
            self._is_told = "data-told" in told
        if "data-live" in told and self._is_told:
            self.found.add(EVENTS)
        if tag == "dialog":
            self._dialog = told["id"]
        if "many" in told.get("class", "").split():
            self._many[self._dialog] = (told["data-method"], f"/api/v1/files/{NOBODY}{told['data-path']}")
            return
        if "data-many" in told:
            self._buttons.add(f"many-{told['data-many']}")
        self.found.update((method, urlsplit(address).path) for method, address in _asked(tag, told))


def _asked(tag: str, told: Mapping[str, str]) -> Iterator[Request]:
    if tag == "form":
        yield told.get("data-method", told.get("method", "get").upper()), told.get("action", "/")
    if tag in {"img", "video", "audio", "track"}:
        yield "GET", told["src"]
    if tag == "a" and "href" in told:
        yield "GET", told["href"]
    if "data-give-up" in told:
        yield "DELETE", told["data-give-up"]


async def _list_gone(client: Client, stock: Stock) -> list[str]:
    """Return files of the trash, of an archive, and that are gone for good."""
    archive = stock.shown["/archives/{job_id}"]
    trashed, archived, deleted = [
        (await client.request("GET", f"/api/v1/{path}")).json()["items"][0]
        for path in ("files?state=trashed", f"jobs/{archive}/archive", "deletions")
    ]
    return [trashed["id"], archived["id"], deleted["file_id"]]


async def test_nothing_is_offered_that_the_session_may_not_do(
    sign_in: SignIn, visitor: httpx.AsyncClient, client: Client, runtime: Runtime, run_job: RunJob, app: FastAPI
) -> None:
    stock = await stocked(client, runtime, run_job)
    gone = await _list_gone(client, stock)
    paths = [*stock.screens(), "/files?state=trashed", *(f"/files/{file}" for file in gone)]
    resources = Resources.of_routes(app.routes, ACCESS, SHORTCUTS)
    wrong: dict[str, set[Request]] = {}
    for name, (role, scopes, limit) in KINDS.items():
        _, client.tokens[name] = await runtime.sessions.create(
            owner="alice" if role is Role.USER else "admin",
            role=role,
            ttl=timedelta(hours=1),
            scopes=scopes,
            limit=limit,
        )
        visitor.cookies.clear()
        await sign_in(name)
        for path in paths:
            answer = await visitor.get(path, headers={"Accept": "text/html"})
            assert answer.status_code in {200, 403, 404, 409, 410}, (name, path, answer.status_code)
            for method, address in Offers(answer.text).found:
                resource = resources.find(address)
                if not address.startswith("/") or resource is None:
                    continue
                operation = resource.operations[method]
                may = operation.scope is None or operation.scope in scopes
                if not may or (limit is not None and not operation.keeps_limits):
                    wrong.setdefault(f"{name} {path}", set()).add((method, address))

    assert wrong == {}
