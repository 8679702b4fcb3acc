"""The contract of archives, kept with a real video by the real service, its schedule and system tar, by curl alone."""

import asyncio
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.service import CURL, Service, serving, wait_until
from tests.conftest import execute, fetch
from tests.media import clips
from tests.oracle import inspect_everything

JOBS = "/api/v1/jobs"
SCHEDULE = "0 2 * * *"
LOG = b"2026-11-21 02:00:00 a line of the analysis' log\n" * 500
TOOLS = {"gzip": ("gzip", "tar.gz", "gzip"), "zstd": ("zstd", "tar.zst", "zstd")}
"""By compression: the program that tests it, the suffix, and what tar calls it."""


@pytest.fixture(params=TOOLS)
def service(
    request: pytest.FixtureRequest, environment: dict[str, str], database: str, tmp_path: Path
) -> Iterator[tuple[Service, str]]:
    """A service that looks once a night for runs to archive, and the compression it uses."""
    if not CURL or shutil.which("tar") is None or shutil.which(TOOLS[request.param][0]) is None:
        pytest.skip("curl, tar or the compression's program is not installed")
    data_dir = tmp_path / "var"
    chosen = {"ARCHIVE_SCHEDULE": SCHEDULE, "ARCHIVE_COMPRESSION": request.param}
    with serving(environment | chosen, data_dir) as started:
        yield started, request.param
    if request.param == "gzip":  # the oracle's own tar reads no zstd
        assert asyncio.run(inspect_everything(database, data_dir / "store")) == []


def get(service: Service, path: str) -> Any:
    answer = service.curl(path)
    assert answer.status == 200, answer.body
    return answer.json()


