"""Scripts and styles of the page, kept in memory and named by what all of them contain."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from media_analysis.api.errors import problem_of_status
from media_analysis.api.place import address

_TYPES: Final = MappingProxyType(
    {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
)
_FOREVER: Final = "public, max-age=31536000, immutable"

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Asset:
    """One file as it is sent."""

    media_type: str
    content: bytes
    compressed: bytes


@cache
def assets() -> Mapping[str, Asset]:
    """Return what the rooms of the page bring with them, by paths relative to all of it."""
    found: dict[str, Asset] = {}
    for room in sorted(files("media_analysis.web").iterdir(), key=lambda room: room.name):
        for file in room.iterdir() if room.is_dir() else ():
            if (media_type := _TYPES.get(_ending(file))) is not None:
                content = file.read_bytes()
                found[f"{room.name}/{file.name}"] = Asset(media_type, content, gzip.compress(content, mtime=0))
    return found


@cache
def version() -> str:
    """Return what changes whenever any of them does: scripts import each other by relative addresses."""
    digest = sha256()
    for name, asset in sorted(assets().items()):
        digest.update(b"%s\0%s\0" % (name.encode(), asset.content))
    return digest.hexdigest()[:12]


def asset_address(name: str) -> str:
    """Return where a browser finds one of them."""
    return address(f"/assets/{version()}/{name}")


@router.get("/assets/{told_version}/{room}/{name}")
async def read_asset(told_version: str, room: str, name: str, request: Request) -> Response:
    """Send one of them; those of another version are not here any more, and what is here in their place may change."""
    asset = assets().get(f"{room}/{name}")
    if asset is None:
        raise problem_of_status(404)
    headers = {"Cache-Control": _FOREVER if told_version == version() else "no-cache", "Vary": "Accept-Encoding"}
    if not accepts_gzip(request):
        return Response(asset.content, media_type=asset.media_type, headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(asset.compressed, media_type=asset.media_type, headers=headers)


def accepts_gzip(request: Request) -> bool:
    """Whether an answer may be compressed (RFC 9110 section 12.5.3); who weighs codings is sent the plain bytes."""
    return "gzip" in {part.strip() for part in request.headers.get("accept-encoding", "").split(",")}


def _ending(file: Traversable) -> str:
    return f".{file.name.rpartition('.')[2]}"
