"""Which resources there are, and what each method of them takes: read once off the routes that answer."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Any, Final, Self, get_args, get_origin

from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from starlette.routing import BaseRoute, Mount
from starlette.types import Receive, Scope, Send

from media_analysis.api import API_PATH
from media_analysis.api.requests import Fields
from media_analysis.sessions.roles import Scope as UserScope

Endpoint = Callable[..., Any]
Shortcut = Callable[[Scope, Fields, Receive, Send], Awaitable[Receive | None]]
"""Answers a request, or leaves it to its route, and returns where that has the body from."""
DOCUMENT_BYTES: Final = 64 * 1024
LARGEST: Final = "x-largest-bytes"
"""In the description of a request body: how long a document may be that may be longer than others."""
_GOVERNING: Final = frozenset({"sessions", "audit", "records", "link keys"})
_OF_TAGS: Final[Mapping[str | Enum, UserScope]] = {
    "uploads": UserScope.FILES_WRITE,
    "links": UserScope.FILES_READ,
    "trash": UserScope.RETENTION,
    "holds": UserScope.RETENTION,
    "audit": UserScope.RETENTION,
    "events": UserScope.FILES_READ,
    "webhooks": UserScope.WEBHOOKS,
    "jobs": UserScope.JOBS,
    "results": UserScope.JOBS,
    "archives": UserScope.JOBS,
    "external analysers": UserScope.JOBS,
}
_OF_FILES: Final = (
    ({"GET", "HEAD"}, UserScope.FILES_READ),
    ({"POST", "PUT", "PATCH"}, UserScope.FILES_WRITE),
)
"""Which methods of files need which scope; what is left deletes."""
_OF_LIMITED: Final[Mapping[str, str]] = {
    f"{API_PATH}/files": "GET POST DELETE",
    f"{API_PATH}/files/check": "POST",
    f"{API_PATH}/files/{{file_id}}": "GET PATCH DELETE",
    f"{API_PATH}/files/{{file_id}}/content": "GET HEAD",
    f"{API_PATH}/files/{{file_id}}/frame": "GET",
    f"{API_PATH}/files/{{file_id}}/thumbnail": "GET",
    f"{API_PATH}/files/{{file_id}}/retention": "GET",
    f"{API_PATH}/files/{{file_id}}/links": "POST",
    f"{API_PATH}/uploads/links": "POST",
    f"{API_PATH}/sessions/me": "GET",
    f"{API_PATH}/sessions/{{session_id}}": "OPTIONS DELETE",
    "/": "GET",
    "/files": "GET",
    "/files/{file_id}": "GET",
    "/sign-out": "POST",
}
"""What looks at the limit of a session, and is all that a limited one may use."""
_JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
"""What browsers send of a form."""
_PIECE: Final = "application/offset+octet-stream"
_KEY: Final = "idempotency-key"


async def leave_to_route(_scope: Scope, _fields: Fields, receive: Receive, _send: Send) -> Receive | None:
    """Answer nothing."""
    return receive


class Access(IntEnum):
    """Who may use a method of a resource."""

    ANYBODY = 0
    CALLER = 1
    ADMINISTRATOR = 2


@dataclass(frozen=True, slots=True)
class Operation:
    """What one method of a resource takes."""

    route: BaseRoute
    access: Access
    scope: UserScope | None = None
    """What a caller's session must be made for; None is anything."""
    keeps_limits: bool = False
    """Whether a session may use it that is limited to some files."""
    accepted: tuple[str, ...] = ()
    """The media types of its document."""
    limit_bytes: int | None = DOCUMENT_BYTES
    """How long its body may be to be read at once; None where bodies are streamed."""
    lists: frozenset[str] = frozenset()
    """The parameters of its query that may be given several times."""
    takes_pieces: bool = False
    """Whether its body may be a piece of something."""
    judges_conditions: bool = False
    """Whether its route compares entity tags and dates itself."""
    remembers_keys: bool = False
    """Whether an Idempotency-Key makes it safe to repeat."""
    shortcut: Shortcut = leave_to_route
    """What answers the usual GET without its route."""
    is_head: bool = False
    """Whether it is answered as GET, without the content."""

    @property
    def takes_content(self) -> bool:
        """Whether a body means something to it."""
        return bool(self.accepted) or self.limit_bytes is None


@dataclass(frozen=True, slots=True)
class Resource:
    """The methods of one path."""

    operations: Mapping[str, Operation]

    @property
    def allow(self) -> str:
        """Return the methods as the header Allow lists them (RFC 9110 section 10.2.1)."""
        return ", ".join(sorted({*self.operations, "OPTIONS"}))


