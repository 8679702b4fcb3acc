"""The kinds of analysis there are: five built in, and those that installed plugins bring."""

import importlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final

from media_analysis.analysis.task import Emitter, Source, Task
from media_analysis.errors.analysis import KindUnknown
from media_analysis.media.options import (
    AnalyzeOptions,
    ContactSheetOptions,
    FrameOptions,
    Limits,
    Options,
    PreviewOptions,
    ProbeOptions,
    SinglePictureOptions,
)
from media_analysis.media.types.known import family_of, is_read
from media_analysis.storage.category import Category
from media_analysis.values import NAME_OF_KIND

ENTRY_POINTS: Final = "media_analysis.kinds"
RESERVED: Final = frozenset({"external"})
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What jobs of one kind do, and what they may be asked."""

    name: str
    parameters: type[Options]
    task: Callable[[Sequence[Source], Any, Limits, Emitter], None]
    """A `Task` whose options are `parameters`."""
    min_sources: int = 1
    max_sources: int = 100
    summary: str = ""
    makes: frozenset[Category] = frozenset({Category.FRAMES, Category.CONTACT_SHEETS, Category.OUTPUTS})
    """Where its products may lie: it runs by itself only while there is room."""
    suits: Callable[[str], bool] = lambda _media_type: True
    """Whether it reads files of a media type: on others it does not run by itself."""

    def __post_init__(self) -> None:
        if not NAME_OF_KIND.fullmatch(self.name) or self.name in RESERVED:
            raise ValueError(f"{self.name!r} cannot be the name of a kind")
        if not issubclass(self.parameters, Options):
            raise TypeError("the parameters of a kind are a subclass of Options")
        if not 1 <= self.min_sources <= self.max_sources:
            raise ValueError("a kind takes at least one source")


def load_kinds() -> Mapping[str, Kind]:
    """Return every kind by name: the built-in ones, then plugins'.

    A plugin that is broken, or whose name is taken, is left out and named in a logged error; it stops nobody.
    Reads the metadata of all installed distributions (tens of milliseconds), so call it once.
    """
    kinds = dict(BUILT_IN)
    for point in _in_order(metadata.entry_points(group=ENTRY_POINTS)):
        try:
            kinds[point.name] = _load(point, taken={**kinds, **UNLISTED})
        except (Exception, SystemExit) as error:
            log.exception("kind.left_out", extra={**_origin(point), "reason": f"{type(error).__name__}: {error}"})
    return kinds


def find_kind(name: str) -> Kind:
    """Return one kind as `load_kinds` knows it, importing no other plugin.

    Raises:
        KindUnknown: there is none of that name, or its plugin is broken.

    """
    if name in OURS:
        return OURS[name]
    for point in _in_order(metadata.entry_points(group=ENTRY_POINTS, name=name)):
        try:
            return _load(point, taken=OURS)
        except (Exception, SystemExit):
            log.exception("kind.left_out", extra=_origin(point))
    raise KindUnknown(name)


def _load(point: metadata.EntryPoint, *, taken: Mapping[str, Kind]) -> Kind:
    if point.name in taken:
        raise ValueError(f"there is a kind {point.name} already")
    kind = point.load()
    if not isinstance(kind, Kind):
        raise TypeError(f"{point.value} is no Kind")
    if kind.name != point.name:
        raise ValueError(f"the entry point is called {point.name}, its kind {kind.name}")
    return kind


def _in_order(points: Iterable[metadata.EntryPoint]) -> list[metadata.EntryPoint]:
    # The order of discovery is the file system's; the one who wins a name is the same in every process.
    return sorted(points, key=lambda point: (point.name, _origin(point)["distribution"], point.value))


def _origin(point: metadata.EntryPoint) -> dict[str, str]:
    return {"kind": point.name, "distribution": point.dist.name if point.dist else ""}


def _deferred(module: str) -> Task:
    """Return a task that imports its module when it runs, so that a list of kinds needs no codecs."""

    def task(sources: Sequence[Source], options: Options, limits: Limits, emit: Emitter) -> None:
        importlib.import_module(module).run(sources, options, limits, emit)

    return task


def _is_media(media_type: str) -> bool:
    from media_analysis.media.stills.images import READ_TYPES  # noqa: PLC0415 - whoever lists kinds needs no codecs

    return is_read(media_type) or media_type in READ_TYPES


def _is_shown(media_type: str) -> bool:
    return family_of(media_type) != "audio" and _is_media(media_type)


def _built_in(
    name: str,
    parameters: type[Options],
    summary: str,
    *makes: Category,
    suits: Callable[[str], bool] = _is_media,
) -> Kind:
    return Kind(
        name=name,
        parameters=parameters,
        summary=summary,
        task=_deferred(f"media_analysis.analysis.tasks.{name}"),
        makes=frozenset(makes),
        suits=suits,
    )


BUILT_IN: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        _built_in("probe", ProbeOptions, "What a file is: container, streams, durations, dimensions, metadata"),
        _built_in("frames", FrameOptions, "Pictures out of a video", Category.FRAMES, suits=_is_shown),
        _built_in(
            "contact_sheet",
            ContactSheetOptions,
            "One picture that shows a whole video",
            Category.CONTACT_SHEETS,
            suits=_is_shown,
        ),
        _built_in(
            "analyze",
            AnalyzeOptions,
            "Probe, frames and contact sheet, of one decode",
            *(Category.FRAMES, Category.CONTACT_SHEETS, Category.OUTPUTS),
        ),
        _built_in(
            "preview",
            PreviewOptions,
            "Storyboard, poster, animation and waveform, for a page that plays a file",
            Category.FRAMES,
        ),
    )
}
SINGLE_PICTURE: Final = "single_picture"
UNLISTED: Final[Mapping[str, Kind]] = {
    SINGLE_PICTURE: _built_in(SINGLE_PICTURE, SinglePictureOptions, "One picture of a file, for whoever waits for it")
}
"""What runs as kinds do, and is no job."""
OURS: Final[Mapping[str, Kind]] = {**BUILT_IN, **UNLISTED}
