"""Where PostgreSQL is and how it is spoken to: DATABASE_URL in libpq's words, the same for every connection of ours."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

SCHEMES: Final = frozenset({"postgres", "postgresql", "postgresql+asyncpg"})
_DRIVERS: Final = frozenset(
    {
        "host",
        "port",
        "user",
        "password",
        "passfile",
        "dbname",
        "sslmode",
        "sslcert",
        "sslkey",
        "sslpassword",
        "sslrootcert",
        "sslcrl",
        "sslnegotiation",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
        "krbsrvname",
        "gsslib",
        "target_session_attrs",
    }
)
"""Words that the driver itself understands."""
_ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "sslmode": frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}),
    "target_session_attrs": frozenset({"any", "primary", "read-write"}),
    "channel_binding": frozenset({"disable", "prefer"}),
    "gssencmode": frozenset({"disable", "prefer"}),
}
"""What the driver cannot do, or what could not be written to, is refused rather than ignored."""
_OURS: Final = frozenset({"application_name", "options", "connect_timeout", "channel_binding", "gssencmode"})
_FILES: Final = frozenset({"sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile"})
_HOST: Final = re.compile(r"\[([^\]]+)\](?::(\d+))?|([^:]*)(?::(\d+))?")
_PORT: Final = 5432
_OPTION: Final = re.compile(r"(?:-c\s*|--)(\w[\w.-]*)=")


@dataclass(frozen=True, kw_only=True)
class Address:
    """A server, or several of which one is used, and what its URL says of connections to it."""

    dsn: str
    """The URL in the words of the driver."""
    application_name: str | None = None
    options: str | None = None
    connect_timeout_seconds: float | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    """The paths it names, by their words."""
    hosts: Sequence[tuple[str, int]] = ()
    """Where the servers are, and at which ports, if there are several."""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Return the address a URL names.

        Raises:
            ValueError: it has a word, or a value, that would be ignored or cannot work; says which.

        """
        parts = urlsplit(url.strip())
        words: dict[str, str] = {}
        for word, value in parse_qsl(parts.query, keep_blank_values=True):
            if word in words:
                raise ValueError(f"{word} is given twice")
            words[word] = _require_known(word, value)
        for word in words.keys() & _said_before(parts):
            raise ValueError(f"{word} is given twice, before the ? and behind it")
        hosts = _hosts_of(parts, words)
        if len(hosts) > 1:
            # Of several one takes changes, and that is the one we need.
            words.setdefault("target_session_attrs", "read-write")
        driver = urlencode({word: value for word, value in words.items() if word in _DRIVERS})
        timeout = words.get("connect_timeout")
        return cls(
            dsn=urlunsplit(("postgresql", parts.netloc, parts.path, driver, "")),
            application_name=words.get("application_name"),
            options=words.get("options"),
            connect_timeout_seconds=_seconds(timeout) if timeout else None,
            files={word: path for word, path in words.items() if word in _FILES},
            hosts=hosts if len(hosts) > 1 else (),
        )

    @property
    def chosen(self) -> frozenset[str]:
        """Name the settings of the server that the URL itself says, however it spells them."""
        return frozenset(name.lower().replace("-", "_") for name in _OPTION.findall(self.options or ""))


def _said_before(parts: SplitResult) -> frozenset[str]:
    """Return the words whose values stand before the `?`, where the driver would look first and libpq last."""
    hosts = parts.netloc.rpartition("@")[2]
    said = {
        "host": hosts,
        "port": hosts,
        "user": parts.username,
        "password": parts.password,
        "dbname": parts.path.strip("/"),
    }
    return frozenset(word for word, value in said.items() if value)


def _hosts_of(parts: SplitResult, words: Mapping[str, str]) -> Sequence[tuple[str, int]]:
    """Return the hosts a URL names, before the `?` or behind it, and their ports; one port there is that of all."""
    said = parts.netloc.rpartition("@")[2]
    if said:
        found = [_HOST.fullmatch(one) for one in said.split(",")]
        return [(unquote(one[1] or one[3]), int(one[2] or one[4] or _PORT)) for one in found if one is not None]
    hosts = words.get("host", "").split(",")
    ports = [int(port or _PORT) if port.isdecimal() or not port else 0 for port in words.get("port", "").split(",")]
    if 0 in ports or len(ports) not in {1, len(hosts)}:
        raise ValueError("port must be a number, or as many as there are hosts")
    return list(zip(hosts, ports * len(hosts) if len(ports) == 1 else ports, strict=True))


def _require_known(word: str, value: str) -> str:
    if word not in _DRIVERS | _OURS:
        raise ValueError(f"{word} is not supported")
    allowed = _ALLOWED.get(word)
    if allowed is not None and value not in allowed:
        raise ValueError(f"{word}={value} is not supported, only {', '.join(sorted(allowed))}")
    return value


def _seconds(timeout: str) -> float | None:
    """Return libpq's `connect_timeout`, where 0 is none of its own."""
    if not timeout.isdecimal():
        raise ValueError("connect_timeout must be whole seconds")
    return float(timeout) or None
