"""What a task may hand over: bounded, finite and printable; checked where it is made, and again where it arrives."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from media_analysis.analysis.child.protocol import (
    MAX_DOCUMENT_BYTES,
    MAX_PRODUCT_BYTES,
    ProgressMade,
    ResultMade,
    WarningGiven,
)
from media_analysis.analysis.task import Product
from media_analysis.errors.analysis import OutputRefused
from media_analysis.errors.media import MediaLimitPassed
from media_analysis.storage.category import Category

MAX_DEPTH: Final = 64
MAX_REFERRING_BYTES: Final = 2**20
"""An id is longer than what stands for it."""
MAX_INTEGER: Final = 2**63 - 1
MAX_ORDINAL: Final = 2**31 - 1
LONGEST_TEXT: Final = 2_000
LONGEST_STAGE: Final = 80
LONGEST_FILENAME: Final = 255
DERIVED: Final = frozenset({Category.FRAMES, Category.CONTACT_SHEETS, Category.OUTPUTS, Category.TEMP, Category.CLIPS})
_NAME: Final = re.compile(r"[a-z0-9_]{1,40}")
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}")
_UNKEEPABLE: Final = re.compile("[\0\ud800-\udfff]")


def printable(text: str, *, longest: int = LONGEST_TEXT) -> str:
    """Return `text` as PostgreSQL and UTF-8 take it: no NUL, no lone surrogate, not too long."""
    return _UNKEEPABLE.sub("\ufffd", text[:longest])


def checked_progress(progress: ProgressMade) -> ProgressMade:
    """Return it with a share between 0 and 1 and a stage of some letters."""
    share = min(max(progress.share, 0.0), 1.0) if math.isfinite(progress.share) else 0.0
    stage = printable(progress.stage, longest=LONGEST_STAGE)
    return ProgressMade(share=share, stage=stage, done=_count(progress.done), total=_count(progress.total))


def checked_warning(warning: WarningGiven) -> WarningGiven:
    """Return it printable.

    Raises:
        OutputRefused: the code is no name.

    """
    return WarningGiven(code=_name("the code of a warning", warning.code), detail=printable(warning.detail))


def checked_product(product: Product, *, size_bytes: int, sources: int) -> Product:
    """Return it if it can be kept.

    Raises:
        OutputRefused: a name, number or category is not one a derived file can have.
        MediaLimitPassed: it is larger than one file may be.

    """
    if size_bytes > MAX_PRODUCT_BYTES:
        raise MediaLimitPassed("bytes_of_one_product", found=size_bytes, allowed=MAX_PRODUCT_BYTES)
    _name("the role of a product", product.role)
    _source(product.source, sources)
    _require(0 <= product.ordinal <= MAX_ORDINAL, "the ordinal of a product counts from 0")
    _require(product.category in DERIVED, f"no product belongs to {product.category}")
    _require(bool(_MEDIA_TYPE.fullmatch(product.media_type)), "the media type of a product is none")
    _require(_is_filename(product.filename), "the filename of a product is none")
    _require(not product.refers or size_bytes <= MAX_REFERRING_BYTES, "a product that refers to others is too large")
    instant = product.instant_seconds
    _require(instant is None or math.isfinite(instant), "the instant of a product is not finite")
    return product


def checked_result(result: ResultMade, *, sources: int) -> ResultMade:
    """Return it with a document of plain JSON values.

    Raises:
        OutputRefused: a number is not finite or too large, a value is not JSON, or it is nested too deeply.

    """
    _source(result.source, sources)
    document = _plain_mapping(result.document, depth=0)
    return ResultMade(kind=_name("the kind of a result", result.kind), document=document, source=result.source)


def encoded(document: Mapping[str, Any]) -> bytes:
    """Return a checked document as JSON.

    Raises:
        OutputRefused: it is larger than a result may be.

    """
    payload = json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    _require(len(payload) <= MAX_DOCUMENT_BYTES, f"a result is larger than {MAX_DOCUMENT_BYTES:,} bytes")
    return payload


def _plain(value: object, *, depth: int) -> object:
    match value:
        case None | bool():
            return value
        case str():
            return _UNKEEPABLE.sub("\ufffd", value)
        case int():
            _require(-MAX_INTEGER <= value <= MAX_INTEGER, "a number of a result has more than 64 bits")
            return value
        case float():
            _require(math.isfinite(value), "a number of a result is not finite")
            return value
        case Mapping():
            return _plain_mapping(value, depth=depth)
        case list() | tuple():
            _require(depth < MAX_DEPTH, "a result is nested too deeply")
            return [_plain(item, depth=depth + 1) for item in value]
    raise OutputRefused(f"a result holds a {type(value).__name__}, which JSON has not")


def _plain_mapping(mapping: Mapping[Any, Any], *, depth: int) -> dict[str, Any]:
    _require(depth < MAX_DEPTH, "a result is nested too deeply")
    _require(all(isinstance(key, str) for key in mapping), "a key of a result is no text")
    return {_UNKEEPABLE.sub("\ufffd", key): _plain(value, depth=depth + 1) for key, value in mapping.items()}


def _count(number: int | None) -> int | None:
    return number if number is not None and 0 <= number <= MAX_INTEGER else None


def _name(what: str, name: str) -> str:
    _require(bool(_NAME.fullmatch(name)), f"{what} is 1 to 40 of a-z, 0-9 and _")
    return name


def _source(position: int | None, sources: int) -> None:
    _require(position is None or 0 <= position < sources, "there is no such source")


def _is_filename(name: str) -> bool:
    short = 0 < len(name.encode(errors="replace")) <= LONGEST_FILENAME
    return short and name == printable(name) and not re.search(r"[/\\\x00-\x1f]", name)


def _require(fulfilled: bool, reason: str) -> None:  # noqa: FBT001 - it is the condition
    if not fulfilled:
        raise OutputRefused(reason)
