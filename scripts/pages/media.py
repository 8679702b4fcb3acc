"""The table of what is read, within a page that people write."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from media_analysis.media.stills.images import READ_TYPES
from media_analysis.media.types.known import MediaType, family_of, is_read, list_types

_PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "media.md"
_BEGIN: Final = "<!-- Made by scripts/manual. -->\n"
_END: Final = "<!-- Until here. -->\n"
_FAMILIES: Final = ("video", "audio", "image")


def page() -> str:
    """Return the page as it is, with its table made anew."""
    before, _, rest = _PAGE.read_text().partition(_BEGIN)
    return before + _BEGIN + "\n" + "".join(_lines()) + "\n" + _END + rest.partition(_END)[2]


def _lines() -> Iterator[str]:
    known = sorted(list_types(), key=lambda each: each.title.lower())
    yield "| family | what it is | media type | usual extensions |\n|---|---|---|---|\n"
    for family in _FAMILIES:
        yield from (_row(family, each) for each in known if _is_shown(each) and family_of(each.name) == family)
    refused = (each for each in known if family_of(each.name) in _FAMILIES and not _is_shown(each))
    yield f"\nKnown by name, stored, and refused by jobs: {', '.join(each.title for each in refused)}.\n"


def _is_shown(known: MediaType) -> bool:
    return is_read(known.name) or known.name in READ_TYPES


def _row(family: str, known: MediaType) -> str:
    extensions = ", ".join(f"`.{extension}`" for extension in (known.extension, *known.also))
    return f"| {family} | {known.title} | `{known.name}` | {extensions} |\n"
