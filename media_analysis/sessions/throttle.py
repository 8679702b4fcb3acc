"""Wrong tokens cost time: who brings many is answered ever later, by address (OWASP Authentication Cheat Sheet)."""

import asyncio
import ipaddress
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from media_analysis.errors import TooManyWrongTokens

PER_SECOND: Final = 10
BURST: Final = 50
"""So many wrong tokens of an address are answered at once, as those of a program that was not told of a new one."""
LONGEST_SECONDS: Final = 5.0
"""No answer waits for longer; more of the same address than fit into that are refused."""
MOST_ADDRESSES: Final = 10_000
LOG_SECONDS: Final = 10.0
SHARED_PREFIX: Final = 64
"""One customer has so many bits of IPv6 for themselves (RFC 6177)."""
log = structlog.get_logger()


class TokenThrottle:
    """Counts the wrong tokens of this process, logs them at a bounded rate and slows them; good ones it never sees.

    A leaky bucket for each address (ITU-T I.371): wrong tokens fill it, and it runs out at `PER_SECOND`.
    """

    def __init__(
        self,
        observe: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._observe, self._clock, self._sleep = observe, clock, sleep
        self._levels: dict[str, tuple[float, float]] = {}
        self._untold = 0
        self._told_at = -LOG_SECONDS

    async def punish(self, host: str | None) -> None:
        """Wait as long as a client at this address has earned by the wrong token it brought.

        Raises:
            TooManyWrongTokens: so many wait already that this one is not waited for.

        """
        self._observe()
        self._tell(host)
        seconds = self._seconds(_address(host))
        if seconds > 0:
            await self._sleep(seconds)

    def _seconds(self, address: str) -> float:
        now = self._clock()
        level, at = self._levels.pop(address, (0.0, now))
        level = max(0.0, level - (now - at) * PER_SECOND)
        wait_seconds = (level + 1 - BURST) / PER_SECOND
        is_refused = wait_seconds > LONGEST_SECONDS
        # Last, so that the first ones are those not heard of for longest.
        self._levels[address] = (level if is_refused else level + 1, now)
        while len(self._levels) > MOST_ADDRESSES:
            del self._levels[next(iter(self._levels))]
        if is_refused:
            raise TooManyWrongTokens(retry_after_seconds=int(LONGEST_SECONDS) + 1)
        return wait_seconds

    def _tell(self, host: str | None) -> None:
        self._untold += 1
        if self._clock() - self._told_at >= LOG_SECONDS:
            log.warning("token.rejected", last_from=host, count=self._untold)
            self._untold, self._told_at = 0, self._clock()


def _address(host: str | None) -> str:
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return host or ""
    if address.version == 4 or address.ipv4_mapped is not None:  # noqa: PLR2004 - the older protocol
        return str(getattr(address, "ipv4_mapped", None) or address)
    return str(ipaddress.ip_network((address, SHARED_PREFIX), strict=False))
