"""Where a store in a bucket is: `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Self
from urllib.parse import urlsplit

_BUCKET: Final = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_!=+@-][A-Za-z0-9._!=+@-]*")


class Provider(StrEnum):
    """Whose protocol a bucket speaks, as the scheme of its address."""

    S3 = "s3"
    GOOGLE = "gs"
    AZURE = "az"


@dataclass(frozen=True, slots=True)
class RemoteAddress:
    """A bucket, and the prefix below which all keys of a store lie in it; empty where it has the bucket to itself."""

    provider: Provider
    bucket: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address.

        Raises:
            ValueError: it is none; what is said never repeats what may be a password in it.

        """
        scheme, separator, rest = text.partition("://")
        if not separator or scheme not in {provider.value for provider in Provider}:
            raise ValueError("the address of a bucket begins with s3://, gs:// or az://")
        if "@" in rest.partition("/")[0] or any(mark in rest for mark in "?#"):
            raise ValueError("the address of a bucket has no user, password or parameters; they are settings")
        parts = urlsplit(f"//{rest}")
        if _BUCKET.fullmatch(parts.netloc) is None:
            raise ValueError(f"{parts.netloc!r} is not the name of a bucket")
        prefix = parts.path.removeprefix("/").removesuffix("/")
        if parts.path not in {"", "/"} and not all(_SEGMENT.fullmatch(segment) for segment in prefix.split("/")):
            raise ValueError(f"{prefix!r} is not a prefix: names of letters, digits and ._!=+@- between single slashes")
        return cls(Provider(scheme), parts.netloc, prefix)

    def __str__(self) -> str:
        return "/".join(filter(None, (f"{self.provider}://{self.bucket}", self.prefix)))

    @property
    def ancestors(self) -> Sequence["RemoteAddress"]:
        """The addresses around this one in its bucket, the nearest first."""
        parts = self.prefix.split("/") if self.prefix else []
        return [replace(self, prefix="/".join(parts[:most])) for most in reversed(range(len(parts)))]

    def is_below(self, other: "RemoteAddress") -> bool:
        """Say whether every key of this store would lie in the other one, too."""
        same = (self.provider, self.bucket) == (other.provider, other.bucket)
        return same and self != other and (not other.prefix or self.prefix.startswith(f"{other.prefix}/"))

    def prefix_below(self, other: "RemoteAddress") -> str:
        """Return what the keys that lie below this address begin with in another one around it; empty for itself."""
        return f"{self.prefix}/".removeprefix(f"{other.prefix}/" if other.prefix else "") if self != other else ""

    def full_key(self, key: str) -> str:
        """Return an object's key in its bucket."""
        return f"{self.prefix}/{key}" if self.prefix else key

    def where(self, key: str) -> str:
        """Return the address of an object."""
        return f"{self}/{key}"
