"""Clients of obstore for one bucket: what each may take, and what it is told of where and who."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from media_analysis.storage.remote.address import Provider, RemoteAddress
from media_analysis.storage.remote.credentials import FAMILIES, RemoteCredentials

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

Client = S3Store | GCSStore | AzureStore
_CLASSES: Final[Mapping[Provider, Any]] = {
    Provider.S3: S3Store,
    Provider.GOOGLE: GCSStore,
    Provider.AZURE: AzureStore,
}
_CAUSES: Final[Mapping[str, str]] = {
    "Invalid Access Key": "the key of the account is not base64",
    "Unable to open service account": "the file of the service account cannot be opened",
    "Unable to decode service account": "the service account is not JSON as Google writes it",
}
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 5.0
PAUSE_FACTOR: Final = 8
"""obstore draws each pause between the first one and so many times the one before: about twice that, as it comes."""
_ENVIRONMENT: Final = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class RemoteOptions:
    """How a bucket is asked; the defaults suit links of a megabyte a second and more."""

    credentials: RemoteCredentials = field(default_factory=RemoteCredentials)
    connect_seconds: float = 5.0
    request_seconds: float = 30.0
    """For what carries no bytes of objects: heads, lists, deletions."""
    transfer_seconds: float = 300.0
    """For a part of an object in either direction, all of it; parts that share a slow link share its speed.

    A part that is read is given up sooner if nothing comes for `request_seconds`.
    """
    retry_seconds: float = 60.0
    """How long what may be asked again is, after 5xx, slow-down and lost connections."""
    concurrency: int = 32
    """How many objects are asked about, put or deleted at once for one call."""
    part_bytes: int = 6 * 2**20
    """Of a part of a large object; a writer holds two of them. An object has at most 10,000."""
    scratch: Path | None = None
    """Where local copies lie; None is a directory of the system's for temporary files."""
    scratch_bytes: int = 20 * 2**30
    """Of all local copies at once."""


def open_client(
    address: RemoteAddress, options: RemoteOptions, *, timeout_seconds: float, silent_seconds: float | None = None
) -> Client:
    """Return a client of what is below an address; it sends nothing yet.

    A request ends after `timeout_seconds`, or after `silent_seconds` in which nothing came.

    Raises:
        ValueError: what it is told makes no sense, in words that say what.

    """
    told, provider = options.credentials, address.provider
    config, family = told.config_for(provider), FAMILIES[provider]
    if any(value.startswith("http://") for value in config.values()) and not told.allows_http(provider):
        raise ValueError(f"an endpoint without TLS is used with {family}ALLOW_HTTP=true alone")
    told.require_endpoints(provider)
    client: ClientConfig = {
        "connect_timeout": timedelta(seconds=options.connect_seconds),
        "timeout": timedelta(seconds=timeout_seconds),
        "allow_http": told.allows_http(provider),
    }
    if silent_seconds is not None:
        client["read_timeout"] = timedelta(seconds=silent_seconds)
    if bundle := told.ca_bundle(provider):
        client["root_certificate"] = bundle
    retry: RetryConfig = {
        "max_retries": retries_within(options.retry_seconds),
        "retry_timeout": timedelta(seconds=options.retry_seconds),
        "backoff": {
            "init_backoff": timedelta(seconds=FIRST_PAUSE_SECONDS),
            "max_backoff": timedelta(seconds=LONGEST_PAUSE_SECONDS),
            "base": PAUSE_FACTOR,
        },
    }
    try:
        with _nothing_else_told(family, config):
            opened: Client = _CLASSES[provider](
                address.bucket, prefix=address.prefix or None, config=config, client_options=client, retry_config=retry
            )
    except BaseError as error:
        raise ValueError(f"{address} cannot be opened by what {family}… says: {_cause(error)}") from None
    return opened


def retries_within(seconds: float) -> int:
    """Return how many retries fit: what breaks in the middle of an answer is counted by obstore, and not timed."""
    pause, retries = FIRST_PAUSE_SECONDS, 0
    while (seconds := seconds - pause) > 0:
        pause, retries = min(2 * pause, LONGEST_PAUSE_SECONDS), retries + 1
    return retries


def _cause(error: BaseError) -> str:
    """Return why a client cannot be made, for which nothing is asked yet; no value is repeated."""
    told = str(error).partition("\n")[0]
    if "must be specified" in told or "Missing" in told:
        return told
    return next((cause for said, cause in _CAUSES.items() if said in told), "a value is not as it has to be written")


@contextmanager
def _nothing_else_told(family: str, config: Mapping[str, str]) -> Iterator[None]:
    """Hide the process's own variables from obstore, which takes what it is not told from there: of another store."""
    with _ENVIRONMENT:
        others = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(family) and config.get(name.lower()) != value
        }
        for name in others:
            del os.environ[name]
        try:
            yield
        finally:
            os.environ.update(others)
