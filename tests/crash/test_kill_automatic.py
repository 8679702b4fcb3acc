"""The service dies by kill -9 while it makes jobs by itself, and each is made once all the same."""

import signal
from pathlib import Path

import httpx
import pytest

from media_analysis.failpoints import KILL_VARIABLE, TRACE_VARIABLE
from tests.conftest import execute, fetch
from tests.crash.points import find_moments
from tests.crash.service import Service, served
from tests.files.conftest import eventually
from tests.media import clips

pytestmark = pytest.mark.crash


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Nothing else happens."""
    return environment | {
        "ANALYSIS_ON_UPLOAD_UPLOADS": "probe",
        "STORAGE_CLEANUP_ENABLED": "false",
        "WORKER_ENABLED": "false",
        "ARCHIVE_ENABLED": "false",
        "WEBHOOKS_ENABLED": "false",
    }


async def upload(service: Service) -> None:
    assert service.http is not None
    content, about = clips.audio("wav").read_bytes(), {"category": "uploads", "filename": "a.wav"}
    assert (await service.http.post("/files", params=about, content=content)).status_code == 201


async def test_each_job_is_made_once_wherever_the_service_is_killed(
    environment: dict[str, str], database: str, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"

    async def all_are_made() -> bool:
        stored = "SELECT count(*) FROM media_files WHERE state = 'stored'"
        files, made = await fetch(database, f"{stored} UNION ALL SELECT count(*) FROM upload_analyses WHERE made")
        return bool(files[0] == made[0])

    async with served(environment, **{TRACE_VARIABLE: str(trace)}) as service:
        await upload(service)
        await eventually(all_are_made)
    for moment in find_moments(trace, "automatic"):
        async with served(environment, **{KILL_VARIABLE: moment}) as service:
            try:
                await upload(service)
            except (httpx.TransportError, AssertionError):
                assert service.http is None or await service.wait_for_death() == -signal.SIGKILL
            assert await service.wait_for_death() == -signal.SIGKILL
        await execute(database, "UPDATE upload_analyses SET due_at = now() WHERE due_at IS NOT NULL")
    async with served(environment):
        await eventually(all_are_made)

    (counted,) = await fetch(database, "SELECT count(*), count(DISTINCT file_id) FROM job_sources")
    assert counted[0] == counted[1] > 1
