"""Bytes of archives over HTTP: whole segments, ranges of them, and single files from inside."""

import asyncio
import io
import itertools
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from media_analysis.runtime import Runtime
from tests.api.answers import problem_in, refusal
from tests.api.archives import archive, archive_url, archived_run, ask_restore, content_url, read_archive, work
from tests.archive.archived import Run, add_file
from tests.conftest import Client, execute
from tests.disks import disk_of

LOG = "run.log"
PIECE = 10_000


@pytest.fixture
async def run(client: Client, runtime: Runtime) -> Run:
    """An archived run of alice's."""
    return await archived_run(client, runtime)


async def get(client: Client, url: str, **headers: str) -> httpx.Response:
    return await client.request("GET", url, headers={name.replace("_", "-"): value for name, value in headers.items()})


def members(content: bytes) -> dict[str, bytes]:
    """Return the regular files in a compressed tar, by name."""
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        found = {member.name: tar.extractfile(member) for member in tar}
        return {name: file.read() for name, file in found.items() if file is not None}


@contextmanager
def without(path: Path) -> Iterator[None]:
    """Take an object away while the block runs."""
    away = path.with_suffix(".away")
    path.rename(away)
    try:
        yield
    finally:
        away.rename(path)


@contextmanager
def damaged(path: Path, at: int, by: bytes) -> Iterator[None]:
    """Overwrite some bytes of an object while the block runs."""
    kept = path.read_bytes()
    path.write_bytes(kept[:at] + by + kept[at + len(by) :])
    try:
        yield
    finally:
        path.write_bytes(kept)


async def segment_path(runtime: Runtime, run: Run) -> Path:
    segment, reader = await runtime.archives.catalog.open_segment(run.id, owner=None)
    await reader.close()
    return disk_of(runtime.store).path_of(segment.key)


async def test_a_download_is_an_archive_that_any_tar_opens(client: Client, run: Run) -> None:
    answer = await client.request("GET", archive_url(run, "/download"))
    told = await read_archive(client, run)

    found = members(answer.content)
    (segment,) = told["segments"]
    folder = run.job.folder_name
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/gzip"
    assert answer.headers["content-disposition"] == (
        f"attachment; filename=\"{folder}.tar.gz\"; filename*=UTF-8''{folder}.tar.gz"
    )
    assert answer.headers["etag"] == f'"{segment["sha256"]}"'
    assert answer.headers["content-length"] == str(segment["size_bytes"]) == str(len(answer.content))
    assert (answer.headers["accept-ranges"], answer.headers["x-content-type-options"]) == ("bytes", "nosniff")
    assert {file["name"]: run.contents[file["filename"]] for file in told["items"]} == {
        name: content for name, content in found.items() if name != f"{folder}/manifest.json"
    }


async def test_a_download_that_broke_off_goes_on_where_it_was(client: Client, run: Run, tmp_path: Path) -> None:
    url = archive_url(run, "/download")
    head = await client.request("HEAD", url)
    size, etag = int(head.headers["content-length"]), head.headers["etag"]
    received = b""

    while len(received) < size:
        wanted = f"bytes={len(received)}-{len(received) + PIECE - 1}"
        piece = await get(client, url, Range=wanted, If_Range=etag)
        assert (piece.status_code, piece.headers["etag"]) == (206, etag)
        received += piece.content

    saved = tmp_path / "archive.tar.gz"
    saved.write_bytes(received)
    tar = await asyncio.create_subprocess_exec("tar", "tzf", str(saved), stdout=asyncio.subprocess.PIPE)
    names, _ = await tar.communicate()
    assert size > PIECE
    assert received == (await client.request("GET", url)).content
    assert tar.returncode == 0
    assert len(names.splitlines()) == len(run.files) + 1
    assert (await get(client, url, Range="bytes=0-9", If_Range='"another"')).status_code == 200
    assert (await get(client, url, Range="bytes=-7")).content == received[-7:]
    assert refusal(await get(client, url, Range=f"bytes={size}-")) == (416, "range_not_satisfiable")


@pytest.mark.parametrize("what", ["segment", "file inside"])
async def test_head_says_what_get_would_and_what_the_client_has_is_not_sent(
    client: Client, run: Run, what: str
) -> None:
    url = archive_url(run, "/download") if what == "segment" else content_url(run, LOG)
    own = {"x-request-id", "date"}

    whole, head = await client.request("GET", url), await client.request("HEAD", url)
    known = await get(client, url, If_None_Match=whole.headers["etag"])

    assert (head.status_code, head.content) == (200, b"")
    assert {k: v for k, v in head.headers.items() if k not in own} == {
        k: v for k, v in whole.headers.items() if k not in own
    }
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", whole.headers["etag"])


async def test_a_file_inside_an_archive_is_served_as_it_was_before(client: Client, runtime: Runtime, run: Run) -> None:
    archived = {name: await client.request("GET", content_url(run, name)) for name in run.files}
    await ask_restore(client, run)
    await work(runtime)
    living = {name: await client.request("GET", f"/api/v1/files/{file.id}/content") for name, file in run.files.items()}

    facts = ("content-type", "content-length", "content-disposition", "etag", "repr-digest", "accept-ranges")
    for name, answer in archived.items():
        assert (answer.status_code, answer.content) == (200, run.contents[name]), name
        assert [answer.headers[fact] for fact in facts] == [living[name].headers[fact] for fact in facts], name
    again = await client.request("GET", content_url(run, LOG))
    assert again.content == run.contents[LOG], "a restored run keeps its archive"


