"""Listings of S3 with names as they are: obstore ends at the first that is no path, and anybody can put one."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from http import HTTPMethod, HTTPStatus
from typing import Final
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element

from media_analysis.errors import StoreUnavailable
from media_analysis.storage.entries import Entry, EntryKind
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.failures import failure_of
from media_analysis.storage.remote.signing import S3Requests
from media_analysis.storage.remote.xml import child_text, parse

_NANOSECONDS: Final = 1_000_000_000


async def list_objects(
    requests: S3Requests, address: RemoteAddress, folder: str, *, at_once: int, after: str = ""
) -> AsyncIterator[Sequence[Entry]]:
    """Yield what lies below a folder, by names in the order of their bytes, behind `after`; memory stays flat.

    Raises:
        StoreUnavailable: the bucket does not answer.

    """
    below = address.full_key("")
    query = {"list-type": "2", "encoding-type": "url", "max-keys": str(at_once)}
    query["prefix"] = f"{below}{folder}/" if folder else below
    if after:
        query["start-after"] = f"{below}{after}"
    async with requests.connected(requests.timeout_seconds) as client:
        while True:
            answer = await requests.ask(HTTPMethod.GET, query=query, client=client)
            if answer.status_code != HTTPStatus.OK:
                raise failure_of(answer)
            found = parse(answer.content)
            if page := [_entry(element, below) for element in found if element.tag == "Contents"]:
                yield page
            if child_text(found, "IsTruncated") != "true":
                return
            query.pop("start-after", None)
            query["continuation-token"] = child_text(found, "NextContinuationToken")


def _entry(found: Element, below: str) -> Entry:
    name = unquote_plus(child_text(found, "Key")).removeprefix(below)
    try:
        modified_at = datetime.fromisoformat(child_text(found, "LastModified"))
        size_bytes = int(child_text(found, "Size"))
    except ValueError:
        raise StoreUnavailable("the bucket lists an object without its size and time") from None
    modified_ns, tag = int(modified_at.timestamp() * _NANOSECONDS), tag_of(child_text(found, "ETag"))
    return Entry(name, EntryKind.FILE, size_bytes, modified_ns, tag=tag)


def tag_of(told: str | None) -> str | None:
    """Return an entity tag as it is compared: listings and answers quote it, or do not."""
    return (told or "").strip('"') or None
