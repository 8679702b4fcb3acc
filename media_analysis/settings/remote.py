"""The branch of the tree about stores in buckets: where they are, and how they are asked."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import unquote, urlsplit

from media_analysis.settings.kinds import OrNone, Seconds, SettingKind, Size, Whole
from media_analysis.settings.section import OwnPlaceLeaf, Section, SwitchLeaf
from media_analysis.storage.remote.address import RemoteAddress

_MIB: Final = 2**20
_GIB: Final = 2**30


@dataclass(frozen=True)
class StoreUrl(SettingKind):
    """Where a store is: a directory of this machine, or what is below a prefix of a bucket."""

    @property
    def allowed(self) -> str:
        return "s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or file:///path"

    @property
    def secret(self) -> bool:
        """What is refused may have a password in it, as addresses elsewhere have."""
        return True

    def parse(self, value: Any) -> Path | RemoteAddress:
        if isinstance(value, Path | RemoteAddress):
            return value
        text = str(value).strip()
        return _directory(text) if text.startswith("file:") else RemoteAddress.parse(text)

    def show(self, value: Any) -> str:
        return value.as_uri() if isinstance(value, Path) else str(value)


def _directory(text: str) -> Path:
    parts = urlsplit(text)
    path = unquote(parts.path)
    if parts.netloc or parts.query or parts.fragment or not path.startswith("/") or "\0" in path or path == "/":
        raise ValueError("a directory is written file:///path, from the root on")
    if os.path.normpath(path) != path.removesuffix("/") or path.startswith("//"):
        raise ValueError("a directory is written without . or .. and with single slashes")
    return Path(path)


OwnStoreUrlLeaf = Annotated[Path | RemoteAddress | None, OrNone(StoreUrl())]


class RemoteSettings(Section):
    """How stores in buckets are asked; their credentials are the provider's usual variables."""

    connect_seconds: Annotated[float, Seconds(0.1, 600)] = 5
    """How long a connection may take to come about."""
    request_seconds: Annotated[float, Seconds(0.1, 3600)] = 30
    """How long a request may take that carries no bytes of objects."""
    transfer_seconds: Annotated[float, Seconds(1, 86_400)] = 300
    """How long one part of an object may take in either direction."""
    retry_seconds: Annotated[float, Seconds(0, 3600)] = 60
    """How long a request is made again that a store refuses for now or loses, and `serve` waits for its bucket."""
    concurrency: Annotated[int, Whole(1, 256)] = 32
    """How many objects one call asks about, puts or deletes at once."""
    scratch_path: OwnPlaceLeaf = None
    """Where local copies for analyses lie; none is the directory scratch in data_dir."""
    scratch_bytes: Annotated[int, Size(low=_MIB)] = 20 * _GIB
    """How much all local copies of one process take at once; what needs more waits, or fails if it can never fit."""
    accept_versions: SwitchLeaf = False
    """Whether a bucket is served that keeps old versions or locks objects, where what is deleted stays."""
