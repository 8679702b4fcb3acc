"""The kinds of setting that are text with a grammar of its own."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from media_analysis.outbound.signing import parse_secret
from media_analysis.settings.cron import require_cron
from media_analysis.settings.kinds import SettingKind
from media_analysis.units import parse_whole, word_of
from media_analysis.values import NAME_OF_KIND

_TOKEN: Final = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"  # noqa: S105 - the RFC 6838 restricted name, not a password
_MEDIA_TYPE: Final = re.compile(rf"{_TOKEN}/(\*|{_TOKEN})|\*/\*", re.ASCII)


@dataclass(frozen=True)
class DirectoryPath(SettingKind):
    """A directory; `~` is the home of whoever runs the service."""

    @property
    def allowed(self) -> str:
        return "a path"

    def parse(self, value: Any) -> Path:
        if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
            raise ValueError("not a path")
        try:
            return Path(value).expanduser()
        except RuntimeError:
            raise ValueError("no such home directory") from None


@dataclass(frozen=True)
class Host(SettingKind):
    """An address to listen on."""

    @property
    def allowed(self) -> str:
        return "a host name or an IP address"

    def parse(self, value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"[\w.:%-]{1,253}", value.strip(), re.ASCII):
            raise ValueError("not a host")
        return value.strip()


@dataclass(frozen=True)
class Cron(SettingKind):
    """When something runs, in UTC."""

    @property
    def allowed(self) -> str:
        return "five crontab(5) fields in UTC, such as 0 2 * * *"

    def parse(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("not a cron expression")  # noqa: TRY004 - pydantic collects ValueError only
        require_cron(value)
        return " ".join(value.split())


@dataclass(frozen=True)
class Words(SettingKind):
    """A line of text."""

    longest: int = 200

    @property
    def allowed(self) -> str:
        return f"text of 1 to {self.longest} printable characters"

    def parse(self, value: Any) -> str:
        if not isinstance(value, str) or not 1 <= len(value.strip()) <= self.longest or not value.isprintable():
            raise ValueError("not a line of text")
        return value.strip()


@dataclass(frozen=True)
class MediaTypes(SettingKind):
    """Media types or patterns; none at all takes everything."""

    @property
    def allowed(self) -> str:
        return "media types or patterns such as image/*, separated by commas; empty accepts everything"

    def parse(self, value: Any) -> tuple[str, ...]:
        patterns = tuple(word_of(pattern) for pattern in self._listed(value))
        if not all(_MEDIA_TYPE.fullmatch(pattern) for pattern in patterns):
            raise ValueError("not media types")
        return patterns

    def _listed(self, value: Any) -> Iterable[object]:
        match value:
            case str():
                return value.split(",") if value.strip() else ()
            case list() | tuple():
                return value
            case _:
                raise ValueError("not media types")

    def show(self, value: Any) -> str:
        return ", ".join(value) or "everything"


@dataclass(frozen=True)
class KindNames(SettingKind):
    """Kinds of analysis; which there are, plugins decide."""

    @property
    def allowed(self) -> str:
        return "kinds of analysis separated by commas, such as preview,probe; none"

    def parse(self, value: Any) -> tuple[str, ...]:
        match value:
            case str():
                words = [] if word_of(value) in {"", "none"} else value.split(",")
            case list() | tuple():
                words = list(value)
            case _:
                raise ValueError("not kinds of analysis")
        names = tuple(word_of(word) for word in words)
        if not all(NAME_OF_KIND.fullmatch(name) for name in names) or len(set(names)) < len(names):
            raise ValueError("not kinds of analysis, each of them once")
        return names

    def show(self, value: Any) -> str:
        return ",".join(value) or "none"


@dataclass(frozen=True)
class KindLimits(SettingKind):
    """How many jobs there may be of some kinds."""

    high: int = 256

    @property
    def allowed(self) -> str:
        return f"kinds with whole numbers from 1 to {self.high}, such as analyze=1,probe=4; none"

    def parse(self, value: Any) -> tuple[tuple[str, int], ...]:
        limits: dict[str, int] = {}
        for kind, given in self._listed(value):
            name, count = word_of(kind), parse_whole(given)
            if not NAME_OF_KIND.fullmatch(name) or name in limits or not 1 <= count <= self.high:
                raise ValueError("not numbers of jobs by kind")
            limits[name] = count
        return tuple(limits.items())

    def _listed(self, value: Any) -> Iterable[tuple[object, object]]:
        match value:
            case str():
                parts = [] if word_of(value) == "none" else value.split(",")
                return [(kind, count) for kind, _, count in (part.partition("=") for part in parts)]
            case dict():
                return value.items()
            case tuple():
                return value
            case _:
                raise ValueError("not numbers of jobs by kind")

    def show(self, value: Any) -> str:
        return ",".join(f"{kind}={count}" for kind, count in value) or "none"


@dataclass(frozen=True)
class WebhookUrl(SettingKind):
    """Where alerts are posted; its path and query may carry a token."""

    @property
    def allowed(self) -> str:
        return "http://host/path or https://host/path, @ and # percent-encoded"

    @property
    def secret(self) -> bool:
        return True

    def parse(self, value: Any) -> str:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not isinstance(text, str) or _webhook(text) is None:
            raise ValueError("not a web address")
        return text.strip()

    def show(self, value: SecretStr) -> str:
        parts = _webhook(value.get_secret_value())
        return "***" if parts is None else f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/***"


class WebhookSecret(SettingKind):
    """What the operator's webhook is signed with."""

    @property
    def allowed(self) -> str:
        return "whsec_ and 24 to 64 bytes in base64"

    @property
    def secret(self) -> bool:
        return True

    def parse(self, value: Any) -> str:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not isinstance(text, str):
            raise ValueError("not a secret")  # noqa: TRY004 - of a setting
        parse_secret(text.strip())
        return text.strip()

    def show(self, _value: SecretStr) -> str:
        return "***"


def _webhook(url: str) -> SplitResult | None:
    """Split an address; None where a password could have slipped out of its place, or where urlsplit would quote it."""
    try:
        parts = urlsplit(url.strip())
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    misplaced = "@" in parts.path + parts.query or "#" in url or not url.strip().isprintable() or " " in url.strip()
    return parts if usable and not misplaced and parts.scheme in {"http", "https"} else None
