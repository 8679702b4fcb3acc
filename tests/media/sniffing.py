"""What a beginning alone is taken for."""

from io import BytesIO

from media_analysis.media.types.sniff import sniff_file


def sniff(head: bytes, *, declared: str | None) -> str:
    """Return the media type of a file that begins so; `declared` only tells kinds of text apart."""
    return sniff_file(BytesIO(head), declared=declared).media_type