@dataclass(slots=True)
class _Node:
    """A part of paths; what is called by its name comes before what has any name."""

    named: dict[str, "_Node"] = field(default_factory=dict)
    any: "_Node | None" = None
    resource: Resource | None = None
    is_mount: bool = False

    def add(self, part: str) -> "_Node":
        if not part.startswith("{"):
            return self.named.setdefault(part, _Node())
        if self.any is None:
            self.any = _Node()
        return self.any

    def find(self, parts: Sequence[str], at: int) -> Resource | None:
        if at == len(parts) or self.is_mount:
            return self.resource
        found = None
        if (named := self.named.get(parts[at])) is not None:
            found = named.find(parts, at + 1)
        if found is None and self.any is not None and parts[at]:
            found = self.any.find(parts, at + 1)
        return found


@dataclass(frozen=True, slots=True)
class Resources:
    """All resources of an application by their paths."""

    _root: _Node

    @classmethod
    def of_routes(
        cls,
        routes: Sequence[BaseRoute],
        access: Mapping[Endpoint, Access],
        shortcuts: Mapping[Endpoint, Shortcut] = MappingProxyType({}),
    ) -> Self:
        """Return the resources that `routes` serve; `access` tells what its dependencies ask of a caller."""
        operations: dict[str, dict[str, Operation]] = {}
        root = _Node()
        for context in iter_route_contexts(routes):
            path = context.path or ""
            operation = _operation(context, access, shortcuts)
            methods = {"GET"} if isinstance(context.original_route, Mount) else context.methods or set()
            operations.setdefault(path, {}).update(dict.fromkeys(methods, operation))
            node = root
            for part in path.split("/")[1:]:
                node = node.add(part)
            node.is_mount = isinstance(context.original_route, Mount)
            node.resource = Resource(operations[path])
        for known in operations.values():
            if "GET" in known:
                known.setdefault("HEAD", replace(known["GET"], is_head=True, shortcut=leave_to_route))
        return cls(root)

    def find(self, path: str) -> Resource | None:
        """Return what answers at a path, None where nothing does."""
        return self._root.find(path.split("/"), 1)


def _operation(
    context: RouteContext, access: Mapping[Endpoint, Access], shortcuts: Mapping[Endpoint, Shortcut]
) -> Operation:
    described: Mapping[str, Any] = getattr(context, "openapi_extra", None) or {}
    body = described.get("requestBody", {})
    accepted = tuple(body.get("content", {}))
    streams = bool(accepted) and not {_JSON, FORM} & {*accepted}
    if getattr(context, "body_field", None) is not None:
        accepted = (_JSON,)
    dependant: Dependant | None = getattr(context, "dependant", None)
    asks = max(map(access.__getitem__, _asked(dependant, access)), default=Access(0))
    return Operation(
        route=context.original_route,
        access=asks,
        scope=_scope(asks, getattr(context, "tags", None) or (), context.methods or ()),
        keeps_limits=(context.methods or {""}) <= set(_OF_LIMITED.get(context.path or "", "").split()),
        lists=frozenset(_lists(dependant)),
        accepted=() if streams else accepted,
        limit_bytes=None if streams else body.get(LARGEST, DOCUMENT_BYTES),
        takes_pieces=_PIECE in body.get("content", {}),
        remembers_keys=any(header.alias == _KEY for header in (dependant.header_params if dependant else ())),
        shortcut=_shortcut(context, shortcuts),
        judges_conditions=any(parameter["name"] == "If-Match" for parameter in described.get("parameters", ())),
    )


def _scope(access: Access, tags: Collection[str | Enum], methods: Collection[str]) -> UserScope | None:
    """Return what a route's session must be made for, as its tags and its method tell."""
    if access is Access.ADMINISTRATOR:
        return UserScope.ADMIN if _GOVERNING & set(tags) else UserScope.STORAGE
    if access is Access.ANYBODY:
        return None
    by_method = next((scope for known, scope in _OF_FILES if known & set(methods)), UserScope.FILES_DELETE)
    for tag in tags:
        if tag in _OF_TAGS:
            return _OF_TAGS[tag]
        if tag == "files":
            return by_method
    return None


def _shortcut(context: RouteContext, shortcuts: Mapping[Endpoint, Shortcut]) -> Shortcut:
    known = shortcuts.get(getattr(context, "endpoint", None) or leave_to_route, leave_to_route)
    return known if not {"GET", "POST"}.isdisjoint(context.methods or ()) else leave_to_route


def _asked(dependant: Dependant | None, known: Mapping[Endpoint, Access]) -> Iterator[Callable[..., Any]]:
    for inner in dependant.dependencies if dependant is not None else ():
        if inner.call is not None and inner.call in known:
            yield inner.call
        yield from _asked(inner, known)


def _lists(dependant: Dependant | None) -> Iterator[str]:
    for parameter in dependant.query_params if dependant is not None else ():
        annotation = parameter.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from (found.alias or name for name, found in annotation.model_fields.items() if _is_list(found))
        elif _is_list(parameter.field_info):
            yield parameter.alias


def _is_list(found: FieldInfo) -> bool:
    parts = [found.annotation]
    for part in parts:
        parts += get_args(part)
    return any(part is list or get_origin(part) is list for part in parts)
