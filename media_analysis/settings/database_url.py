"""The database's URL, a setting with a secret in it."""

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from media_analysis.db.address import SCHEMES, Address
from media_analysis.settings.kinds import SettingKind

MASK: Final = "**********"
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s,:/\[\]]*)(?::(\d{1,5}))?")
_MAX_PORT: Final = 65_535


@dataclass(frozen=True)
class DatabaseUrl(SettingKind):
    """Where PostgreSQL listens and who asks; None starts the embedded server."""

    @property
    def allowed(self) -> str:
        return (
            "postgresql://user:password@host:port/database, special characters percent-encoded, "
            "several hosts with commas, libpq's words after ?"
        )

    @property
    def secret(self) -> bool:
        return True

    def parse(self, value: Any) -> str | None:
        if value is None:
            return None
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not isinstance(text, str) or not text.isprintable() or _address(text) is None:
            raise ValueError("not a PostgreSQL URL")
        Address.parse(text)
        return text.strip()

    def show(self, value: SecretStr | None) -> str:
        if value is None:
            return "embedded"
        parts = _address(value.get_secret_value())
        if parts is None:
            return MASK
        user = f"{parts.username}:***@" if parts.username else ""
        return f"{parts.scheme}://{user}{parts.netloc.rpartition('@')[2]}{parts.path}"


def _address(url: str) -> SplitResult | None:
    """Split a URL; None where a password could have slipped out of its place, or where urlsplit would quote it."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return None
    misplaced = "@" in parts.path + parts.query or "#" in url
    hosts = parts.netloc.rpartition("@")[2].split(",")
    if misplaced or parts.scheme not in SCHEMES or "://" not in url or not all(map(_is_host, hosts)):
        return None
    return parts


def _is_host(text: str) -> bool:
    """Say whether a host has a port that could be one, if any."""
    found = _HOST.fullmatch(text)
    return found is not None and (found[1] is None or 0 < int(found[1]) <= _MAX_PORT)
