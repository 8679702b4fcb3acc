"""Hostile files as clients upload them: their jobs fail with a reason, and nothing else happens."""

import shutil
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.jobs import URL, create, read
from tests.conftest import Client, RunJob
from tests.media import bombs, clips, images
from tests.media.baits import Listener, listening, playlists, reference_film

CLIP = {"every_seconds": 1.0}


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    with listening() as started:
        yield started


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A film of somebody else's on the same disk."""
    return Path(shutil.copy(clips.transport_stream(), tmp_path / "secret.ts"))


async def analyse(client: Client, run_job: RunJob, content: bytes, filename: str) -> dict[str, Any]:
    """Upload a file and analyse it; return the job as it ended."""
    file = await client.upload(content, filename=filename)
    job = await create(client, kind="analyze", source_file_ids=[file["id"]], parameters=CLIP)
    await run_job(job["id"])
    return await read(client, job["id"])


async def products(client: Client, job: dict[str, Any]) -> list[Any]:
    items: list[Any] = (await client.request("GET", f"{URL}/{job['id']}/files")).json()["items"]
    return items


async def assert_alive(client: Client, run_job: RunJob) -> None:
    done = await analyse(client, run_job, clips.h264().read_bytes(), "good.mp4")
    assert (await client.request("GET", "/readyz", by=None)).status_code == 200
    assert done["status"] == "completed"


async def test_playlists_that_point_at_addresses_cause_no_request(
    client: Client, run_job: RunJob, listener: Listener
) -> None:
    jobs = {
        kind: await analyse(client, run_job, content.encode(), f"{kind}.m3u8")
        for kind, content in playlists(listener.url).items()
    }

    assert {
        kind: (job["status"], job["attempts"], job["error"]["code"]) for kind, job in jobs.items()
    } == dict.fromkeys(jobs, ("failed", 1, "unsupported_media"))
    assert listener.visits == []
    await assert_alive(client, run_job)


@pytest.mark.parametrize("scheme", ["", "file://", "subfile,,start,0,end,9,,:", "concat:", "crypto:", "data:;base64,"])
async def test_playlists_that_point_at_files_read_none(
    client: Client, run_job: RunJob, secret: Path, scheme: str
) -> None:
    for target in (secret, Path("/etc/passwd")):
        for kind in ("hls", "concat", "dash"):
            job = await analyse(client, run_job, playlists(f"{scheme}{target}")[kind].encode(), f"{kind}.mp4")
            assert (job["status"], job["error"]["code"]) == ("failed", "unsupported_media")
            assert "secret" not in job["error"]["detail"]
            assert await products(client, job) == []


async def test_films_whose_samples_lie_elsewhere_show_nothing_of_it(
    client: Client, run_job: RunJob, secret: Path, listener: Listener
) -> None:
    for target in (secret, listener.url):
        job = await analyse(client, run_job, reference_film(target), "reference.mov")
        assert [warning["code"] for warning in job["warnings"]] == ["no_pictures"]
        assert [product["role"] for product in await products(client, job)] == ["report"]

    assert listener.visits == []


@pytest.mark.parametrize("name", ["picture%03d.png", "concat:a|b", "http:nowhere", "-", "pipe:0", "data.m3u8"])
async def test_a_name_decides_nothing(client: Client, run_job: RunJob, name: str) -> None:
    done = await analyse(client, run_job, clips.h264().read_bytes(), name)

    assert done["status"] == "completed"


@pytest.mark.parametrize(
    ("bomb", "code"),
    [
        (bombs.png(100_000, 100_000, zlib.compress(bytes(1_000_000))), "media_limit_passed"),
        (bombs.gif(65_535, 65_535), "media_limit_passed"),
        (bombs.tiff(2**31, 2**31), "media_limit_passed"),
        (bombs.moving_gif(8_000, 8_000, 1_100), "media_limit_passed"),
        (bombs.webp(16_384, 16_384), "corrupt_media"),
    ],
    ids=["png", "gif", "tiff", "long_gif", "webp"],
)
async def test_bombs_are_refused_before_they_go_off(client: Client, run_job: RunJob, bomb: bytes, code: str) -> None:
    job = await analyse(client, run_job, bomb, "bomb.png")

    assert (job["status"], job["attempts"], job["error"]["code"]) == ("failed", 1, code)
    assert await products(client, job) == []


async def test_files_that_are_two_things_are_read_as_the_first(
    client: Client, run_job: RunJob, listener: Listener
) -> None:
    both = {
        "gif": images.animated_gif().read_bytes() + playlists(listener.url)["hls"].encode(),
        "jpeg": bombs.jpeg_and_zip(),
    }

    for name, content in both.items():
        job = await analyse(client, run_job, content, "both.m3u8")
        results = (await client.request("GET", f"{URL}/{job['id']}/results", params={"kind": "probe"})).json()["items"]
        assert (job["status"], results[0]["data"]["format"]) == ("completed", name)
    assert listener.visits == []


async def test_heic_is_refused_with_a_sentence_that_says_what_to_do(client: Client, run_job: RunJob) -> None:
    job = await analyse(client, run_job, images.heic().read_bytes(), "phone.heic")

    assert (job["status"], job["attempts"]) == ("failed", 1)
    assert job["error"] == {
        "code": "unsupported_media",
        "detail": "HEIC is not read here; JPEG, PNG, WebP, AVIF, TIFF, GIF and BMP are",
    }
