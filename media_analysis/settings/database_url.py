"""The database's URL, a setting with a secret in it."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from media_analysis.settings.kinds import Kind

MASK: Final = "**********"
_SCHEMES: Final = frozenset({"postgres", "postgresql", "postgresql+asyncpg"})


@dataclass(frozen=True)
class DatabaseUrl(Kind):
    """Where PostgreSQL listens and who asks; None starts the embedded server."""

    @property
    def allowed(self) -> str:
        return "postgresql://user:password@host:port/database, special characters percent-encoded"

    @property
    def secret(self) -> bool:
        return True

    def parse(self, value: Any) -> str | None:
        if value is None:
            return None
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not isinstance(text, str) or not text.isprintable() or _address(text) is None:
            raise ValueError("not a PostgreSQL URL")
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
        port = parts.port
    except ValueError:
        return None
    misplaced = "@" in parts.path + parts.query or "#" in url or port == 0
    return None if misplaced or parts.scheme not in _SCHEMES or "://" not in url else parts
