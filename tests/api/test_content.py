"""Reading bytes: whole, in ranges, conditionally, and so that a browser never runs them."""

import hashlib

import httpx
import pytest

from media_analysis.runtime import Runtime
from tests.api.answers import refusal
from tests.api.forms import raw_headers
from tests.conftest import Client, fetch
from tests.disks import disk_of

CONTENT = bytes(range(256)) * 4
SIZE = len(CONTENT)


@pytest.fixture
async def url(client: Client) -> str:
    """Where the bytes of a file are."""
    return f"/api/v1/files/{(await client.upload(CONTENT))['id']}/content"


async def get(client: Client, url: str, **headers: str) -> httpx.Response:
    return await client.request("GET", url, headers={name.replace("_", "-"): value for name, value in headers.items()})


async def test_the_whole_file_comes_with_safe_headers(client: Client, url: str) -> None:
    answer = await client.request("GET", url)

    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["etag"] == f'"{hashlib.sha256(CONTENT).hexdigest()}"'
    assert answer.headers["content-length"] == str(SIZE)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["content-disposition"] == "attachment; filename=\"file.bin\"; filename*=UTF-8''file.bin"
    assert "private" in answer.headers["cache-control"]


async def test_head_says_what_get_would_and_sends_nothing(client: Client, url: str) -> None:
    whole = await client.request("GET", url)

    head = await client.request("HEAD", url)
    with_range = await client.request("HEAD", url, headers={"Range": "bytes=0-1"})

    own = {"x-request-id", "date"}
    assert (head.status_code, head.content) == (200, b"")
    assert {k: v for k, v in head.headers.items() if k not in own} == {
        k: v for k, v in whole.headers.items() if k not in own
    }
    assert with_range.status_code == 200, "RFC 9110 section 14.2 defines ranges for GET only"


RANGES = {
    "bytes=0-0": (0, 1),
    "bytes=0-99": (0, 100),
    "bytes=100-299": (100, 300),
    "bytes=1000-": (1000, SIZE),
    "bytes=-24": (SIZE - 24, SIZE),
    "bytes=-9999": (0, SIZE),
    "bytes=0-9999": (0, SIZE),
    "bytes=1023-1023": (1023, SIZE),
    "bytes= 5 - 9": (5, 10),
}


async def test_one_range_is_served(client: Client, url: str) -> None:
    for wanted, (start, end) in RANGES.items():
        answer = await get(client, url, Range=wanted)

        assert (answer.status_code, answer.content) == (206, CONTENT[start:end]), wanted
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
        assert answer.headers["content-length"] == str(end - start)


async def test_a_range_outside_the_file_is_refused_with_its_size(client: Client, url: str) -> None:
    for wanted in (f"bytes={SIZE}-", "bytes=9999-", "bytes=-0", f"bytes={'9' * 18}-"):
        answer = await get(client, url, Range=wanted)

        assert refusal(answer) == (416, "range_not_satisfiable"), wanted
        assert answer.headers["content-range"] == f"bytes */{SIZE}"


IGNORED = [
    "bytes=0-1,5-9",
    "bytes=",
    "bytes=-",
    "bytes=5-2",
    "bytes=a-b",
    "bytes=--5",
    "lines=0-1",
    "bytes=0-" + "9" * 99,
]


async def test_several_malformed_or_foreign_ranges_give_the_whole_file(client: Client, url: str) -> None:
    answers = {wanted: await get(client, url, Range=wanted) for wanted in IGNORED}

    assert {wanted: answer.status_code for wanted, answer in answers.items()} == dict.fromkeys(IGNORED, 200)
    assert all(answer.content == CONTENT for answer in answers.values())


async def test_a_range_holds_only_for_the_version_it_was_asked_of(client: Client, url: str) -> None:
    etag = (await client.request("HEAD", url)).headers["etag"]

    same = await get(client, url, Range="bytes=0-1", If_Range=etag)
    other = await get(client, url, Range="bytes=0-1", If_Range='"other"')
    weak = await get(client, url, Range="bytes=0-1", If_Range=f"W/{etag}")

    assert [answer.status_code for answer in (same, other, weak)] == [206, 200, 200]


async def test_what_the_client_has_is_not_sent_again(client: Client, url: str) -> None:
    etag = (await client.request("HEAD", url)).headers["etag"]

    for condition in ("*", etag, f"W/{etag}", f'"other", {etag}', f'W/"other" , W/{etag}'):
        answer = await get(client, url, If_None_Match=condition, Range="bytes=0-1")

        assert (answer.status_code, answer.content) == (304, b""), condition
        assert answer.headers["etag"] == etag
        assert "content-length" not in answer.headers


async def test_a_condition_in_several_lines_is_one_list(client: Client, url: str) -> None:
    etag = (await client.request("HEAD", url)).headers["etag"]
    lines = raw_headers(client.tokens["alice"], ("If-None-Match", '"other"'), ("If-None-Match", etag))

    assert (await client.http.get(url, headers=lines)).status_code == 304


async def test_another_version_is_sent(client: Client, url: str) -> None:
    for condition in ('"other"', "other", "", '"*"'):
        answer = await get(client, url, If_None_Match=condition)

        assert (answer.status_code, answer.content) == (200, CONTENT), condition


async def test_a_name_reaches_the_disk_of_the_reader_in_any_script(client: Client) -> None:
    file = await client.upload(filename='"\u0444\u0438\u043b\u044c\u043c"; x=\N{CLAPPER BOARD}.mp4')

    answer = await client.request("GET", f"/api/v1/files/{file['id']}/content")

    assert answer.headers["content-disposition"] == (
        'attachment; filename="_\u0444\u0438\u043b\u044c\u043c_; x=\N{CLAPPER BOARD}.mp4"; '
        "filename*=UTF-8''%22%D1%84%D0%B8%D0%BB%D1%8C%D0%BC%22%3B%20x%3D%F0%9F%8E%AC.mp4"
    )


async def test_an_empty_file_is_served_whole_and_has_no_ranges(client: Client) -> None:
    url = f"/api/v1/files/{(await client.upload(b''))['id']}/content"

    whole = await client.request("GET", url)
    ranges = [await get(client, url, Range=wanted) for wanted in ("bytes=0-", "bytes=-1", "bytes=0-0")]

    assert (whole.status_code, whole.content, whole.headers["content-length"]) == (200, b"", "0")
    assert [answer.status_code for answer in ranges] == [416] * 3
    assert ranges[0].headers["content-range"] == "bytes */0"


async def test_bytes_that_vanished_from_the_store_are_admitted(
    client: Client, url: str, runtime: Runtime, database: str
) -> None:
    path = disk_of(runtime.store).root / (await fetch(database, "SELECT key FROM media_files"))[0]["key"]
    kept = path.read_bytes()
    path.unlink()

    answer = await client.request("GET", url)
    path.write_bytes(kept)

    assert refusal(answer) == (503, "object_missing")
    assert str(path.name) not in answer.text.replace(url.split("/")[4], "")


async def test_bytes_of_another_length_than_stored_are_not_served(
    client: Client, url: str, runtime: Runtime, database: str
) -> None:
    path = disk_of(runtime.store).root / (await fetch(database, "SELECT key FROM media_files"))[0]["key"]
    kept = path.read_bytes()
    path.write_bytes(kept[:-1])

    answers = [await client.request(method, url) for method in ("GET", "HEAD")]
    path.write_bytes(kept)

    assert refusal(answers[0]) == (503, "object_damaged")
    assert answers[1].status_code == 503
