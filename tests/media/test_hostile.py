"""Hostile files make no more than their limits allow, and fail in one of three ways only."""

import zlib
from pathlib import Path

import pytest

from media_analysis.errors.media import MediaLimitPassed
from media_analysis.media.options import Limits
from media_analysis.media.probe import probe


def _png(width: int, height: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)

    header = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _gif(width: int, height: int) -> bytes:
    screen = width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\x80\0\0" + bytes(6)
    frame = b"," + bytes(4) + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\0\x02\x02L\x01\0"
    return b"GIF89a" + screen + frame + b";"


def _bmp(width: int, height: int) -> bytes:
    header = (40).to_bytes(4, "little") + width.to_bytes(4, "little") + height.to_bytes(4, "little")
    return b"BM" + bytes(8) + (54).to_bytes(4, "little") + header + b"\1\0\x18\0" + bytes(64)


def _tiff(width: int, height: int) -> bytes:
    tags = ((256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, height), (279, 100))
    entries = b"".join(
        tag.to_bytes(2, "little") + (4).to_bytes(2, "little") + (1).to_bytes(4, "little") + value.to_bytes(4, "little")
        for tag, value in tags
    )
    return b"II*\0" + (8).to_bytes(4, "little") + len(tags).to_bytes(2, "little") + entries + bytes(4)


@pytest.mark.parametrize(
    "bomb",
    [
        _png(100_000, 100_000, zlib.compress(bytes(1_000_000))),
        _png(2**31 - 1, 2**31 - 1, b""),
        _png(20_000, 6_711, zlib.compress(bytes(100))),
        _gif(65_535, 65_535),
        _bmp(100_000, 100_000),
        _tiff(2**31, 2**31),
    ],
    ids=["png", "png_huge", "png_just_above", "gif", "bmp", "tiff"],
)
def test_declared_pixels_are_counted_before_any_is_made(bomb: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(bomb)

    with pytest.raises(MediaLimitPassed) as refused:
        probe(path, Limits())

    assert refused.value.what == "pixels"
