"""Listings of S3 with names as they are: obstore ends at the first that is no path, and anybody can put one."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from http import HTTPMethod, HTTPStatus
from typing import Final
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element

import httpx

from media_analysis.errors import StoreUnavailable
from media_analysis.storage.entries import Entry, EntryKind
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.clients import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, RemoteOptions
from media_analysis.storage.remote.failures import AGAIN, translate
from media_analysis.storage.remote.signing import S3Requests
from media_analysis.storage.remote.xml import child_text, parse

_NANOSECONDS: Final = 1_000_000_000


async def list_objects(
    requests: S3Requests, address: RemoteAddress, options: RemoteOptions, folder: str, *, at_once: int
) -> AsyncIterator[Sequence[Entry]]:
    """Yield what lies below a folder of an address, by names in the order of their bytes; memory stays flat.

    Raises:
        StoreUnavailable: the bucket does not answer.

    """
    below = address.full_key("")
    query = {"list-type": "2", "encoding-type": "url", "max-keys": str(at_once)}
    query["prefix"] = f"{below}{folder}/" if folder else below
    async with requests.connected(options.request_seconds) as client:
        while True:
            found = parse(await _ask(requests, client, query, within_seconds=options.retry_seconds))
            if page := [_entry(element, below) for element in found if element.tag == "Contents"]:
                yield page
            if child_text(found, "IsTruncated") != "true":
                return
            query["continuation-token"] = child_text(found, "NextContinuationToken")


async def _ask(
    requests: S3Requests, client: httpx.AsyncClient, query: dict[str, str], *, within_seconds: float
) -> bytes:
    """Return an answer that is a success; asked again while the bucket is too busy for it, or does not answer."""
    ends_at, pause = time.monotonic() + within_seconds, FIRST_PAUSE_SECONDS
    while True:
        is_last = time.monotonic() + pause > ends_at
        try:
            answer = await requests.send(HTTPMethod.GET, query=query, client=client)
        except StoreUnavailable:
            if is_last:
                raise
        else:
            if answer.status_code == HTTPStatus.OK:
                return answer.content
            if is_last or answer.status_code not in AGAIN:
                raise translate(httpx.HTTPError(f"status code: {answer.status_code} {answer.text}"))
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _entry(found: Element, below: str) -> Entry:
    name = unquote_plus(child_text(found, "Key")).removeprefix(below)
    try:
        modified_at = datetime.fromisoformat(child_text(found, "LastModified"))
        size_bytes = int(child_text(found, "Size"))
    except ValueError:
        raise StoreUnavailable("the bucket lists an object without its size and time") from None
    return Entry(name, EntryKind.FILE, size_bytes, int(modified_at.timestamp() * _NANOSECONDS))
