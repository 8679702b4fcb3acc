"""The service dies by kill -9 while it tells of events, and whoever is to be told is told all the same."""

import asyncio
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from media_analysis.failpoints import KILL_VARIABLE, TRACE_VARIABLE
from tests.conftest import execute
from tests.crash.points import find_moments
from tests.crash.service import READY_SECONDS, served
from tests.files.conftest import eventually
from tests.webhooks.receiver import Receiver, receiving

pytestmark = pytest.mark.crash


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Nothing else happens."""
    return environment | {
        "WEBHOOKS_ALLOW_PRIVATE": "true",
        "STORAGE_CLEANUP_ENABLED": "false",
        "WORKER_ENABLED": "false",
        "ARCHIVE_ENABLED": "false",
    }


async def upload(http: httpx.AsyncClient) -> str:
    answer = await http.post("/files", params={"category": "uploads", "filename": "a"}, content=b"content")
    assert answer.status_code == 201, answer.text
    file_id: str = answer.json()["id"]
    return file_id


async def told(receiver: Receiver, files: list[str]) -> None:
    """Wait until somebody was told of all of these."""
    async with asyncio.timeout(READY_SECONDS):
        while set(files) - {subject_of(call.event) for call in receiver.calls}:
            receiver.came.clear()
            await receiver.came.wait()


def subject_of(event: dict[str, Any]) -> str:
    return str(event["subject"]).removeprefix("files/")


async def test_no_event_is_lost_wherever_the_service_is_killed(
    environment: dict[str, str], database: str, tmp_path: Path
) -> None:
    trace, files = tmp_path / "trace", []
    async with receiving() as receiver:
        async with served(environment, **{TRACE_VARIABLE: str(trace)}) as service:
            assert service.http is not None
            asked = {"url": receiver.url, "events": ["file.stored"]}
            assert (await service.http.post("/webhooks", json=asked)).status_code == 201
            files.append(await upload(service.http))
            await told(receiver, files)

            async def is_posted() -> bool:
                return "webhook.posted" in trace.read_text()

            await eventually(is_posted)
        moments = find_moments(trace, "webhooks")
        for moment in moments:
            async with served(environment, **{KILL_VARIABLE: moment}) as service:
                if service.http is not None:  # else what was left of the one before killed it before it was ready
                    with suppress(httpx.TransportError):  # or now
                        files.append(await upload(service.http))
                assert await service.wait_for_death() == -signal.SIGKILL
            await execute(database, "UPDATE webhook_deliveries SET due_at = now() WHERE due_at IS NOT NULL")
        async with served(environment) as service:
            assert service.http is not None
            files.append(await upload(service.http))
            await told(receiver, files)

    assert len(files) > 1
    ids = {subject_of(call.event): call.headers["webhook-id"] for call in receiver.calls}
    assert len(set(ids.values())) == len(ids)
