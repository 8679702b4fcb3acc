"""Names in a bucket that are no object's key: the marker, what was set aside, and pieces of what is not whole yet."""

import re
from typing import Final

from media_analysis.storage.furnishing import README_NAME
from media_analysis.storage.marker import MARKER_NAME
from media_analysis.storage.walk import QUARANTINE

PIECES: Final = ".uploads"
"""Below it the pieces of an object that is not whole lie in a folder of its key, by the offset of their first byte and
the fence of who put them."""
PROBE_NAME: Final = f"{MARKER_NAME}.probe"
_OWN: Final = frozenset({MARKER_NAME, PROBE_NAME, README_NAME})
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_OWN_FOLDERS: Final = (f"{PIECES}/", f"{QUARANTINE}/")


def is_path(name: str) -> bool:
    """Say whether an object of this name can be asked for; obstore reads others otherwise, or not at all."""
    return not any(part in {"", ".", ".."} for part in name.split("/")) and not _CONTROL.search(name)


def is_own(name: str) -> bool:
    """Say whether a name is no object's."""
    return name in _OWN or name.startswith(_OWN_FOLDERS)


def pieces_of(key: str = "") -> str:
    """Return the folder of the pieces of an object, or of all."""
    return f"{PIECES}/{key}" if key else PIECES


def piece_name(key: str, offset_bytes: int, fence: int) -> str:
    """Return the name of a piece; names are in the order of offsets."""
    return f"{PIECES}/{key}/{offset_bytes:020}.{fence}"


def key_of_piece(name: str) -> str:
    """Return whose piece has a name."""
    return name.removeprefix(f"{PIECES}/").rpartition("/")[0]


def place_of_piece(name: str) -> tuple[int, int] | None:
    """Return where a piece begins and the fence of who put it, None for a name that is no piece's."""
    offset, _, fence = name.rpartition("/")[2].partition(".")
    return (int(offset), int(fence)) if f"{offset}{fence}".isascii() and offset.isdigit() and fence.isdigit() else None
