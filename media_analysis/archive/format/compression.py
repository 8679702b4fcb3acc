"""What an archive is compressed with, and which content gains nothing from it."""

from enum import StrEnum
from typing import Final


class Compression(StrEnum):
    """The compressions an archive can have; each can be concatenated from independent frames."""

    GZIP = "gzip"
    BZ2 = "bz2"
    XZ = "xz"
    ZSTD = "zstd"

    @property
    def suffix(self) -> str:
        return _SUFFIXES[self]

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self]

    @property
    def magic(self) -> bytes:
        """What every frame begins with."""
        return _MAGIC[self]


_SUFFIXES: Final = {
    Compression.GZIP: "tar.gz",
    Compression.BZ2: "tar.bz2",
    Compression.XZ: "tar.xz",
    Compression.ZSTD: "tar.zst",
}
_MEDIA_TYPES: Final = {
    Compression.GZIP: "application/gzip",
    Compression.BZ2: "application/x-bzip2",
    Compression.XZ: "application/x-xz",
    Compression.ZSTD: "application/zstd",
}
_MAGIC: Final = {
    Compression.GZIP: b"\x1f\x8b\x08",
    Compression.BZ2: b"BZh",
    Compression.XZ: b"\xfd7zXZ\x00",
    Compression.ZSTD: b"\x28\xb5\x2f\xfd",
}

_SQUEEZABLE_AUDIO: Final = frozenset(
    {"aiff", "basic", "l16", "l24", "pcm", "vnd.wave", "wav", "wave", "x-aiff", "x-pn-wav", "x-wav"}
)
_DENSE_IMAGES: Final = frozenset(
    {"apng", "avif", "avif-sequence", "gif", "heic", "heic-sequence", "heif", "heif-sequence"}
    | {"jp2", "jpeg", "jpg", "jpm", "jpx", "jxl", "jxr", "pjpeg", "png", "webp", "x-png"}
)
_DENSE_APPLICATIONS: Final = frozenset(
    {"bzip2", "gzip", "java-archive", "mp4", "mxf", "ogg", "pdf", "vnd.rar", "zip", "zlib", "zstd"}
    | {"vnd.android.package-archive", "vnd.ms-cab-compressed", "font-woff", "x-7z-compressed", "x-bzip", "x-bzip2"}
    | {"x-compress", "x-gtar-compressed", "x-gzip", "x-lz4", "x-lzip", "x-lzma", "x-matroska", "x-rar"}
    | {"x-rar-compressed", "x-xz", "x-zip-compressed", "x-zstd"}
)
_DENSE_ENDINGS: Final = ("+zip", "+gzip", "+zstd")
_DENSE_FAMILIES: Final = ("vnd.openxmlformats-officedocument.", "vnd.oasis.opendocument.")


def detect(head: bytes) -> Compression | None:
    """Return the compression whose frames begin as `head` does, None for any other bytes; six bytes are enough."""
    return next((compression for compression, magic in _MAGIC.items() if head.startswith(magic)), None)


def is_squeezable(media_type: str) -> bool:
    """Tell whether content of a media type is worth compressing: all that is not known to be compressed already."""
    family, _, subtype = media_type.partition(";")[0].strip().lower().partition("/")
    match family:
        case "video":
            return False
        case "audio":
            return subtype in _SQUEEZABLE_AUDIO
        case "image":
            return subtype not in _DENSE_IMAGES
        case "font":
            return subtype not in {"woff", "woff2"}
        case "application":
            return not (
                subtype in _DENSE_APPLICATIONS
                or subtype.endswith(_DENSE_ENDINGS)
                or (subtype.startswith(_DENSE_FAMILIES) and not subtype.endswith("+xml"))
            )
        case _:
            return True
