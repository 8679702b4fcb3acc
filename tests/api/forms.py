"""Headers and multipart forms written by hand, so that they can also be wrong."""

from collections.abc import AsyncIterator, Sequence

BOUNDARY = "a-boundary-0123456789"
FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
END = f"--{BOUNDARY}--\r\n".encode()


def field(name: str, value: str | bytes) -> bytes:
    """Return the part of a plain field."""
    content = value.encode() if isinstance(value, str) else value
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + content + b"\r\n"


def file(content: bytes, *, filename: str | bytes | None = "file.bin", media_type: str = "video/mp4") -> bytes:
    """Return the part of a file."""
    raw = filename.encode() if isinstance(filename, str) else filename
    named = b"" if raw is None else b'; filename="' + raw + b'"'
    head = f'--{BOUNDARY}\r\nContent-Type: {media_type}\r\nContent-Disposition: form-data; name="file"'.encode()
    return head + named + b"\r\n\r\n" + content + b"\r\n"


async def in_pieces(content: bytes, size: int) -> AsyncIterator[bytes]:
    """Send `content` without its length, some bytes at a time."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def gathered(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    """Send `pieces` one by one without their length."""
    for piece in pieces:
        yield piece


def raw_headers(token: str, *pairs: tuple[str, str]) -> list[tuple[bytes, bytes]]:
    """Return headers with a token, each of `pairs` on a line of its own, in Latin-1 as on the wire."""
    lines = [("Authorization", f"Bearer {token}"), *pairs]
    return [(name.encode(), value.encode("latin-1")) for name, value in lines]
