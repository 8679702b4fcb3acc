"""What a kind of analysis of one's own is made of; other names of the package may change with any version."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from media_analysis.analysis.kinds import Kind
from media_analysis.analysis.task import Emitter, Product, Source, reference
from media_analysis.errors.media import CorruptMedia, MediaLimitPassed, NoPictures, NoSuchPage, UnsupportedMedia
from media_analysis.media.options import Limits, Options
from media_analysis.storage.category import Category

if TYPE_CHECKING:
    from av.container import InputContainer

__all__ = [
    "Category",
    "CorruptMedia",
    "Emitter",
    "Kind",
    "Limits",
    "MediaLimitPassed",
    "NoPictures",
    "NoSuchPage",
    "Options",
    "Product",
    "Source",
    "UnsupportedMedia",
    "open_media",
    "reference",
]


def open_media(path: Path, limits: Limits) -> AbstractContextManager["InputContainer"]:
    """Open a media file with PyAV by its content; it reads nothing beside the file, and no pictures above `limits`.

    Raises:
        UnsupportedMedia, CorruptMedia, MediaLimitPassed: also while the block runs, for what PyAV raises in it.

    """
    from media_analysis.media.films.opening import open_media as opened  # noqa: PLC0415 - whoever lists kinds needs no codecs

    return opened(path, limits)
