"""What an archive is compressed with, and what is not worth it."""

import pytest

from media_analysis.archive.format.compression import Compression, detect, is_squeezable
from media_analysis.archive.format.encoding import encoder


@pytest.mark.parametrize(
    ("compression", "suffix", "media_type"),
    [
        (Compression.GZIP, "tar.gz", "application/gzip"),
        (Compression.BZ2, "tar.bz2", "application/x-bzip2"),
        (Compression.XZ, "tar.xz", "application/x-xz"),
        (Compression.ZSTD, "tar.zst", "application/zstd"),
    ],
)
def test_a_compression_has_the_suffix_and_media_type_that_tools_expect(
    compression: Compression, suffix: str, media_type: str
) -> None:
    assert (compression.suffix, compression.media_type) == (suffix, media_type)


@pytest.mark.parametrize("squeezed", [True, False])
@pytest.mark.parametrize("compression", Compression)
def test_a_frame_is_recognized_by_its_first_six_bytes(compression: Compression, *, squeezed: bool) -> None:
    frame = encoder(compression, squeezed=squeezed)

    written = frame.compress(b"text") + frame.flush()

    assert detect(written[:6]) is compression


@pytest.mark.parametrize("head", [b"", b"\x1f", b"ustar", b"PK\x03\x04", bytes(16)])
def test_other_bytes_are_no_compression(head: bytes) -> None:
    assert detect(head) is None


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "application/ld+json",
        "application/octet-stream",
        "application/vnd.oasis.opendocument.text-flat+xml",
        "application/xml",
        "audio/wav",
        "audio/x-aiff",
        "image/bmp",
        "image/svg+xml",
        "image/tiff",
        "TEXT/CSV; charset=utf-8",
        "text/plain",
        "something unheard of",
    ],
)
def test_what_is_not_known_to_be_compressed_is_squeezed(media_type: str) -> None:
    assert is_squeezable(media_type)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/epub+zip",
        "application/gzip",
        "application/pdf",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/x-xz",
        "application/zip",
        "application/zstd",
        "audio/mpeg",
        "audio/ogg",
        "font/woff2",
        "image/avif",
        "image/gif",
        "image/heic",
        "IMAGE/JPEG",
        "image/png; profile=x",
        "image/webp",
        "video/mp4",
        "video/x-matroska",
    ],
)
def test_what_is_compressed_already_is_stored(media_type: str) -> None:
    assert not is_squeezable(media_type)
