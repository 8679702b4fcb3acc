"""Requests of the API, and what their answers say."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeVar
from uuid import UUID

from media_analysis.client.answers import read
from media_analysis.client.errors import NotUnderstood
from media_analysis.client.retrying import Patience, ask
from media_analysis.client.steps import Answer, Body, Emit, Emitting, Request, Steps

API: Final = "/api/v1"
PAGE: Final = 1_000
Kind = TypeVar("Kind")
Value = str | int | bool | UUID | datetime | None
Labels = Mapping[str, str]
Query = tuple[tuple[str, str], ...]
Expiry = datetime | Literal["never"]
Id = UUID | str


@dataclass(frozen=True, slots=True)
class Api:
    """How an operation is to go about it."""

    patience_seconds: float

    def patience(self) -> Patience:
        """Return a new patience."""
        return Patience(self.patience_seconds)


def get(path: str, **query: Value | Sequence[str]) -> Request:
    """Return a request for a document; what is None is not said."""
    return Request("GET", f"{API}{path}", pairs(**query))


def post(path: str, document: Mapping[str, Any] | None = None, *, method: str = "POST") -> Request:
    """Return a request that brings a document, or nothing."""
    if document is None:
        return Request(method, f"{API}{path}")
    body = json.dumps(document, default=written).encode()
    return Request(method, f"{API}{path}", headers={"Content-Type": "application/json"}, body=body)


def put_bytes(path: str, body: bytes | Body, headers: Mapping[str, str], query: Query) -> Request:
    """Return a request that brings bytes."""
    return Request("POST", f"{API}{path}", query, {"Content-Type": "application/octet-stream", **headers}, body)


def pairs(**query: Value | Sequence[str]) -> Query:
    """Return a query; what is None is not said, and a sequence is said item by item."""
    return tuple(
        (name, written(one))
        for name, given in query.items()
        if given is not None
        for one in ([given] if isinstance(given, str) or not isinstance(given, Sequence) else given)
    )


def written(value: object) -> str:
    """Return a value as the API reads it.

    Raises:
        ValueError: an instant without an offset, which would be another one on another machine.

    """
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            if value.tzinfo is None:
                raise ValueError(f"{value} has no time zone")
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case _:
            return str(value)


def path_id(given: Id) -> str:
    """Return an id as paths have it; what is none must not become another path.

    Raises:
        ValueError: it is none.

    """
    return str(given if isinstance(given, UUID) else UUID(given))


def seconds_of(ttl: timedelta | None) -> int | None:
    """Return a lifetime in whole seconds."""
    return None if ttl is None else int(ttl.total_seconds())


def label_texts(labels: Labels | Iterable[str] | None) -> Sequence[str] | None:
    """Return labels, or filters by them, as queries say them."""
    if labels is None:
        return None
    return [f"{key}:{value}" for key, value in labels.items()] if isinstance(labels, Mapping) else list(labels)


def document_of(answer: Answer) -> Any:
    """Return the document that an answer brings.

    Raises:
        NotUnderstood: it brings none.

    """
    try:
        return json.loads(answer.content)
    except ValueError as error:
        raise NotUnderstood("the server's answer is no JSON; is the address that of media-analysis?") from error


def fetch(kind: type[Kind], request: Request, patience: Patience, *, is_safe: bool = True) -> Steps[Kind]:
    """Return what a request is answered, as a value."""
    answer = yield from ask(request, patience, is_safe=is_safe)
    return read(kind, document_of(answer))


def list_all(
    kind: type[Kind], path: str, patience: Patience, query: Query = (), *, limit: int | None = None
) -> Emitting[Kind]:
    """Emit what a list has, page after page, no more than `limit`."""
    cursor: str | None = None
    left = limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        asked = Request("GET", f"{API}{path}", (*query, *pairs(limit=size, cursor=cursor)))
        page = document_of((yield from ask(asked, patience)))
        if not isinstance(page, dict) or not isinstance(page.get("items"), list):
            raise NotUnderstood("the server's answer is no page of a list")
        for item in page["items"][:left]:
            yield Emit(read(kind, item))
        patience.renew()
        left = None if left is None else left - len(page["items"])
        cursor = page.get("next_cursor")
        if cursor is None:
            return
