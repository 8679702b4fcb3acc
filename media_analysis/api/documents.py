"""JSON objects of any shape: bounded in depth and in what they may hold before anything is kept."""

from collections.abc import Iterator
from typing import Any, Final

import orjson
from starlette.requests import Request

from media_analysis.errors import InvalidRequest

MAX_DEPTH: Final = 64


async def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object a request brings.

    Raises:
        InvalidRequest: it is not JSON (RFC 8259, so no NaN and no lone surrogate), no object, nested too deep, or
            holds what PostgreSQL cannot (NUL).

    """
    try:
        document = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise InvalidRequest("body", "is not JSON") from error
    if not isinstance(document, dict):
        raise InvalidRequest("body", "must be a JSON object")
    require_storable(document, "body")
    return document


def require_storable(document: object, field: str) -> None:
    """Make sure that a parsed document can be kept as JSONB.

    Raises:
        InvalidRequest: it is nested too deep, holds NUL, or a number beyond double precision.

    """
    level: list[object] = [document]
    for _ in range(MAX_DEPTH):
        if any(isinstance(item, str) and "\0" in item for item in level):
            raise InvalidRequest(field, "holds a NUL character")
        level = [inner for item in level for inner in _inside(item)]
        if not level:
            return
    raise InvalidRequest(field, f"is nested deeper than {MAX_DEPTH} levels")


def _inside(item: object) -> Iterator[object]:
    match item:
        case dict():
            yield from item
            yield from item.values()
        case list():
            yield from item
