"""Addresses at which a bucket itself answers whoever has them with an object, for a while.

obstore signs such addresses too, but not what the answer is to be called and taken for.
"""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, Self
from urllib.parse import quote, urlencode

from media_analysis.storage.presented import Presented
from media_analysis.storage.remote.address import Provider, RemoteAddress
from media_analysis.storage.remote.clients import RemoteOptions
from media_analysis.storage.remote.credentials import RemoteCredentials
from media_analysis.storage.remote.signing import S3Requests

_AZURE_VERSION: Final = "2020-12-06"
_AZURE_KEYS: Final = ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_MASTER_KEY")
_UNSIGNABLE: Final = ("AWS_SSE_CUSTOMER_KEY_BASE64", "AWS_S3_EXPRESS", "AWS_REQUEST_PAYER")
"""With these a request needs headers that no address carries, or a session of its own."""


class Presigner(Protocol):
    """Signs addresses of the objects in one bucket."""

    def sign(self, key: str, presented: Presented, *, ends_at: datetime) -> str | None:
        """Return the address of an object, that ends no later; None where that leaves not a second."""
        ...


def presigner_to(address: RemoteAddress, options: RemoteOptions) -> Presigner | None:
    """Return what signs addresses in a bucket; None where nothing can: of Google's, and without keys that are told."""
    told = options.credentials
    if address.provider is Provider.AZURE:
        return AzureAddresses.to(address, told)
    requests = S3Requests.to(address, options)
    if requests is None or any(told.variables.get(name, "").lower() not in {"", "false"} for name in _UNSIGNABLE):
        return None
    return S3Addresses(address, requests)


@dataclass(frozen=True)
class S3Addresses:
    """Signature Version 4 in the query."""

    place: RemoteAddress
    requests: S3Requests

    def sign(self, key: str, presented: Presented, *, ends_at: datetime) -> str | None:
        at = datetime.now(UTC).replace(microsecond=0)
        seconds = int((ends_at - at).total_seconds())
        if seconds < 1:
            return None
        query = {
            "response-content-type": presented.media_type,
            "response-content-disposition": presented.disposition,
            "response-cache-control": presented.cache_control,
        }
        return self.requests.address(self.place.full_key(key), query, at=at, seconds=seconds)


@dataclass(frozen=True)
class AzureAddresses:
    """Service SAS of one blob, by the key of the account."""

    place: RemoteAddress
    url: str
    """Of the account."""
    account: str
    key: bytes = field(repr=False)

    @classmethod
    def to(cls, address: RemoteAddress, told: RemoteCredentials) -> Self | None:
        """Return what signs, None where the account or its key is not told."""
        variables: Mapping[str, str] = told.variables
        account = variables.get("AZURE_STORAGE_ACCOUNT_NAME")
        key = next((variables[name] for name in _AZURE_KEYS if variables.get(name)), None)
        if not account or not key or variables.get("AZURE_STORAGE_USE_EMULATOR"):
            return None
        endpoint = variables.get("AZURE_STORAGE_ENDPOINT") or variables.get("AZURE_ENDPOINT")
        url = endpoint or f"https://{account}.blob.core.windows.net"
        return cls(address, url.rstrip("/"), account, base64.b64decode(key))

    def sign(self, key: str, presented: Presented, *, ends_at: datetime) -> str | None:
        """Return the address of an object.

        Source: "Create a service SAS" of Azure Storage, version 2020-12-06.
        """
        if ends_at - datetime.now(UTC) < timedelta(seconds=1):
            return None
        name = f"{self.place.bucket}/{self.place.full_key(key)}"
        told = {
            "sp": "r",
            "se": f"{ends_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "sv": _AZURE_VERSION,
            "sr": "b",
            "rscc": presented.cache_control,
            "rscd": presented.disposition,
            "rsct": presented.media_type,
        }
        resource = f"/blob/{self.account}/{name}"
        # A line for each: permission, start, end, what, policy, address of the client, protocol, version, kind,
        # snapshot, scope of encryption, and what is said of the answer, of which coding and language are not.
        given = (told["rscc"], told["rscd"], "", "", told["rsct"])
        lines = (told["sp"], "", told["se"], resource, "", "", "", told["sv"], told["sr"], "", "", *given)
        signature = hmac.digest(self.key, "\n".join(lines).encode(), "sha256")
        query = urlencode({**told, "sig": base64.b64encode(signature).decode()}, quote_via=quote)
        return f"{self.url}/{quote(name)}?{query}"
