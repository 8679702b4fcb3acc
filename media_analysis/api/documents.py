"""JSON documents: read once and strictly, bounded in depth and in what they may hold before anything is kept."""

import json
from collections.abc import Callable, Coroutine
from math import isinf
from typing import Any, Final

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from media_analysis.api.errors import LONGEST_FIELD, printable
from media_analysis.errors import InvalidRequest

MAX_DEPTH: Final = 64
BYTE_ORDER_MARK: Final = "\ufeff"
LARGEST_INTEGER: Final = 2**63


def parse_json(content: bytes | str, field: str = "body") -> Any:
    """Return the value of a JSON text (RFC 8259).

    Raises:
        InvalidRequest: it is none: not UTF-8, NaN or Infinity, a byte order mark, a member named twice at any depth.

    """
    try:
        text = content.decode() if isinstance(content, bytes) else content
        if text.startswith(BYTE_ORDER_MARK):
            raise InvalidRequest(field, "begins with a byte order mark, which JSON does not have")
        return _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise InvalidRequest(field, "is not UTF-8") from error
    except _NamedTwice as error:
        raise InvalidRequest(f"{field}.{error}", "given twice") from error
    except RecursionError as error:
        raise InvalidRequest(field, "is nested too deep") from error
    except ValueError as error:  # of the parser, of a constant, of a number without end
        raise InvalidRequest(field, f"is not JSON{_place(error)}") from error


async def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object a request brings.

    Raises:
        InvalidRequest: it is not JSON, no object, or nothing that can be kept.

    """
    document = parse_json(await request.body())
    if not isinstance(document, dict):
        raise InvalidRequest("body", "must be a JSON object")
    require_storable(document, "body")
    return document


class DocumentRoute(APIRoute):
    """A route whose body is a document that says nothing twice; FastAPI's own parser takes whatever comes last."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which finds the document parsed."""
        handler = super().get_route_handler()
        if self.body_field is None:
            return handler

        async def handle_parsed(request: Request) -> Response:
            parsed = _Parsed(request.scope, request.receive)
            if body := await parsed.body():
                parsed.document = parse_json(body)
            return await handler(parsed)

        return handle_parsed


class _Parsed(Request):
    document: Any = None

    async def json(self) -> Any:
        return self.document


def require_storable(document: object, field: str) -> None:
    """Make sure that a parsed document can be kept as JSONB.

    Raises:
        InvalidRequest: it is nested too deep, holds NUL, a lone surrogate, or a number that would lose digits.

    """
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        fault = _find_fault(level)
        if fault is not None:
            raise InvalidRequest(field, fault)
        level = _inside(level)
        if not level:
            return
    raise InvalidRequest(field, f"is nested deeper than {MAX_DEPTH} levels")


def _find_fault(values: list[Any]) -> str | None:
    # One loop without a call for each of a million values, which would keep everybody waiting.
    for value in values:
        kind = type(value)
        if kind is str:
            if "\0" in value:
                return "holds a NUL character"
            if not value.isascii() and printable(value) != value:
                return "holds half a character: a lone surrogate"
        elif kind is float:
            if isinf(value):
                return "holds a number beyond double precision"
        elif kind is int and not -LARGEST_INTEGER <= value < 2 * LARGEST_INTEGER:
            return "holds a whole number of more than 64 bits"
    return None


def _inside(values: list[Any]) -> list[Any]:
    inside: list[Any] = []
    for value in values:
        if isinstance(value, dict):
            inside += value
            inside += value.values()
        elif isinstance(value, list):
            inside += value
    return inside


class _NamedTwice(Exception):
    """A JSON object names a member twice."""


def _named_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise _NamedTwice(printable(twice)[:LONGEST_FIELD])
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f": {name} is no number in it")


def _place(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f", from character {error.pos} on"
    return str(error) if str(error).startswith(":") else ""


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_named_once, parse_constant=_refuse_constant)
