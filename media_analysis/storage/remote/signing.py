"""Requests to S3 that obstore has no words for: what a bucket is set to, and uploads in parts that nobody ended."""

import hashlib
import hmac
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Final, Self
from urllib.parse import quote, urlsplit

import httpx

from media_analysis.storage.remote.address import Provider, RemoteAddress
from media_analysis.storage.remote.clients import RemoteOptions
from media_analysis.storage.remote.failures import translated

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
        )

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
        bucket = urlsplit(self.url)
        path = _quoted(f"{bucket.path}/{key}".rstrip("/") or "/", beside="/")
        asked = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted((query or {}).items()))
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

    def connected(self, timeout_seconds: float) -> httpx.AsyncClient:
        """Return what keeps connections while it is open."""
        return httpx.AsyncClient(timeout=timeout_seconds, verify=self._trusted)

    def _signed(
        self, method: str, path: str, query: str, headers: Mapping[str, str], content: bytes, *, at: datetime
    ) -> Mapping[str, str]:
        """Return headers with a signature.

        Source: Signature Version 4, "Create a signed AWS API request" and "Authenticating Requests" of Amazon S3.
        """
        instant, digest = f"{at:%Y%m%dT%H%M%SZ}", hashlib.sha256(content).hexdigest()
        headers = dict(sorted({**headers, "x-amz-content-sha256": digest, "x-amz-date": instant}.items()))
        names = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        canonical = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{digest}"
        scope = f"{at:%Y%m%d}/{self.region}/s3/aws4_request"
        text = f"{_ALGORITHM}\n{instant}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = f"AWS4{self.secret_key}".encode()
        for word in scope.split("/"):
            key = hmac.digest(key, word.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        told = f"Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        return {**headers, "authorization": f"{_ALGORITHM} {told}"}

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        trusted = ssl.create_default_context()
        if self.ca_bundle is not None:
            trusted.load_verify_locations(cadata=self.ca_bundle.decode())
        return trusted


def _quoted(text: str, *, beside: str = "") -> str:
    return quote(text, safe=f"{_UNRESERVED}{beside}")
