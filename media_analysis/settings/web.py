"""The kinds of setting that say where the service stands for its clients, and whom it believes that."""

import re
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Final
from urllib.parse import urlsplit

from media_analysis.settings.kinds import SettingKind

_SCREENS: Final = (
    *("archives", "audit", "deletions", "files", "jobs", "plans", "policy", "sessions", "settings", "trash", "upload"),
    *("webhooks", "sign-in", "sign-out", "assets"),
)
RESERVED: Final = (
    *("api", "docs", "healthz", "links", "metrics", "openapi.json", "readyz", "static-offline-docs"),
    *_SCREENS,
)
"""Where the service itself answers: a root path that began so could not be told from what lies below it."""
_ROOT: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]{1,64}){1,8}", re.ASCII)
_ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class RootPath(SettingKind):
    """The path below which a proxy shows the service."""

    @property
    def allowed(self) -> str:
        own = ", ".join(f"/{name}" for name in RESERVED)
        return f"a path such as /media, of letters, digits and . _ ~ -, but for the service's own: {own}; none"

    def parse(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("not a path")  # noqa: TRY004 - pydantic collects ValueError only
        path = value.strip().rstrip("/")
        if path in {"", "none"}:
            return ""
        if not _ROOT.fullmatch(path):
            raise ValueError("not a path")
        if path.split("/")[1] in RESERVED:
            raise ValueError(
                "where the service itself answers; a proxy that passes that on as it is needs no root path"
            )
        return path

    def show(self, value: Any) -> str:
        return value or "none"


@dataclass(frozen=True)
class Listed(SettingKind):
    """Texts of one kind; as a text they stand between commas."""

    def parse(self, value: Any) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(self._one, self._listed(value))))

    def show(self, value: Any) -> str:
        return ", ".join(value) or "none"

    @abstractmethod
    def _one(self, text: str) -> str:
        """Return one of them as it is compared; raises ValueError as `parse` does."""

    def _listed(self, value: Any) -> Iterable[str]:
        if isinstance(value, str):
            value = [] if value.strip() in {"", "none"} else value.split(",")
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
            raise ValueError("not a list of texts")
        return [one.strip() for one in value]


@dataclass(frozen=True)
class Networks(Listed):
    """Addresses and networks; an address is a network of one."""

    @property
    def allowed(self) -> str:
        return "IP addresses and networks such as 127.0.0.1, 10.0.0.0/8, ::1, separated by commas; none"

    def _one(self, text: str) -> str:
        try:
            network = ip_network(text)
        except ValueError:
            raise ValueError("not an address, or not a network: its last bits must be 0") from None
        if network.prefixlen == 0:
            raise ValueError("everybody, whose word then counted for nothing")
        return str(network.network_address) if network.num_addresses == 1 else str(network)


@dataclass(frozen=True)
class Origins(Listed):
    """Origins of web pages (RFC 6454), as browsers name them."""

    @property
    def allowed(self) -> str:
        return "origins such as https://app.example.org and http://localhost:5173, no path, no *, by commas; none"

    def _one(self, text: str) -> str:
        origin = text.lower()
        if not _ORIGIN.fullmatch(origin):
            raise ValueError("not an origin")
        scheme, _, place = origin.partition("://")
        try:
            port = urlsplit(origin).port
        except ValueError:
            raise ValueError("not a port") from None
        # Browsers leave the usual port out.
        return origin if port != _PORTS[scheme] else f"{scheme}://{place.rpartition(':')[0]}"