def listed(service: Service, job: dict[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = get(service, f"{JOBS}/{job['id']}/files")["items"]
    return items


def make_run(service: Service) -> dict[str, Any]:
    """Analyse a real video, and put a log beside what came of it."""
    path = clips.sample("carphone_pristine")
    query = f"category=uploads&filename={path.name}"
    source = service.curl(f"/api/v1/files?{query}", "--data-binary", f"@{path}").json()
    asked = {"name": "to be kept", "kind": "analyze", "source_file_ids": [source["id"]]}
    job: dict[str, Any] = service.curl(JOBS, "-H", "Content-Type: application/json", "--data", json.dumps(asked)).json()
    wait_until(lambda: get(service, f"{JOBS}/{job['id']}")["status"] == "completed", "the analysis")
    query = f"category=outputs&filename=run.log&job_id={job['id']}"
    assert service.curl(f"/api/v1/files?{query}", "--data-binary", LOG.decode()).status == 201
    return job


def age(database: str, job: dict[str, Any], days: int) -> None:
    """Move a run's instants into the past."""
    instants = ("created_at", "started_at", "completed_at", "archived_at", "expires_at")
    moved = ", ".join(f"{name} = {name} - interval '{days} days'" for name in instants)
    due = ", ".join(f"{name} = {name} - interval '{days} days'" for name in ("expires_at", "due_at"))
    where = f"WHERE job_id = '{job['id']}' AND role = 'archive'"
    asyncio.run(
        execute(
            database,
            f"UPDATE analysis_jobs SET {moved} WHERE id = '{job['id']}'",
            f"UPDATE media_files SET {due} {where}",
        )
    )


def archive_as_missed(served: Service, database: str, environment: dict[str, str], address: str) -> None:
    """Let the schedule find a run a week after its end: a replica that starts does at once what was missed."""
    asyncio.run(execute(database, "UPDATE duties SET due_at = now() - interval '1 min' WHERE name ~ 'archiv'"))
    with serving(environment | {"ARCHIVE_SCHEDULE": SCHEDULE}, served.store.parent):
        wait_until(lambda: get(served, address)["archived_at"] is not None, "the schedule to find the run")


def require_agreement(path: Path, compression: str, folder: str) -> dict[str, bytes]:
    """Let the system's programs test, list and open an archive; return its members by name."""
    program, _, flag = TOOLS[compression]
    subprocess.run([program, "-t", path], check=True, capture_output=True)
    names = subprocess.run(["tar", f"--{flag}", "-tf", path], check=True, capture_output=True, text=True)
    subprocess.run(["tar", f"--{flag}", "-xf", path, "-C", path.parent], check=True)
    members = [line for line in names.stdout.splitlines() if line]
    assert members[0] == f"{folder}/manifest.json"
    return {name.removeprefix(f"{folder}/"): (path.parent / name).read_bytes() for name in members}


def require_whole(served: Service, compression: str, job: dict[str, Any], contents: dict[str, bytes], at: Path) -> None:
    """Download an archive in two parts and let the system's programs say what it holds."""
    download = f"{JOBS}/{job['id']}/archive/download"
    first = served.curl(download, "-r", "0-999").body
    at.write_bytes(first + served.curl(download, "-r", "1000-").body)
    members = require_agreement(at, compression, job["folder_name"])
    manifest = json.loads(members.pop("manifest.json"))
    assert at.read_bytes() == served.curl(download).body
    assert sorted(members.values()) == sorted(contents.values())
    told = {entry["id"]: (entry["sha256"], entry["size_bytes"]) for entry in manifest["files"]}
    assert told == {name: (hashlib.sha256(body).hexdigest(), len(body)) for name, body in contents.items()}


def require_deleted(served: Service, database: str, job: dict[str, Any]) -> None:
    """Sweep, and look for what stays of a run whose end has come."""
    cleanup = served.curl("/api/v1/storage/cleanup?dry_run=false&category=archives", "-X", "POST").json()
    assert (cleanup["total_jobs_removed"], served.curl(f"{JOBS}/{job['id']}").status) == (1, 410)
    (summary,) = asyncio.run(fetch(database, "SELECT name, reason, files FROM job_audit"))
    assert tuple(summary) == ("to be kept", "expired", 1)
    trail = get(served, f"/api/v1/audit?job_id={job['id']}")["items"]
    assert {"archived", "unarchived", "deleted"} <= {event["action"] for event in trail}


def test_a_run_is_archived_by_the_schedule_or_on_request_read_restored_and_deleted(
    service: tuple[Service, str], database: str, environment: dict[str, str], tmp_path: Path
) -> None:
    served, compression = service
    job = make_run(served)
    address = f"{JOBS}/{job['id']}"
    files = {file["id"]: file for file in listed(served, job)}
    contents = {file_id: served.curl(f"/api/v1/files/{file_id}/content").body for file_id in files}
    assert {file["category"] for file in files.values()} == {"frames", "contact_sheets", "outputs"}
    assert LOG in contents.values()

    if compression == "gzip":
        age(database, job, 8)
        archive_as_missed(served, database, environment, address)
    else:
        assert served.curl(f"{address}/archive", "-X", "POST").status == 202
    wait_until(lambda: get(served, address)["archived_at"] is not None, "the run to be archived")
    archived = get(served, f"{JOBS}/archived")["items"]
    assert ([run["id"] for run in archived], get(served, JOBS)["items"]) == ([job["id"]], [])
    assert archived[0]["segments"][0]["filename"] == f"{job['folder_name']}.{TOOLS[compression][1]}"
    require_whole(served, compression, job, contents, tmp_path / "downloaded")

    # A frame is read where it lies; its own address leads there.
    frame = next(file_id for file_id, file in files.items() if file["category"] == "frames")
    moved = served.curl(f"/api/v1/files/{frame}/content")
    assert (moved.status, served.curl(moved.json()["archive"]).body) == (409, contents[frame])

    # It comes back as it was.
    assert served.curl(f"{address}/restore", "-X", "POST").status == 202
    wait_until(lambda: get(served, address)["archived_at"] is None, "the run to be restored")
    assert {name: served.curl(f"/api/v1/files/{name}/content").body for name in files} == contents

    # It is archived again, early, and deleted at its end.
    assert served.curl(f"{address}/archive", "-X", "POST").status == 202
    wait_until(lambda: get(served, address)["archived_at"] is not None, "the run to be archived again")
    age(database, job, 31)
    require_deleted(served, database, job)
