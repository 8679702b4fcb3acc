"""Where the service stands for its clients: below a root path, and behind proxies whose word counts."""

import re
from contextvars import ContextVar
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from starlette.datastructures import URL, Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from media_analysis.settings.model import ServerSettings

Hop = IPv4Address | IPv6Address
MOST_HOPS: Final = 32
"""So many proxies are followed back at most."""
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?")
_root: Final = ContextVar("root_path", default="")
"""Of the request that is answered."""


def address(path: str) -> str:
    """Return the path at which clients of this request find what the service has at `path`."""
    return f"{_root.get()}{path}"


def absolute_address(scope: Scope, path: str) -> str:
    """Return the same with scheme and host, for whoever did not ask for this request."""
    host = Headers(scope=scope).get("host") or URL(scope=scope).netloc
    return f"{scope['scheme']}://{host}{address(path)}"


class RequestPlace:
    """Takes the root path away where a proxy left it, and whom a trusted proxy names for who asks.

    Whatever else says `X-Forwarded-…` is not listened to, nor is `Forwarded` (RFC 7239), of which proxies do less.
    """

    def __init__(self, app: ASGIApp, server: ServerSettings) -> None:
        self._app, self._root = app, server.root_path
        self._trusted = tuple(map(ip_network, server.trusted_proxies))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = self._of_client(scope)
        was = _root.set(self._root)
        try:
            await self._app(scope, receive, send)
        finally:
            _root.reset(was)

    def _of_client(self, scope: Scope) -> Scope:
        changed: dict[str, object] = {}
        path: str = scope["path"]
        if self._root and f"{path}/".startswith(f"{self._root}/"):
            changed["path"] = path = path.removeprefix(self._root) or "/"
            changed["raw_path"] = scope.get("raw_path", b"").removeprefix(self._root.encode()) or b"/"
        peer = _parse(scope["client"][0]) if self._trusted and scope.get("client") else None
        if peer is not None and self._is_trusted(peer):
            changed |= self._told(scope, peer)
        return {**scope, **changed} if changed else scope

    def _told(self, scope: Scope, peer: Hop) -> dict[str, object]:
        """Return what a trusted proxy tells of its client; what is not understood counts as not told."""
        changed: dict[str, object] = {"client": (str(self._client(scope, peer)), 0)}
        headers = Headers(scope=scope)
        scheme, host = (_last(headers, f"x-forwarded-{name}") for name in ("proto", "host"))
        if scheme.lower() in {"http", "https"}:
            changed["scheme"] = scheme.lower()
        if _HOST.fullmatch(host):
            others = [(name, value) for name, value in scope["headers"] if name != b"host"]
            changed["headers"] = [(b"host", host.encode()), *others]
        return changed

    def _client(self, scope: Scope, peer: Hop) -> Hop:
        """Return the nearest hop that is not trusted, or the farthest one that is; what lies behind it is hearsay."""
        told = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
        for hop in map(_parse, told[: -MOST_HOPS - 1 : -1]):
            if hop is None:
                return peer
            peer = hop
            if not self._is_trusted(hop):
                return peer
        return peer

    def _is_trusted(self, hop: Hop) -> bool:
        return any(hop in network for network in self._trusted)


def _last(headers: Headers, name: str) -> str:
    return ",".join(headers.getlist(name)).rpartition(",")[2].strip()


def _parse(told: str) -> Hop | None:
    """Return the address that a hop names, with a port or without, None where it names none."""
    text = told.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
