"""Which server a site is at, as far as its variables say: two of them may have buckets of the same name."""

import os
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from media_analysis.storage.remote.address import Provider
from media_analysis.storage.remote.credentials import RemoteCredentials, credentials
from media_analysis.storage.sites import Site

_NAMES: Final = {
    Provider.AZURE: ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT", "AZURE_STORAGE_ACCOUNT_NAME"),
    Provider.GOOGLE: ("GOOGLE_BASE_URL",),
}


def where_is(site: Site, prefix: str) -> str:
    """Return an address as it is remembered and shown, with its server where that is not the provider's own."""
    if isinstance(site, Path):
        return site.as_uri()
    server = server_of(site, prefix)
    return f"{site} at {server}" if server else str(site)


def server_of(site: Site | None, prefix: str) -> str | None:
    """Return a server's name without user or password; None for a directory, empty where the provider has one alone."""
    if site is None or isinstance(site, Path):
        return None
    told = credentials(os.environ, prefix)
    said = told.s3_endpoint if site.provider is Provider.S3 else _first(told, _NAMES[site.provider])
    parts = urlsplit(said or "")
    return parts.netloc.rpartition("@")[2] or parts.path


def _first(told: RemoteCredentials, names: tuple[str, ...]) -> str | None:
    return next((told.variables[name] for name in names if told.variables.get(name)), None)
