"""Whether the places that were set can be what they are meant for, beside each other."""

from collections.abc import Mapping
from typing import Final

from media_analysis.settings.model import Settings
from media_analysis.settings.names import leaves
from media_analysis.settings.sources import Given
from media_analysis.settings.validation import given_or_default, refuse

_ARCHIVES: Final = "archive.base_path"


def place_problems(settings: Settings, given: Mapping[str, Given]) -> list[str]:
    """Return one line if archives were to lie in the store by another name, or around it."""
    reason = _overlap(settings)
    return [] if reason is None else [refuse(_ARCHIVES, given_or_default(_ARCHIVES, given), reason)]


def _overlap(settings: Settings) -> str | None:
    if settings.archive.base_path is None:
        return None
    try:
        places = settings.places
    except (OSError, RuntimeError):
        return "its links, or those of the store, lead nowhere"
    root, archives = places.root, places.archives
    if archives == root:
        return f"the store itself; leave {leaves()[_ARCHIVES].env} out for that"
    if archives is not None and root in archives.parents:
        return f"inside the store, which is {str(root)!r}"
    if archives in root.parents:
        return f"the store, which is {str(root)!r}, lies inside it"
    return None
