"""What uploads leave in a bucket that nobody ended: pieces, and parts of objects whose process was killed."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPMethod, HTTPStatus
from itertools import groupby
from typing import Final
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element

from media_analysis.errors import StoreUnavailable
from media_analysis.storage.remote.bucket import Bucket
from media_analysis.storage.remote.deleting import delete_all, find_pieces
from media_analysis.storage.remote.failures import failure_of
from media_analysis.storage.remote.names import key_of_piece, pieces_of
from media_analysis.storage.remote.xml import child_text, parse

_NANOSECONDS: Final = 1_000_000_000


class Leftovers:
    """Finds and deletes them; parts of objects on S3 alone, and where the keys are told.

    Azure drops the parts of what was never ended after a week. On Google's, and where obstore alone knows the keys of
    S3, a lifecycle rule of the bucket (AbortIncompleteMultipartUpload) has to.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._requests = bucket.requests

    async def find(self, before: datetime) -> AsyncIterator[Sequence[str]]:
        """Yield the keys of which something is left that nobody has added to since `before`, some at a time.

        Memory stays flat. A key may come twice; whoever deletes what is left asks first whether it has a row.

        Raises:
            StoreUnavailable: the bucket does not answer.

        """
        before_ns = int(before.timestamp() * _NANOSECONDS)
        key, newest_ns = "", 0
        async for page in self._bucket.pages(pieces_of()):
            old = []
            for found, pieces in groupby(page, key=lambda entry: key_of_piece(entry.name)):
                if found != key and key and newest_ns < before_ns:
                    old.append(key)
                newest_ns = max(newest_ns if found == key else 0, *(piece.modified_ns for piece in pieces), 0)
                key = found
            if old:
                yield old
        if key and newest_ns < before_ns:
            yield [key]
        async for uploads in self._uploads(""):
            if keys := [key for key, _, at in uploads if at < before]:
                yield keys

    async def delete(self, keys: Sequence[str]) -> Mapping[str, str]:
        """Delete what is left of objects; return why what stays of them does. Objects that are whole stay."""
        pieces = await find_pieces(self._bucket, keys)
        failed = {key_of_piece(piece): reason for piece, reason in (await delete_all(self._bucket, pieces)).items()}
        for reasons in await self._bucket.each(self._abort, keys):
            failed |= reasons
        return failed

    async def _abort(self, key: str) -> Mapping[str, str]:
        failed: dict[str, str] = {}
        async for uploads in self._uploads(key):
            for found, upload_id, _ in uploads:
                if found != key or self._requests is None:
                    continue
                answer = await self._requests.ask(
                    HTTPMethod.DELETE, key=self._bucket.address.full_key(key), query={"uploadId": upload_id}
                )
                if answer.status_code not in {HTTPStatus.NO_CONTENT, HTTPStatus.OK, HTTPStatus.NOT_FOUND}:
                    failed[key] = f"the bucket answered {answer.status_code}"
        return failed

    async def _uploads(self, key: str) -> AsyncIterator[Sequence[tuple[str, str, datetime]]]:
        """Yield pages of keys that begin so, with the id and the beginning of an upload that was not ended."""
        if self._requests is None:
            return
        marks = {"key-marker": "", "upload-id-marker": ""}
        while True:
            query = {"uploads": "", "encoding-type": "url", "prefix": self._bucket.address.full_key(key), **marks}
            answer = await self._requests.ask(HTTPMethod.GET, query=query)
            if answer.status_code != HTTPStatus.OK:
                raise failure_of(answer)
            found = parse(answer.content)
            yield [
                (self._key_of(child_text(upload, "Key")), child_text(upload, "UploadId"), _began_at(upload))
                for upload in found.iter("Upload")
            ]
            if child_text(found, "IsTruncated") != "true":
                return
            marks = {
                "key-marker": unquote_plus(child_text(found, "NextKeyMarker")),
                "upload-id-marker": child_text(found, "NextUploadIdMarker"),
            }

    def _key_of(self, encoded: str) -> str:
        return unquote_plus(encoded).removeprefix(self._bucket.address.full_key(""))


def _began_at(upload: Element) -> datetime:
    try:
        return datetime.fromisoformat(child_text(upload, "Initiated")).astimezone(UTC)
    except ValueError:
        raise StoreUnavailable("the bucket does not say when an upload began") from None
