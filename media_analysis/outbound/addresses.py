"""Where requests may go: to addresses of the Internet alone, unless others are allowed."""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Self
from urllib.parse import urlsplit

from media_analysis.errors import AddressRefused

LONGEST_URL: Final = 2_000
RESOLVE_SECONDS: Final = 5.0
RESOLVERS: Final = 32
WELL_KNOWN: Final = 1_024
"""Ports below are those of other services than the web's."""
_WEB: Final = {"https": 443, "http": 80}
_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"(?=.{{1,254}}\Z)(?:{_LABEL}\.)*{_LABEL}\.?")
Address = IPv4Address | IPv6Address

# RFC 6890 and the IANA registries of special-purpose addresses; the last is what Azure's machines are served from.
_NOT_GLOBAL: Final = tuple(
    map(
        ipaddress.IPv4Network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
            *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
        ),
    )
)
# Of IPv6 what is given out to networks, without what stands for IPv4 addresses (6to4, Teredo) or for examples.
_GLOBAL: Final = ipaddress.IPv6Network("2000::/3")
_NOT_GLOBAL_6: Final = tuple(
    map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "2620:4f:8000::/48"))
)


def is_public(address: Address) -> bool:
    """Say whether an address is one of the Internet's, and no machine's or network's own."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_GLOBAL)
    return address in _GLOBAL and not any(address in network for network in _NOT_GLOBAL_6)


@dataclass(frozen=True, slots=True)
class Target:
    """A web address that was looked through, without its user and its fragment, of which there are none."""

    url: str
    host: str
    port: int
    is_secure: bool

    @classmethod
    def parse(cls, url: str) -> Self:
        """Return what a web address says.

        Raises:
            AddressRefused: it is none, or says more than where to.

        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise AddressRefused("not a web address") from None
        if parts.scheme not in _WEB or len(url) > LONGEST_URL or not url.isascii() or not url.isprintable():
            raise AddressRefused("not a web address")
        if " " in url or "\\" in url or "#" in url or "@" in parts.netloc:
            raise AddressRefused("a web address with a user, a fragment or spaces")
        host = parts.hostname or ""
        if not (_literal(host) or _NAME.fullmatch(host)):
            raise AddressRefused("a web address without a host")
        return cls(url, host, _WEB[parts.scheme] if port is None else port, parts.scheme == "https")

    @property
    def authority(self) -> str:
        """What the header Host says: an IPv6 address in brackets, the port unless it is the usual one."""
        host = f"[{self.host.partition('%')[0]}]" if ":" in self.host else self.host
        return host if self.port == _WEB["https" if self.is_secure else "http"] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class AddressRule:
    """Which addresses requests may go to."""

    allows_private: bool = False
    """Whether also to the machine's own and to private networks, at any port and there without encryption."""
    allows_plain: bool = False
    """Whether without encryption everywhere."""
    resolver: Executor = field(default_factory=lambda: ThreadPoolExecutor(RESOLVERS, "resolver"), compare=False)
    """Threads of its own: a name whose servers are silent keeps one longer than anybody waits for it."""

    def look_through(self, url: str) -> Target:
        """Return a target that may be asked, as far as that can be told without resolving its name.

        Raises:
            AddressRefused: it may not.

        """
        target = Target.parse(url)
        port = target.port
        if not self.allows_private and port not in _WEB.values() and port < WELL_KNOWN:
            raise AddressRefused(f"port {port} is none of the web's; allowed are 443, 80 and from {WELL_KNOWN} on")
        if not (target.is_secure or self.allows_private or self.allows_plain):
            raise AddressRefused("http is not encrypted; https is wanted")
        literal = _literal(target.host)
        if literal is not None:
            self._require(target, [literal])
        return target

    async def resolve(self, target: Target) -> Sequence[Address]:
        """Return the addresses that the name of a target has now, all of which may be asked.

        Raises:
            AddressRefused: some may not.
            OSError: there are none.
            TimeoutError: nobody says within 5 s.

        """
        async with asyncio.timeout(RESOLVE_SECONDS):
            addresses = await look_up(self.resolver, target.host, target.port)
        self._require(target, addresses)
        return list(dict.fromkeys(addresses))

    def _require(self, target: Target, addresses: Sequence[Address]) -> None:
        if not self.allows_private and not all(map(is_public, addresses)):
            raise AddressRefused("the address is one of this machine or of a private network")
        if not (target.is_secure or self.allows_plain) and any(map(is_public, addresses)):
            raise AddressRefused("http is not encrypted; https is wanted")


async def look_up(resolver: Executor, host: str, port: int) -> Sequence[Address]:
    """Return the addresses that a name has.

    Raises:
        OSError: it has none.

    """
    asking = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(resolver, asking)
    return [ipaddress.ip_address(answer[4][0]) for answer in found]


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
