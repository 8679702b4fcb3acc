"""Posting a document: to the very address that was looked at, within bounds of time, reading little of the answer."""

import asyncio
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import httpcore
import httpx

from media_analysis.errors import AddressRefused, NotDelivered
from media_analysis.outbound.addresses import AddressRule, Target

CONNECT_SECONDS: Final = 5.0
LARGEST_ANSWER: Final = 64 * 1024
LONGEST_EXCERPT: Final = 500
USER_AGENT: Final = "media-analysis"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said."""

    status: int
    excerpt: str
    """The beginning of what it said, as text."""
    seconds: float

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - RFC 9110 section 15.3


class PinnedBackend(httpcore.AnyIOBackend):
    """Connects to an address that was looked at a moment before; the name counts for TLS and the header Host alone."""

    def __init__(self, rule: AddressRule, target: Target) -> None:
        self._rule, self._target = rule, target

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - the target's
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in await self._rule.resolve(self._target):
            try:
                return await super().connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


@dataclass(frozen=True)
class Poster:
    """Posts documents; follows no redirect, asks no proxy, keeps no connection."""

    rule: AddressRule
    timeout_seconds: float
    """How long all of a request may take."""

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post a body and return what came of it, whatever its status.

        Raises:
            NotDelivered: nobody answered, in time or at all; the reason never repeats the URL, which may hold a token.

        """
        began = time.monotonic()
        try:
            target = self.rule.look_through(url)
            async with asyncio.timeout(self.timeout_seconds):
                status, content = await self._exchange(
                    target, body, {"host": target.authority, "user-agent": USER_AGENT, **headers}
                )
        except AddressRefused as error:
            raise NotDelivered(str(error)) from None
        except TimeoutError:
            raise NotDelivered(f"no answer within {self.timeout_seconds:g} s") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            raise NotDelivered(type(error).__name__) from None
        return Answer(status, _excerpt(content), time.monotonic() - began)

    async def _exchange(self, target: Target, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        limits = {"connect": CONNECT_SECONDS, "read": self.timeout_seconds, "write": self.timeout_seconds, "pool": 1.0}
        async with (
            httpcore.AsyncConnectionPool(
                ssl_context=self._tls, network_backend=PinnedBackend(self.rule, target), max_keepalive_connections=0
            ) as pool,
            pool.stream(
                "POST",
                target.url,
                headers=[(name.encode(), value.encode()) for name, value in headers.items()],
                content=body,
                extensions={"timeout": limits},
            ) as answer,
        ):
            content = b""
            async for chunk in answer.stream:  # type: ignore[union-attr]
                content += chunk
                if len(content) >= LARGEST_ANSWER:
                    break
            return answer.status, content


def _excerpt(content: bytes) -> str:
    text = content[: 4 * LONGEST_EXCERPT].decode("utf-8", "replace")
    return "".join(character if character.isprintable() else " " for character in text)[:LONGEST_EXCERPT]