RANGES = ["bytes=0-0", "bytes=100-299", "bytes=50000-", "bytes=-24", "bytes=0-999999", "bytes=65530-65550"]


async def test_a_range_of_a_file_inside_an_archive_is_that_of_the_file(client: Client, run: Run) -> None:
    for name, wanted in itertools.product((LOG, "frame-1.jpg"), RANGES):
        content = run.contents[name]
        answer = await get(client, content_url(run, name), Range=wanted)

        place = answer.headers["content-range"].removeprefix("bytes ").partition("/")
        start, end = map(int, place[0].split("-"))
        assert (answer.status_code, place[2]) == (206, str(len(content))), wanted
        assert answer.content == content[start : end + 1], wanted
        assert answer.headers["content-length"] == str(end + 1 - start)
    outside = await get(client, content_url(run, LOG), Range=f"bytes={len(run.contents[LOG])}-")
    assert refusal(outside) == (416, "range_not_satisfiable")


async def test_an_empty_file_inside_an_archive_is_empty(client: Client, run: Run) -> None:
    whole = await client.request("GET", content_url(run, "empty.jpg"))
    part = await get(client, content_url(run, "empty.jpg"), Range="bytes=0-")

    assert (whole.status_code, whole.content, whole.headers["content-length"]) == (200, b"", "0")
    assert part.status_code == 416


async def test_every_segment_is_downloaded_by_its_number(client: Client, runtime: Runtime, run: Run) -> None:
    await ask_restore(client, run)
    await work(runtime)
    await add_file(runtime, run, "later.txt", b"something new")
    await archive(client, runtime, run)
    url = archive_url(run, "/download")

    first, zeroth, later = [await client.request("GET", f"{url}{part}") for part in ("", "?segment=0", "?segment=1")]

    assert first.content == zeroth.content
    assert {name.rpartition("/")[2] for name in members(later.content)} == {"manifest.1.json", "later.txt"}
    assert (await client.request("GET", content_url(run, "later.txt"))).content == b"something new"
    assert refusal(await client.request("GET", f"{url}?segment=2")) == (404, "segment_not_found")


async def test_a_segment_that_is_no_number_is_refused(client: Client, run: Run) -> None:
    for query in ("segment=-1", "segment=one", "segment=99999999999999999999", "part=0", "segment="):
        answer = await client.request("GET", archive_url(run, f"/download?{query}"))

        assert refusal(answer) == (422, "invalid_request"), query


async def test_what_is_not_in_an_archive_is_not_found_there(client: Client, run: Run) -> None:
    source = (await client.upload())["id"]

    for file_id in (source, str(run.id)):
        answer = await client.request("GET", archive_url(run, f"/files/{file_id}/content"))
        assert refusal(answer) == (404, "archived_file_not_found")
    answer = await client.request("GET", archive_url(run, "/files/manifest.json/content"))
    assert refusal(answer) == (422, "invalid_request")


async def test_an_archive_whose_end_has_come_is_gone(client: Client, run: Run, database: str) -> None:
    past = "now() - interval '1 second'"
    segment = (await read_archive(client, run))["segments"][0]["id"]
    await execute(database, f"UPDATE media_files SET expires_at = {past}, due_at = {past} WHERE id = '{segment}'")

    for url in (archive_url(run, "/download"), content_url(run, LOG)):
        gone = problem_in(await client.request("GET", url))
        assert (gone["status"], gone["code"], gone["file_id"]) == (410, "file_gone", segment)


async def test_bytes_that_vanished_or_are_damaged_are_admitted(client: Client, runtime: Runtime, run: Run) -> None:
    path = await segment_path(runtime, run)
    file = next(one for one in (await read_archive(client, run))["items"] if one["filename"] == LOG)

    with without(path):
        vanished = [await client.request("GET", url) for url in (archive_url(run, "/download"), content_url(run, LOG))]
    with damaged(path, file["frame_offset"], os.urandom(64)):
        broken = await client.request("GET", content_url(run, LOG))
        beside = await client.request("GET", content_url(run, "frame-1.jpg"))

    assert [refusal(answer) for answer in vanished] == [(503, "object_missing")] * 2
    assert refusal(broken) == (409, "archive_damaged")
    assert beside.content == run.contents["frame-1.jpg"], "only what is damaged cannot be read"
    assert (await client.request("GET", content_url(run, LOG))).content == run.contents[LOG]


async def test_what_breaks_an_answer_off_is_no_crash(client: Client, runtime: Runtime) -> None:
    run = await archived_run(client, runtime, contents={LOG: os.urandom(6 * 2**20)})
    path = await segment_path(runtime, run)

    with damaged(path, path.stat().st_size // 2, os.urandom(64)), capture_logs() as logs:
        broken = await client.request("GET", content_url(run, LOG))

    assert broken.status_code == 200
    assert len(broken.content) < len(run.contents[LOG])
    assert "request.crashed" not in {line["event"] for line in logs}


class TestZstandard:
    """A service that compresses with zstd."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"ARCHIVE_COMPRESSION": "zstd"}

    async def test_archives_say_how_they_are_compressed(self, client: Client, run: Run) -> None:
        answer = await client.request("GET", archive_url(run, "/download"))

        assert answer.headers["content-type"] == "application/zstd"
        assert answer.headers["content-disposition"].endswith(".tar.zst")
        assert (await client.request("GET", content_url(run, LOG))).content == run.contents[LOG]
        assert (await get(client, content_url(run, LOG), Range="bytes=5-9")).content == run.contents[LOG][5:10]
