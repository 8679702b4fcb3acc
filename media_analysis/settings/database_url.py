"""The database's URL, which is the one setting with a secret in it."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from media_analysis.settings.kinds import Kind

MASK: Final = "**********"
_SCHEMES: Final = frozenset({"postgres", "postgresql", "postgresql+asyncpg"})


@dataclass(frozen=True)
class DatabaseUrl(Kind):
    """Where PostgreSQL listens and who asks; None starts the embedded server."""

    secret: ClassVar[bool] = True

    @property
    def allowed(self) -> str:
        return self._range()

    def parse(self, value: Any) -> object:
        return None if value is None else self._parse(value)

    def show(self, value: Any) -> str:
        return "embedded" if value is None else self._show(value)

    def _range(self) -> str:
        return "postgresql://user:password@host:port/database, special characters percent-encoded"

    def _parse(self, value: Any) -> str:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not isinstance(text, str) or not text.isprintable() or _address(text) is None:
            raise ValueError("not a PostgreSQL URL")
        return text.strip()

    def _show(self, value: SecretStr) -> str:
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
