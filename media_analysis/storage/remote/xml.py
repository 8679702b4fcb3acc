"""Answers of S3 as elements without namespaces."""

from typing import Final
from xml.etree.ElementTree import Element, ParseError, fromstring

from media_analysis.errors import StoreUnavailable

_MOST_BYTES: Final = 8 * 2**20


def parse(content: bytes) -> Element:
    """Return the root of a document.

    Raises:
        StoreUnavailable: it is none, or larger than any answer of S3.

    """
    if len(content) > _MOST_BYTES:
        raise StoreUnavailable("the bucket answered with more than it is asked for")
    try:
        root = fromstring(content)  # noqa: S314 - of the bucket's own provider, and bounded
    except ParseError:
        raise StoreUnavailable("the bucket answered with something that is not XML") from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def child_text(element: Element, name: str) -> str:
    """Return the text of a child, empty where there is none."""
    return element.findtext(name) or ""
