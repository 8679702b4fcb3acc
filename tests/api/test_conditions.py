"""Conditional requests (RFC 9110 section 13): what must be true before anything is sent, changed or deleted."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

import pytest

from media_analysis.runtime import Runtime
from tests.api.answers import refusal
from tests.conftest import Client, execute

CONTENT = b"some bytes"
UNMET = (412, "precondition_failed")
LONG_AGO, AHEAD = "Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 31 Dec 2100 23:59:59 GMT"


@pytest.fixture
async def url(client: Client) -> str:
    """Where a file's document is; its bytes are under `/content`."""
    return f"/api/v1/files/{(await client.upload(CONTENT))['id']}"


async def tag_of(client: Client, url: str) -> str:
    return (await client.request("GET", url)).headers["etag"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_bytes_are_sent_only_while_they_are_the_ones_meant(client: Client, url: str, method: str) -> None:
    content = f"{url}/content"
    tag = await tag_of(client, content)

    for condition, wanted in {tag: 200, "*": 200, f'"x", {tag}': 200, '"x"': 412, f"W/{tag}": 412, "x": 412}.items():
        answer = await client.request(method, content, headers={"If-Match": condition, "Range": "bytes=0-1"})
        expected = 206 if (wanted, method) == (200, "GET") else wanted
        assert answer.status_code == expected, condition


async def test_a_change_of_a_row_needs_the_tag_of_the_row_it_was_seen_with(client: Client, url: str) -> None:
    seen = await tag_of(client, url)
    content = await tag_of(client, f"{url}/content")

    first = await client.request("PATCH", url, json={"filename": "first"}, headers={"If-Match": seen})
    lost = await client.request("PATCH", url, json={"filename": "lost"}, headers={"If-Match": seen})
    of_bytes = await client.request("PATCH", url, json={"filename": "lost"}, headers={"If-Match": content})
    again = await client.request("PATCH", url, json={"filename": "again"}, headers={"If-Match": first.headers["etag"]})

    assert (first.status_code, refusal(lost), refusal(of_bytes), again.status_code) == (200, UNMET, UNMET, 200)
    assert (await client.request("GET", url)).json()["filename"] == "again"
    assert again.headers["etag"] == await tag_of(client, url)


@pytest.mark.parametrize("of", ["", "/content"], ids=["row", "bytes"])
async def test_a_deletion_takes_either_tag_and_no_other(client: Client, url: str, of: str) -> None:
    tag = await tag_of(client, url + of)

    refused = await client.request("DELETE", url, headers={"If-Match": '"other"'})
    rehearsed = await client.request("DELETE", url, params={"dry_run": "true"}, headers={"If-Match": '"other"'})
    still_there = await client.request("GET", f"{url}/content")
    deleted = await client.request("DELETE", url, headers={"If-Match": tag})

    assert (refusal(refused), refusal(rehearsed)) == (UNMET, UNMET)
    assert (still_there.content, deleted.status_code) == (CONTENT, 204)


async def test_what_a_hold_says_is_part_of_the_row(client: Client, url: str) -> None:
    seen = await tag_of(client, url)
    await client.request("PUT", f"{url}/hold", json={"reason": "case 17"}, by="admin")

    answer = await client.request("DELETE", url, headers={"If-Match": seen})

    assert refusal(answer) == UNMET
    assert await tag_of(client, url) != seen


async def test_a_date_after_which_nothing_may_have_come_is_kept(client: Client, url: str) -> None:
    came = (await client.request("HEAD", f"{url}/content")).headers["last-modified"]
    statuses = {}
    for date in (LONG_AGO, came, AHEAD):
        headers = {"If-Unmodified-Since": date}
        statuses[date] = (
            (await client.request("GET", f"{url}/content", headers=headers)).status_code,
            (await client.request("PATCH", url, json={"filename": "a"}, headers=headers)).status_code,
            (await client.request("DELETE", url, params={"dry_run": "true"}, headers=headers)).status_code,
        )
    beside_a_tag = {"If-Unmodified-Since": LONG_AGO, "If-Match": "*"}

    assert statuses == {LONG_AGO: (412, 412, 412), came: (200, 200, 200), AHEAD: (200, 200, 200)}
    assert (await client.request("DELETE", url, headers=beside_a_tag)).status_code == 204


async def test_a_date_that_is_none_is_ignored_by_a_read_and_refused_by_a_change(client: Client, url: str) -> None:
    headers = {"If-Unmodified-Since": "yesterday", "If-Modified-Since": "yesterday"}

    read = await client.request("GET", f"{url}/content", headers=headers)
    deletion = await client.request("DELETE", url, headers=headers)

    assert (read.status_code, refusal(deletion)) == (200, (422, "invalid_request"))


async def test_what_the_client_has_seen_since_is_not_sent_again(client: Client, url: str) -> None:
    content = f"{url}/content"
    came = (await client.request("HEAD", content)).headers["last-modified"]
    elder = {
        came: parsedate_to_datetime(came).strftime("%A, %d-%b-%y %H:%M:%S GMT"),
        LONG_AGO: "Sun Nov  6 08:49:37 1994",
    }

    for method in ("GET", "HEAD"):
        answers = [
            (await client.request(method, content, headers={"If-Modified-Since": date})).status_code
            for date in (came, AHEAD, LONG_AGO, elder[came], elder[LONG_AGO])
        ]
        assert answers == [304, 304, 200, 304, 200]
        beside_a_tag = {"If-Modified-Since": AHEAD, "If-None-Match": '"other"'}
        assert (await client.request(method, content, headers=beside_a_tag)).status_code == 200
    on_a_change = await client.request("DELETE", url, headers={"If-Modified-Since": AHEAD})
    assert on_a_change.status_code == 204


async def test_a_row_the_client_has_is_not_sent_again(client: Client, url: str) -> None:
    tag = await tag_of(client, url)

    known = await client.request("GET", url, headers={"If-None-Match": f"W/{tag}"})
    only_if_new = await client.request("PATCH", url, json={"filename": "a"}, headers={"If-None-Match": "*"})

    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)
    assert refusal(only_if_new) == UNMET


async def test_no_file_is_younger_than_the_answer_that_tells_of_it(
    client: Client, url: str, database: str, runtime: Runtime
) -> None:
    """The database's clock may be ahead of ours."""
    await execute(database, f"UPDATE media_files SET stored_at = '{datetime.now(UTC) + timedelta(hours=1)}'")

    answer = await client.request("GET", f"{url}/content")

    modified, sent = (parsedate_to_datetime(answer.headers[name]) for name in ("last-modified", "date"))
    assert modified <= sent <= datetime.now(UTC)
    assert answer.headers["date"] == format_datetime(sent, usegmt=True)
