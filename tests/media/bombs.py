"""Images that say they are more than they are, or are two things at once."""

import zipfile
import zlib
from io import BytesIO

from tests.media import images


def png(width: int, height: int, rows: bytes) -> bytes:
    """Return a PNG that says it is so large, whatever its packed rows hold."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)

    header = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def gif(width: int, height: int) -> bytes:
    """Return a GIF that says it is so large."""
    screen = width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\x80\0\0" + bytes(6)
    frame = b"," + bytes(4) + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\0\x02\x02L\x01\0"
    return b"GIF89a" + screen + frame + b";"


def webp(width: int, height: int) -> bytes:
    """Return a WebP whose canvas is so large."""
    canvas = b"\x02\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + (10).to_bytes(4, "little") + canvas
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def bmp(width: int, height: int) -> bytes:
    """Return a BMP that says it is so large."""
    header = (40).to_bytes(4, "little") + width.to_bytes(4, "little") + height.to_bytes(4, "little")
    return b"BM" + bytes(8) + (54).to_bytes(4, "little") + header + b"\1\0\x18\0" + bytes(64)


def tiff(width: int, height: int) -> bytes:
    """Return a TIFF that says it is so large."""
    tags = ((256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, height), (279, 100))
    entries = b"".join(
        tag.to_bytes(2, "little") + (4).to_bytes(2, "little") + (1).to_bytes(4, "little") + value.to_bytes(4, "little")
        for tag, value in tags
    )
    return b"II*\0" + (8).to_bytes(4, "little") + len(tags).to_bytes(2, "little") + entries + bytes(4)


def jpeg_and_zip() -> bytes:
    """Return a photograph with an archive behind it."""
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("evil.sh", "exit 1")
    return images.jpeg().read_bytes() + archive.getvalue()


def moving_gif(width: int, height: int, frames: int) -> bytes:
    """Return a GIF of so many frames, of which each changes one pixel."""
    whole = gif(width, height)
    step = b"!\xf9\x04\0\x0a\0\0\0," + bytes(4) + b"\1\0\1\0\0\x02\x02L\x01\0"
    return whole[:-1] + step * (frames - 1) + whole[-1:]
