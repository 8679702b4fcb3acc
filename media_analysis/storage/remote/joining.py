"""Objects joined by S3 itself: it copies them as parts of a new one, and their bytes do not travel again."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPMethod, HTTPStatus
from typing import Any, Final
from urllib.parse import quote
from xml.etree.ElementTree import Element

import httpx

from media_analysis.errors import StoreUnavailable
from media_analysis.failpoints import failpoint
from media_analysis.storage.calls import each, uncancelled
from media_analysis.storage.remote.bucket import MOST_PARTS, Bucket, require_free, require_size
from media_analysis.storage.remote.failures import failure_of
from media_analysis.storage.remote.reading import fetch
from media_analysis.storage.remote.signing import S3Requests
from media_analysis.storage.remote.xml import child_text, parse

LEAST_PART_BYTES: Final = 5 * 2**20
"""Of every part but the last."""
MOST_PART_BYTES: Final = 2**30
"""What one request is asked to copy; S3 would copy 5 GiB, and take its time."""
AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class ByteSpan:
    """Bytes of an object from `start` up to, not including, `end`."""

    name: str
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


def plan_parts(ranges: Sequence[tuple[str, int]]) -> Sequence[Sequence[ByteSpan]]:
    """Return the parts of a new object: a span that is copied, or several that are too short and are put as one."""
    total = sum(size_bytes for _, size_bytes in ranges)
    least = max(LEAST_PART_BYTES, -(-total // (MOST_PARTS // 2)))
    parts: list[list[ByteSpan]] = []
    short: list[ByteSpan] = []
    for span in _spans(ranges):
        if not short and len(span) >= least:
            parts.append([span])
            continue
        # Of a long one no more is taken than is missing: what is taken travels.
        missing = least - sum(map(len, short))
        cut = span.start + missing if len(span) >= missing + least else span.end
        short.append(ByteSpan(span.name, span.start, cut))
        if sum(map(len, short)) >= least:
            parts.append(short)
            short = []
        if cut < span.end:
            parts.append([ByteSpan(span.name, cut, span.end)])
    return [*parts, short] if short else parts


def _spans(ranges: Sequence[tuple[str, int]]) -> Iterator[ByteSpan]:
    for name, size_bytes in ranges:
        for start in range(0, size_bytes, MOST_PART_BYTES):
            yield ByteSpan(name, start, min(size_bytes, start + MOST_PART_BYTES))


async def join(bucket: Bucket, requests: S3Requests, key: str, ranges: Sequence[tuple[str, int]]) -> None:
    """Make one new object of the first bytes of others, one behind the other. It ends even if cancelled.

    That its name is free is looked for before the last request, which itself takes no name that is taken where S3
    knows that condition for parts.

    Raises:
        StoreUnavailable: the name is taken, or S3 does not do it; nothing is left then.

    """
    await uncancelled(asyncio.ensure_future(_join(bucket, requests, key, ranges)))


async def _join(bucket: Bucket, requests: S3Requests, key: str, ranges: Sequence[tuple[str, int]]) -> None:
    async with requests.connected(bucket.options.transfer_seconds) as client:
        joining = _Joining(bucket, requests, client, bucket.address.full_key(key))
        upload_id = await joining.begin()
        try:
            tags = await joining.put_parts(upload_id, plan_parts(ranges))
            failpoint("remote.completing")
            await asyncio.to_thread(require_free, bucket, key)
            await joining.complete(upload_id, tags)
        except BaseException:
            await joining.abort(upload_id)
            raise
    require_size(await bucket.find(key), key, sum(size_bytes for _, size_bytes in ranges))


@dataclass(frozen=True)
class _Joining:
    bucket: Bucket
    requests: S3Requests
    client: httpx.AsyncClient
    name: str

    async def begin(self) -> str:
        return child_text(await self._ask(HTTPMethod.POST, {"uploads": ""}), "UploadId")

    async def put_parts(self, upload_id: str, parts: Sequence[Sequence[ByteSpan]]) -> Sequence[str]:
        """Return the tags of all parts in order; several are copied at once, and one alone travels."""
        travelling = asyncio.Lock()

        async def put(numbered: tuple[int, Sequence[ByteSpan]]) -> str:
            number, spans = numbered
            self.bucket.require_open()
            query = {"partNumber": str(number), "uploadId": upload_id}
            if len(spans) == 1:
                return await self._copy(query, spans[0])
            async with travelling:
                content = b"".join([await fetch(self.bucket, span.name, span.start, span.end) for span in spans])
                answer = await self._send(HTTPMethod.PUT, query, content=content)
                return str(answer.headers.get("etag", ""))

        return await each(put, list(enumerate(parts, start=1)), at_once=AT_ONCE)

    async def complete(self, upload_id: str, tags: Sequence[str]) -> None:
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>"
            for number, tag in enumerate(tags, start=1)
        )
        content = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        query, headers = {"uploadId": upload_id}, {"if-none-match": "*"}
        await self._ask(HTTPMethod.POST, query, headers=headers, content=content)

    async def abort(self, upload_id: str) -> None:
        with suppress(StoreUnavailable):  # parts that stay are found by their age
            await self.requests.send(HTTPMethod.DELETE, key=self.name, query={"uploadId": upload_id})

    async def _copy(self, query: Mapping[str, str], span: ByteSpan) -> str:
        source = f"/{self.bucket.address.bucket}/{self.bucket.address.full_key(span.name)}"
        headers = {
            "x-amz-copy-source": quote(source, safe="/-_.~"),
            "x-amz-copy-source-range": f"bytes={span.start}-{span.end - 1}",
        }
        return child_text(await self._ask(HTTPMethod.PUT, query, headers=headers), "ETag")

    async def _ask(self, method: HTTPMethod, query: Mapping[str, str], **about: Any) -> Element:
        """Return what is answered; S3 may begin with 200, and say later that it did not work."""
        found = parse((await self._send(method, query, **about)).content)
        if found.tag == "Error":
            raise StoreUnavailable(f"the bucket answered {child_text(found, 'Code')}")
        return found

    async def _send(self, method: HTTPMethod, query: Mapping[str, str], **about: Any) -> httpx.Response:
        """Return an answer that is a success; what puts a part is sent again while the bucket is too busy for it."""
        send = self.requests.ask if method is HTTPMethod.PUT else self.requests.send
        return _success(await send(method, key=self.name, query=query, client=self.client, **about))


def _success(answer: httpx.Response) -> httpx.Response:
    if answer.status_code in {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.CONFLICT}:
        raise StoreUnavailable("the name is taken")
    if not answer.is_success:
        raise failure_of(answer)
    return answer
