"""What somebody does with a service over a bucket, act by act, each from nothing and with the same requests."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

from media_analysis.integrity.verify import VerifyReport, VerifyRequest, VerifyService
from tests.api.tus import PIECE
from tests.archive.archived import CONTENTS, make_run
from tests.claims import run_job
from tests.conftest import execute, fetch
from tests.media.case_table import CASES
from tests.storage.life import Act, Life, Playing

TUS: Final = {"Tus-Resumable": "1.0.0"}
LARGE: Final = os.urandom(9 * 2**20)
"""More than one request carries: two parts."""
CUTS: Final = (0, 7, 6 * 2**20 + 9, len(LARGE))
"""A piece that is shorter than a part, one of more than one piece, and one more."""
SMALL: Final = LARGE[:90_000]
SMALL_CUTS: Final = (0, 7, 60_000, len(SMALL))
RUN: Final = {name: CONTENTS[name] for name in ("frame-1.jpg", "run.log")}
FILM: Final = CASES / "crop_top20.mkv"
FILES: Final = "/api/v1/files"
LAST_TASK: Final = """
    SELECT status::text, error FROM archive_tasks WHERE job_id = $1 ORDER BY requested_at DESC LIMIT 1
"""
FRAMES: Final = "SELECT id::text, sha256 FROM media_files WHERE category = 'frames' AND parent_id = $1::uuid"
HOURS: Final = timedelta(hours=2)


async def upload_small(life: Life) -> Playing:
    async def play() -> None:
        await life.upload(b"small")
        await life.upload(b"")
        keyed = {"Idempotency-Key": os.urandom(8).hex()}
        once = await life.upload(b"keyed", headers=keyed, filename="keyed.bin")
        assert await life.upload(b"keyed", headers=keyed, filename="keyed.bin") == once

    return play


async def upload_large(life: Life) -> Playing:
    async def play() -> None:
        await life.upload(LARGE)

    return play


async def upload_in_pieces(life: Life) -> Playing:
    return _in_pieces(life, LARGE, CUTS)


async def upload_in_small_pieces(life: Life) -> Playing:
    return _in_pieces(life, SMALL, SMALL_CUTS)


def _in_pieces(life: Life, content: bytes, cuts: Sequence[int]) -> Playing:
    async def play() -> None:
        created = await life.send("POST", "/api/v1/uploads", 201, headers=TUS | {"Upload-Length": str(len(content))})
        at = created.headers["location"]
        offset = 0
        while offset < len(content):
            end = next(end for start, end in pairwise(cuts) if start <= offset < end)
            about = TUS | {"Upload-Offset": str(offset), "Content-Type": PIECE}
            answer = await life.client.request("PATCH", at, headers=about, content=content[offset:end])
            if answer.status_code not in {204, 409, 423}:
                life.require_temporary(answer)
            offset = int((await life.send("HEAD", at, 200, headers=TUS)).headers["upload-offset"])
        found = (await life.send("HEAD", at, 200, headers=TUS)).headers
        life.keep(found["file-id"], content)

    return play


async def download(life: Life) -> Playing:
    content = LARGE[: 6 * 2**20]
    file_id = await life.upload(content)

    async def play() -> None:
        at = f"{FILES}/{file_id}/content"
        assert await life.read(at, 1_000, 1_999) == content[1_000:2_000]
        assert await life.read(at, 0, len(content) - 1) == content

    return play


async def delete(life: Life) -> Playing:
    asked, secret = await life.upload(b"asked"), await life.upload(b"secret")
    due = [await life.upload(b"%d" % number, category="temp", ttl_seconds="3600") for number in range(3)]

    async def play() -> None:
        await life.send("DELETE", f"{FILES}/{asked}", 200, 204, 410)
        await life.send("DELETE", f"{FILES}/{secret}", 200, 204, 410, by="admin", params={"secure": "true"})
        past = "now() - interval '1 second'"
        await execute(
            life.database, f"UPDATE media_files SET expires_at = {past}, due_at = {past} WHERE category = 'temp'"
        )
        await life.send("POST", "/api/v1/storage/cleanup", 200, by="admin", params={"dry_run": "false"})
        for file_id in (asked, secret, *due):
            await life.send("GET", f"{FILES}/{file_id}/content", 410)

    return play


async def archive_and_restore(life: Life) -> Playing:
    return await _archive_and_restore(life, RUN)


async def archive_and_restore_large(life: Life) -> Playing:
    return await _archive_and_restore(life, {"run.log": LARGE})


async def _archive_and_restore(life: Life, made: Mapping[str, bytes]) -> Playing:
    run = await make_run(life.runtime, made)
    contents = {str(run.files[name].id): content for name, content in run.contents.items()}
    for file_id, content in contents.items():
        life.keep(file_id, content)

    async def play() -> None:
        await _work_off(life, run.id, "archive")
        log = str(run.files["run.log"].id)
        at = f"/api/v1/jobs/{run.id}/archive/files/{log}/content"
        assert await life.read(at, 0, len(contents[log]) - 1) == contents[log]
        await _work_off(life, run.id, "restore")

    return play


async def _work_off(life: Life, job_id: UUID, what: str) -> None:
    """Ask for a task, and again where it was given up, and work as long as there is something to do."""

    async def work() -> None:
        await life.runtime.archives.execution.run_waiting()

    task: Any = {"status": "failed"}
    while task["status"] != "completed":
        if task["status"] == "failed":
            await life.send("POST", f"/api/v1/jobs/{job_id}/{what}", 202)
        await life.again(work)
        (task,) = await fetch(life.database, LAST_TASK, job_id)
        life.note_failures([task["error"]])


async def analyse(life: Life) -> Playing:
    film = FILM.read_bytes()
    source = await life.upload(film, filename=FILM.name)

    async def play() -> None:
        asked = {"name": "n", "kind": "frames", "source_file_ids": [source], "parameters": {"count": 2}}
        job = (await life.send("POST", "/api/v1/jobs", 202, json=asked)).json()["id"]
        while True:
            await run_job(life.runtime, UUID(job))
            told = (await life.send("GET", f"/api/v1/jobs/{job}", 200)).json()
            if told["status"] != "pending":
                break
            life.note_failures(["an attempt"])
        assert told["status"] == "completed", told
        frames = await fetch(life.database, FRAMES, source)
        assert len(frames) == 2
        life.kept.update({frame["id"]: frame["sha256"].hex() for frame in frames})

    return play


async def show(life: Life) -> Playing:
    source = await life.upload(FILM.read_bytes(), filename=FILM.name)
    renditions = life.runtime.renditions

    async def play() -> None:
        for _ in range(2):  # made, and then found
            for what in ("thumbnail?width=64", "frame?t=1&width=64"):
                await life.send("GET", f"{FILES}/{source}/{what}", 200)
                if renditions._tasks:  # noqa: SLF001 - whoever is answered does not wait until it is kept
                    await asyncio.wait(renditions._tasks)  # noqa: SLF001 - as above

    return play


async def inspect(life: Life) -> Playing:
    await life.upload(b"whole"), await life.upload(LARGE[: 3 * 2**20])
    stray = f"clips/2026-01-01/{os.urandom(8).hex()}.bin"
    await life.bucket.create(stray, b"stray")

    async def verify() -> VerifyReport:
        asked = VerifyRequest(actor="test", quarantine=True, read=True)
        service = VerifyService(life.runtime.db, life.runtime.store)
        return await service.run(asked, now=await life.runtime.db.now() + HOURS)

    async def play() -> None:
        await life.again(life.runtime.scrub.run)
        report = await life.again(verify)
        report = await life.again(verify)
        assert not report.problems, report.findings
        assert await life.set_aside(stray) == b"stray"

    return play


ACTS: Final[Mapping[str, Act]] = {
    act.__name__: act
    for act in (
        upload_small,
        upload_large,
        upload_in_pieces,
        upload_in_small_pieces,
        download,
        delete,
        archive_and_restore,
        archive_and_restore_large,
        analyse,
        show,
        inspect,
    )
}
