"""Requests to S3 that obstore has no words for: what a bucket is set to, uploads that nobody ended, addresses."""

import asyncio
import hashlib
import hmac
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final, Self
from urllib.parse import quote, urlsplit

import httpx

from media_analysis.errors import StoreUnavailable
from media_analysis.storage.remote.address import Provider, RemoteAddress
from media_analysis.storage.remote.clients import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, RemoteOptions
from media_analysis.storage.remote.failures import AGAIN, failure_of, translated

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_UNRESERVED: Final = "-_.~"


@dataclass(frozen=True, kw_only=True)
class S3Requests:
    """Signs and sends, with the keys of a person or a machine; nothing of them is ever shown."""

    url: str
    """Of the bucket."""
    region: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)
    ca_bundle: bytes | None = field(default=None, repr=False)
    timeout_seconds: float = 30.0
    retry_seconds: float = 60.0

    @classmethod
    def to(cls, address: RemoteAddress, options: RemoteOptions) -> Self | None:
        """Return what asks a bucket, None where that is not S3 or the keys are not told: obstore alone finds those."""
        told = options.credentials
        variables = told.variables
        access_key, secret_key = variables.get("AWS_ACCESS_KEY_ID"), variables.get("AWS_SECRET_ACCESS_KEY")
        if address.provider is not Provider.S3 or not access_key or not secret_key:
            return None
        endpoint = told.s3_endpoint or f"https://s3.{told.s3_region}.amazonaws.com"
        return cls(
            url=endpoint if told.s3_endpoint_has_bucket else f"{endpoint}/{address.bucket}",
            region=told.s3_region,
            access_key=access_key,
            secret_key=secret_key,
            token=variables.get("AWS_SESSION_TOKEN") or variables.get("AWS_TOKEN") or "",
            ca_bundle=told.ca_bundle(address.provider),
            timeout_seconds=options.request_seconds,
            retry_seconds=options.retry_seconds,
        )

    async def ask(self, method: str, **about: Any) -> httpx.Response:
        """Do what `send` does, for what may be asked again: it is while the bucket has too much to do, or is silent.

        Raises:
            StoreUnavailable: it was for as long as it is asked.

        """
        ends_at, pause = time.monotonic() + self.retry_seconds, FIRST_PAUSE_SECONDS
        while True:
            try:
                answer = await self.send(method, **about)
                if answer.status_code not in AGAIN:
                    return answer
                raise failure_of(answer)
            except StoreUnavailable:
                if time.monotonic() + pause > ends_at:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def send(
        self,
        method: str,
        *,
        key: str = "",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        client: httpx.AsyncClient | None = None,
    ) -> httpx.Response:
        """Return what the bucket answers, whatever that is; `headers` are signed too.

        `client` is what `connected` opened, for whoever has more to ask.

        Raises:
            StoreUnavailable: it does not answer.

        """
        bucket, path, asked = urlsplit(self.url), self._path(key), _query(query or {})
        told = {
            "host": bucket.netloc,
            **(headers or {}),
            **({"x-amz-security-token": self.token} if self.token else {}),
        }
        signed = self._signed(method, path, asked, told, content, at=datetime.now(UTC))
        url = f"{bucket.scheme}://{bucket.netloc}{path}?{asked}"
        with translated():
            if client is not None:
                return await client.request(method, url, headers=signed, content=content)
            async with self.connected(self.timeout_seconds) as once:
                return await once.request(method, url, headers=signed, content=content)

    def address(self, key: str, query: Mapping[str, str], *, at: datetime, seconds: int) -> str:
        """Return an address at which whoever has it reads an object, asked for as `query` says, so long from `at` on.

        Source: "Authenticating Requests: Using Query Parameters" of Amazon S3.
        """
        bucket, path, (instant, scope) = urlsplit(self.url), self._path(key), self._scope(at)
        asked = _query(
            {
                **query,
                "X-Amz-Algorithm": _ALGORITHM,
                "X-Amz-Credential": f"{self.access_key}/{scope}",
                "X-Amz-Date": instant,
                "X-Amz-Expires": str(seconds),
                "X-Amz-SignedHeaders": "host",
                **({"X-Amz-Security-Token": self.token} if self.token else {}),
            }
        )
        canonical = f"GET\n{path}\n{asked}\nhost:{bucket.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
        signature = self._signature(canonical, instant, scope)
        return f"{bucket.scheme}://{bucket.netloc}{path}?{asked}&X-Amz-Signature={signature}"

    def connected(self, timeout_seconds: float) -> httpx.AsyncClient:
        """Return what keeps connections while it is open."""
        return httpx.AsyncClient(timeout=timeout_seconds, verify=self._trusted)

    def _signed(
        self, method: str, path: str, query: str, headers: Mapping[str, str], content: bytes, *, at: datetime
    ) -> Mapping[str, str]:
        """Return headers with a signature.

        Source: Signature Version 4, "Create a signed AWS API request" and "Authenticating Requests" of Amazon S3.
        """
        (instant, scope), digest = self._scope(at), hashlib.sha256(content).hexdigest()
        headers = dict(sorted({**headers, "x-amz-content-sha256": digest, "x-amz-date": instant}.items()))
        names = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        canonical = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{digest}"
        signature = self._signature(canonical, instant, scope)
        told = f"Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        return {**headers, "authorization": f"{_ALGORITHM} {told}"}

    def _scope(self, at: datetime) -> tuple[str, str]:
        return f"{at:%Y%m%dT%H%M%SZ}", f"{at:%Y%m%d}/{self.region}/s3/aws4_request"

    def _signature(self, canonical: str, instant: str, scope: str) -> str:
        text = f"{_ALGORITHM}\n{instant}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = f"AWS4{self.secret_key}".encode()
        for word in scope.split("/"):
            key = hmac.digest(key, word.encode(), "sha256")
        return hmac.digest(key, text.encode(), "sha256").hex()

    def _path(self, key: str) -> str:
        bucket = urlsplit(self.url).path
        return _quoted(f"{bucket}/{key}" if key else bucket or "/", beside="/")

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        trusted = ssl.create_default_context()
        if self.ca_bundle is not None:
            trusted.load_verify_locations(cadata=self.ca_bundle.decode())
        return trusted


def _query(asked: Mapping[str, str]) -> str:
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted(asked.items()))


def _quoted(text: str, *, beside: str = "") -> str:
    return quote(text, safe=f"{_UNRESERVED}{beside}")
