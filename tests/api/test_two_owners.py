"""Two owners: whatever one asks of what is the other's, generated from the document, tells and changes nothing."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from schemathesis import APIOperation, BaseSchema, Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.python import asgi

from media_analysis.files.upload.service import Upload
from media_analysis.jobs.attempts.attempt import NewResult
from media_analysis.jobs.control import NewJob
from media_analysis.runtime import Runtime
from media_analysis.sessions.models import Role
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from media_analysis.webhooks.service import NewWebhook
from tests.api.test_conformance import ServedApplication
from tests.conftest import chunks

EXAMPLES: Final = 4
SECRET: Final = "bobs-secret"
HOUR: Final = timedelta(hours=1)
Described = APIOperation[Any, Any, Any, Any]
NOT_HIS: Final = {
    "/api/v1/storage/stats",
    "/metrics",
    "/readyz",
    "/healthz",
    "/api/v1/sessions",
    "/api/v1/sessions/me",
    "/api/v1/events",
    "/api/v1/jobs/{job_id}/events",
}
WHOSE: Final = {"source_file_ids": "file_id", "parent_id": "file_id", "source_file_id": "file_id"}


class SharedApplication(ServedApplication):
    """An application on which bob has a file with a link, a job with a result, and a session; alice has nothing."""

    def __init__(self, settings: Settings, url: str) -> None:
        super().__init__(settings, url)
        self.bobs: dict[str, str] = {}
        self.tokens: dict[str, str] = {}

    async def prepare(self, runtime: Runtime) -> None:
        for owner in ("alice", "bob"):
            session, self.tokens[owner] = await runtime.sessions.create(owner=owner, role=Role.USER, ttl=HOUR)
        upload = Upload(owner="bob", category=Category.UPLOADS, filename=SECRET)
        file = await runtime.files.uploads.store_file(upload, chunks(SECRET.encode()))
        parameters = {"analyser": "words"}
        job = await runtime.jobs.control.create(
            NewJob(owner="bob", name=SECRET, kind="external", source_file_ids=[file.id], parameters=parameters)
        )
        run = await runtime.jobs.external.claim(["words"], owner="bob", worker=SECRET)
        assert run is not None
        result = NewResult(kind="words", data={"word": SECRET})
        await runtime.jobs.external.put_result(job.id, result, fence=run.fence, owner="bob")
        bob = await runtime.admission.authenticate(self.tokens["bob"], None)
        link = await runtime.files.links.share(file.id, by=bob, lifetime=None)
        wanted = NewWebhook(owner="bob", url=f"https://hooks.example/{SECRET}", events=["*"])
        webhook = await runtime.webhooks.hooks.create(wanted)
        delivery = await runtime.webhooks.log.ping(webhook.id, owner="bob")
        self.bobs = {
            "link_id": str(link.link.id),
            "webhook_id": str(webhook.id),
            "delivery_id": str(delivery.id),
            "file_id": str(file.id),
            "job_id": str(job.id),
            "session_id": str(session.id),
            "fence": str(run.fence),
        }


@pytest.fixture
def application(settings: Settings, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SharedApplication]:
    """The application, opened by the first request that schemathesis sends it, with streams that end at once."""
    monkeypatch.setattr("media_analysis.api.routes.events.LONGEST_SECONDS", 0)
    yield SharedApplication(settings, database)
    asgi.shutdown_lifespans()


@pytest.fixture
def document(application: SharedApplication) -> BaseSchema:
    """What the application says of itself."""
    return schemathesis.openapi.from_asgi("/openapi.json", application)


def test_nobody_reads_or_changes_what_is_somebody_elses(document: BaseSchema, application: SharedApplication) -> None:
    operations = [found.ok() for found in document.get_all_operations() if isinstance(found, Ok)]
    before = seen_by_bob(operations, application)

    for operation in operations:
        ask_as_alice(operation, application)

    assert SECRET in str(before)
    assert seen_by_bob(operations, application) == before


def seen_by_bob(operations: list[Described], application: SharedApplication) -> list[tuple[str, int, str]]:
    """Return what bob reads of all that is his."""
    seen = []
    for operation in operations:
        wanted = {parameter.name for parameter in operation.path_parameters}
        if operation.method == "get" and wanted <= application.bobs.keys() and operation.path not in NOT_HIS:
            values = {name: application.bobs[name] for name in wanted}
            answer = operation.Case(path_parameters=values).call(headers=bearer(application, "bob"))
            seen.append((operation.path, answer.status_code, answer.text))
    return seen


def ask_as_alice(operation: Described, application: SharedApplication) -> None:
    """Send what fits the description of an operation, pointed at what is bob's."""

    @hypothesis_settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def send(case: Case[Any]) -> None:
        case.path_parameters = pointed(case.path_parameters or {}, application.bobs)
        case.query = pointed(case.query or {}, application.bobs)
        if isinstance(case.body, dict):
            case.body = pointed(case.body, application.bobs)
        answer = case.call(headers=bearer(application, "alice"))
        assert answer.status_code < 500, (operation.label, answer.text)
        assert SECRET not in answer.text, operation.label
        if application.bobs.keys() & case.path_parameters.keys():
            assert answer.status_code in {403, 404, 405, 411, 412, 415, 422}, (operation.label, answer.text)

    send()


def pointed(given: dict[str, Any], bobs: dict[str, str]) -> dict[str, Any]:
    """Return parameters that name what is bob's wherever they name anything."""
    return {name: bobs.get(WHOSE.get(name, name), value) for name, value in given.items()} | (
        {"source_file_ids": [bobs["file_id"]]} if "source_file_ids" in given else {}
    )


def bearer(application: SharedApplication, owner: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {application.tokens[owner]}"}
