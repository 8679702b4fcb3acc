"""One picture of a file: the one shown at an instant, or one that stands for all of it."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final

from PIL import Image, ImageStat

from media_analysis.errors.media import InstantPastEnd, NoPictures
from media_analysis.media.films.decoder import Decoded
from media_analysis.media.films.matroska import UNCROPPED, Crop, crop_of
from media_analysis.media.films.opening import demuxer_of, open_media
from media_analysis.media.films.seeking import Seeker
from media_analysis.media.films.timeline import picture_stream
from media_analysis.media.options import Limits
from media_analysis.media.pictures import Exposure, Picture
from media_analysis.media.rasters import Darkroom, FrameRaster, StillRaster
from media_analysis.media.stills.animations import read_animation, still_frames
from media_analysis.media.stills.images import image_format

SHARES: Final = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Where a film is looked at for a picture that stands for it, until one shows something."""
_CELLS: Final = (32, 32)
_SHOWS_SOMETHING: Final = 8.0
"""Standard deviation of brightness, of 255; black, white and fades have less."""


def picture_at(path: Path, seconds: float, limits: Limits, *, exact: bool = True, width: int | None = None) -> Picture:
    """Return the picture shown at an instant, in seconds from the first; a picture that does not move is shown at 0.

    Where `exact` is false, films give the last picture until then that decodes alone. No more than `width` pixels
    across are wanted, which some stills decode the faster for.

    Raises:
        InstantPastEnd: nothing is shown any more by then.
        UnsupportedMedia, CorruptMedia, NoPictures, MediaLimitPassed: as `sample_frames` says.

    """
    if image_format(path) is None:
        taken = Seeker(path=path, limits=limits).shown_at(seconds, exact=exact)
        return _picture(_frame_raster(path, limits, taken.decoded), taken.seconds, asked=seconds)
    animation = read_animation(path, limits)
    if seconds > animation.duration_seconds:
        raise InstantPastEnd(end_seconds=animation.duration_seconds)
    number = 0 if animation.pages else animation.number_at(seconds)
    return _still(path, limits, number, width, starts_at=animation.starts[number])


def representative_picture(path: Path, limits: Limits, *, width: int | None = None) -> Picture:
    """Return a picture that stands for a file: of a film one that is not black if others are near, else the first.

    That of a sound is its cover.

    Raises:
        UnsupportedMedia, CorruptMedia, NoPictures, MediaLimitPassed: as `sample_frames` says.

    """
    if image_format(path) is not None:
        return _still(path, limits, 0, width)
    seeker = Seeker(path=path, limits=limits)
    rasters = map(partial(_frame_raster, path, limits), seeker.keys_at(SHARES))
    try:
        raster = _first_that_shows(rasters) or _frame_raster(path, limits, seeker.first())
    except NoPictures:
        if (cover := seeker.cover()) is None:
            raise
        raster = FrameRaster(decoded=cover, darkroom=Darkroom(), crop=UNCROPPED)
    return _picture(raster, 0.0)


def _still(path: Path, limits: Limits, number: int, width: int | None, *, starts_at: float = 0.0) -> Picture:
    for image in still_frames(path, limits, [number], opened=_drafted(width)):
        return _picture(StillRaster.of(image), starts_at)
    raise InstantPastEnd(end_seconds=starts_at)


def _drafted(width: int | None) -> Callable[[Image.Image], None]:
    """Return what has a JPEG decoded at half, a quarter or an eighth of its size where that is enough."""

    def draft(image: Image.Image) -> None:
        if width is not None:
            shrunk = min(width / image.width, width / image.height)  # it may lie on its side
            image.draft(image.mode, (round(image.width * shrunk) or 1, round(image.height * shrunk) or 1))

    return draft


def _first_that_shows(rasters: Iterable[FrameRaster]) -> FrameRaster | None:
    best: tuple[float, FrameRaster] | None = None
    for raster in rasters:
        spread = _brightness_spread(raster.drawn(_CELLS))
        if best is None or spread > best[0]:
            best = spread, raster
        if spread >= _SHOWS_SOMETHING:
            break
    return None if best is None else best[1]


def _brightness_spread(image: Image.Image) -> float:
    return float(ImageStat.Stat(image.convert("L")).stddev[0])


def _frame_raster(path: Path, limits: Limits, decoded: Decoded) -> FrameRaster:
    return FrameRaster(decoded=decoded, darkroom=Darkroom(), crop=_crop_of(path, limits))


def _crop_of(path: Path, limits: Limits) -> Crop:
    with open_media(path, limits) as container:
        return crop_of(path, picture_stream(container)) if demuxer_of(container) == "matroska" else UNCROPPED


def _picture(raster: FrameRaster | StillRaster, seconds: float, *, asked: float | None = None) -> Picture:
    return Picture(ordinal=0, instant_seconds=seconds, asked_seconds=asked, exposure=Exposure(raster=raster))
