"""The parent's end of the pipe: what comes out of a child is checked as if a stranger had sent it."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import structlog
from pydantic import TypeAdapter

from media_analysis.analysis.child.outputs import (
    checked_product,
    checked_progress,
    checked_result,
    checked_warning,
    printable,
)
from media_analysis.analysis.child.protocol import (
    HEAD,
    MAX_DOCUMENT_BYTES,
    MAX_HEADER_BYTES,
    MAX_PRODUCT_BYTES,
    Message,
    ProductMade,
    ProgressMade,
    ResultMade,
    WarningGiven,
)
from media_analysis.analysis.task import Product
from media_analysis.errors.analysis import AnalysisCrashed, AnalysisMemoryPassed, KindUnknown, OutputRefused, TaskFailed
from media_analysis.errors.kinds import MediaAnalysisError
from media_analysis.errors.media import (
    CorruptMedia,
    InstantPastEnd,
    MediaLimitPassed,
    NoPictures,
    NoSuchPage,
    UnsupportedMedia,
)

LONG_DOCUMENT_BYTES: Final = 65_536
"""From here on parsing holds up the event loop noticeably."""
LARGEST_PAYLOADS: Final = {"product": MAX_PRODUCT_BYTES, "result": MAX_DOCUMENT_BYTES}
SPOKEN: Final = {error.code: error for error in (UnsupportedMedia, CorruptMedia, NoPictures, NoSuchPage, OutputRefused)}
_PROGRESS: Final = TypeAdapter(ProgressMade)
_PRODUCT: Final = TypeAdapter(Product)
_WARNING: Final = TypeAdapter(WarningGiven)
log = structlog.get_logger()


@dataclass
class MessageReader:
    """Reads one message at a time, so that a child waits while its parent stores."""

    stream: asyncio.StreamReader
    sources: int
    max_product_bytes: int
    _product_bytes: int = 0

    async def read(self) -> Message | None:
        """Return the next message, or None when the task returned.

        Raises:
            MediaAnalysisError: the task failed; if with AnalysisCrashed, it said so itself.
            EOFError: the child ended without a word.

        """
        while True:
            header, payload = await self._frame()
            match header.get("type"):
                case "ended":
                    return None
                case "failed":
                    raise failure_of(header)
                case "confined":
                    report_missing(tuple(header["missing"]))
                case _:
                    return await self._message(header, payload)

    async def _frame(self) -> tuple[dict[str, Any], bytes]:
        header_bytes, payload_bytes = HEAD.unpack(await self.stream.readexactly(HEAD.size))
        if header_bytes > MAX_HEADER_BYTES:
            raise AnalysisCrashed("the child's words are out of order")
        header = _parsed(await self.stream.readexactly(header_bytes))
        if payload_bytes > LARGEST_PAYLOADS.get(str(header.get("type")), 0):
            raise AnalysisCrashed("the child's words are out of order")
        return header, await self.stream.readexactly(payload_bytes)

    async def _message(self, header: dict[str, Any], payload: bytes) -> Message:
        try:
            if len(payload) > LONG_DOCUMENT_BYTES and header["type"] == "result":
                return await asyncio.to_thread(self._decoded, header, payload)
            return self._decoded(header, payload)
        except (KeyError, TypeError, ValueError) as error:
            raise AnalysisCrashed("the child's words make no sense") from error

    def _decoded(self, header: dict[str, Any], payload: bytes) -> Message:
        match header.pop("type"):
            case "progress":
                return checked_progress(_PROGRESS.validate_python(header))
            case "warning":
                return checked_warning(_WARNING.validate_python(header))
            case "result":
                result = ResultMade(kind=str(header["kind"]), document=_parsed(payload), source=header["source"])
                return checked_result(result, sources=self.sources)
            case "product":
                return self._product(_PRODUCT.validate_python(header["product"]), payload)
        raise ValueError("no such message")

    def _product(self, product: Product, content: bytes) -> ProductMade:
        self._product_bytes += len(content)
        if self._product_bytes > self.max_product_bytes:
            raise MediaLimitPassed("bytes_of_products", found=self._product_bytes, allowed=self.max_product_bytes)
        product = checked_product(product, size_bytes=len(content), sources=self.sources)
        return ProductMade(product=product, content=content)


def failure_of(header: Mapping[str, Any]) -> MediaAnalysisError:
    """Return the error that a child says its task raised."""
    code, detail, facts = str(header["code"]), printable(str(header.get("detail", ""))), header.get("facts", {})
    if code in SPOKEN:
        return SPOKEN[code](detail)
    match code, facts:
        case MediaLimitPassed.code, {
            "what": str(what),
            "found": int() | float() as found,
            "allowed": int() | float() as most,
        }:
            return MediaLimitPassed(what, found=found, allowed=most)
        case InstantPastEnd.code, {"end_seconds": int() | float() as end_seconds}:
            return InstantPastEnd(end_seconds=end_seconds)
        case AnalysisMemoryPassed.code, {"limit_bytes": int(limit_bytes)}:
            return AnalysisMemoryPassed(limit_bytes=limit_bytes)
    return _failure_of_task(code, detail, facts)


def _failure_of_task(code: str, detail: str, facts: Mapping[str, Any]) -> MediaAnalysisError:
    match code, facts:
        case KindUnknown.code, {"kind": str(name)}:
            return KindUnknown(name)
        case AnalysisCrashed.code, _:
            return AnalysisCrashed(detail)
    return TaskFailed(printable(code, longest=40), detail)


@cache
def report_missing(walls: tuple[str, ...]) -> None:
    """Log, once for every set of them, which walls this kernel does not have."""
    if walls:
        log.warning("confinement.incomplete", missing=list(walls))


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AnalysisCrashed("the child's words make no sense") from error
    if not isinstance(document, dict):
        raise AnalysisCrashed("the child's words make no sense")
    return document
