"""Pictures out of media: every so often, evenly spaced, at instants, keyframes, or one of each scene."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Final

from PIL import Image, ImageChops

from media_analysis.errors.media import NoSuchPage
from media_analysis.media.films.ahead import ahead
from media_analysis.media.films.continuity import DISCONTINUITY
from media_analysis.media.films.decoder import Decoder
from media_analysis.media.films.decoding import Film, Taken
from media_analysis.media.films.looks import PICTURE_CHANGE, ChangeDetector, Look, PictureChange
from media_analysis.media.films.matroska import UNCROPPED, Crop, crop_of
from media_analysis.media.films.opening import open_media
from media_analysis.media.films.selection import allow, asked_seconds, keys_apart
from media_analysis.media.films.succession import FURTHER_STREAMS, packets_in_turn, successors_of, unshown_streams
from media_analysis.media.films.timeline import Timeline, picture_stream, read_timeline
from media_analysis.media.options import Deinterlace, KeyframeSampling, Limits, SamplingOptions
from media_analysis.media.pictures import Exposure, Picture
from media_analysis.media.rasters import Darkroom, FrameRaster, StillRaster
from media_analysis.media.spread import evenly
from media_analysis.media.stills.animations import Animation, page_frames, read_animation, still_frames
from media_analysis.media.stills.images import image_format, left_out_of
from media_analysis.media.wholeness import is_truncated

SIDE: Final = 32
"""A frame is judged by so many cells across and down, each the average of its pixels."""
_DIFFERENT: Final = 20
"""Of 255, in red, green or blue: less than this is noise, or a lamp that flickers."""
_FEW_KEYS: Final = 8
_SHORT_SECONDS: Final = 30.0
"""What is no longer is decoded whole in about a second."""
Progress = Callable[[int, int | None], None]
Notice = Callable[[str, str], None]


def sample_frames(
    path: Path,
    options: SamplingOptions,
    limits: Limits,
    *,
    progress: Progress = lambda _given, _expected: None,
    notice: Notice = lambda _code, _detail: None,
) -> Iterator[Picture]:
    """Yield the pictures asked for, in time order, decoding little more than they take and a little ahead of them.

    `progress` is told how many were given, and of how many where that is known. `notice` is told `truncated` where
    the file ends too early, `further_streams` where streams follow that are not shown, `discontinuity` where its time
    stamps do not go on, `picture_change` where size, pixel shape, turn or colours are not the first picture's any more,
    and `damaged` where something in it cannot be decoded; the rest is given all the same.
    An instant shows the last frame that began before it or with it; before the start the first one.

    Raises:
        UnsupportedMedia: nothing here reads it.
        CorruptMedia: nothing of it can be decoded.
        NoPictures: it holds none, such as sound with a cover.
        NoSuchPage: `options.pages` has one that is not there.
        MediaLimitPassed: it is more than `limits` allow, or more than `options.max_frames` would be taken.

    """
    if image_format(path) is None:
        if options.pages is not None:
            raise NoSuchPage("the file has no pages, for it is no still image")
        yield from _Filming(path, options, limits, progress, notice).pictures()
    else:
        yield from _of_image(path, options, limits, progress, notice)


@dataclass(slots=True)
class _Filming:
    path: Path
    options: SamplingOptions
    limits: Limits
    progress: Progress
    notice: Notice
    _crop: Crop = field(default=UNCROPPED, init=False)
    _look: Look | None = field(default=None, init=False)
    _changes: Sequence[PictureChange] = field(default=(), init=False)
    """That packets announce."""
    _changed: bool = field(default=False, init=False)

    def pictures(self) -> Iterator[Picture]:
        timeline = self._read()
        stop = Event()
        film = Film(path=self.path, limits=self.limits, timeline=timeline, stopped=stop.is_set)
        expected, frames = self._way(film)
        darkroom = Darkroom(self.options.deinterlace)
        self.progress(0, expected)
        shown: Taken | None = None
        exposure: Exposure | None = None
        for ordinal, taken in enumerate(ahead(frames, stop)):
            if exposure is None or shown is None or shown.frame is not taken.frame:
                exposure = Exposure(raster=FrameRaster(decoded=taken.decoded, darkroom=darkroom, crop=self._crop))
                self._compare(taken, shown)
            shown = taken
            yield Picture(ordinal=ordinal, instant_seconds=taken.seconds, asked_seconds=taken.asked, exposure=exposure)
            self.progress(ordinal + 1, expected)
        if film.undecoded:
            of_all = f"{film.undecoded} of {len(timeline.instants)} coded pictures could not be decoded"
            self.notice("damaged", of_all)

    def _read(self) -> Timeline:
        with open_media(self.path, self.limits) as container:
            streams = successors_of(self.path, picture_stream(container), self.limits)
            stream = picture_stream(container, streams[0])
            unshown = unshown_streams(self.path, container, streams)
            self._crop = crop_of(self.path, stream)
            watch = ChangeDetector(Decoder(stream, self.limits))
            packets = watch.noting(packets_in_turn(self.path, self.limits, container, streams))
            timeline = replace(read_timeline(container, stream, self.limits, packets), streams=streams)
            self._changes = list(watch.changes(dict.fromkeys(streams, timeline.instants)))
            told = None if stream.duration is None else float(stream.duration * timeline.time_base)
        if timeline.broken or is_truncated(self.path):
            promised = f", the file tells of {told:.3f}" if told and told > timeline.duration_seconds else ""
            self.notice("truncated", f"pictures end at {timeline.duration_seconds:.3f} seconds{promised}")
        if unshown is not None:
            self.notice(FURTHER_STREAMS, unshown)
        if timeline.discontinuities:
            first, more = timeline.discontinuities[0], len(timeline.discontinuities) - 1
            self.notice(DISCONTINUITY, f"{first}" + (f" ({more} more)" if more else ""))
        return timeline

    def _way(self, film: Film) -> tuple[int | None, Iterator[Taken]]:
        if self.options.scenes is not None:
            return None, _scenes(film, self.options, self.options.scenes)
        if isinstance(self.options, KeyframeSampling):
            return _some_keys(film, self.options)
        if self.options.keyframes:
            allow(len(film.timeline.keys), self.options)
            return len(film.timeline.keys), film.keyframes()
        asked = asked_seconds(self.options, film.timeline.duration_seconds)
        return len(asked), film.shown_at(asked)

    def _compare(self, taken: Taken, before: Taken | None) -> None:
        """Tell of the first picture that has another look than the first."""
        if self._changed:
            return
        look = Look.of(taken.decoded)
        self._look = self._look or look
        if look != self._look:
            self._changed = True
            start = 0.0 if before is None else before.seconds
            known = (each.at_seconds for each in self._changes if start < each.at_seconds <= taken.seconds)
            self.notice(PICTURE_CHANGE, str(PictureChange(next(known, taken.seconds), look.changed_from(self._look))))


def _some_keys(film: Film, options: KeyframeSampling) -> tuple[int, Iterator[Taken]]:
    """Return keys that lie apart, or frames evenly spaced where so short a film has too few of them to tell of it."""
    timeline = film.timeline
    places = keys_apart(timeline, apart_seconds=options.apart_seconds, most=options.most)
    evenly_spaced = min(_FEW_KEYS, options.most, math.ceil(timeline.duration_seconds / options.apart_seconds))
    if 2 * len(places) >= evenly_spaced or timeline.duration_seconds > _SHORT_SECONDS:
        return len(places), film.keyframes(places)
    span = timeline.duration_seconds / evenly_spaced
    return evenly_spaced, film.shown_at([number * span for number in range(evenly_spaced)])


def _scenes(film: Film, options: SamplingOptions, threshold: float) -> Iterator[Taken]:
    detector = CutDetector(threshold)
    darkroom = Darkroom(Deinterlace.NEVER)
    found = 0
    for taken in film.all_frames():
        cells = darkroom.developed(taken.frame, (SIDE, SIDE))
        if detector.begins_scene(cells.convert("RGB")):
            found += 1
            allow(found, options)
            yield taken


def _of_image(
    path: Path, options: SamplingOptions, limits: Limits, progress: Progress, notice: Notice
) -> Iterator[Picture]:
    animation = read_animation(path, limits)
    ends_early = animation.broken or is_truncated(path)
    if ends_early:
        notice("truncated", _end(animation))

    def salvaged() -> None:
        if not ends_early:
            notice("damaged", "not all of the picture can be decoded")

    chosen = _chosen(path, options, limits, animation)
    if animation.pages and options.instants is not None:
        notice("further_pages", f"the first of {len(animation.pages)} pages is shown, for none has an instant")
    progress(0, len(chosen))
    numbers = sorted({number for number, _ in chosen})
    ordinal = 0
    if animation.pages:
        damaged = partial(notice, "damaged")
        images: Iterator[Image.Image | None] = page_frames(path, limits, animation.pages, numbers, damaged=damaged)
    else:
        images = still_frames(path, limits, numbers, salvaged=salvaged)
    for number, image in zip(numbers, images, strict=True):
        if image is None:
            continue
        raster = StillRaster.of(image)
        if not ordinal:
            _remark(image, raster, notice)
        exposure = Exposure(raster=raster)
        for asked in (asked for wanted, asked in chosen if wanted == number):
            seconds = round(animation.starts[number], 6)
            page = number + 1 if animation.pages else None
            yield Picture(ordinal=ordinal, instant_seconds=seconds, asked_seconds=asked, exposure=exposure, page=page)
            ordinal += 1
            progress(ordinal, len(chosen))


def _remark(image: Image.Image, raster: StillRaster, notice: Notice) -> None:
    if (left_out := left_out_of(image)) is not None:
        notice(*left_out)
    if raster.remark is not None:
        notice("profile_ignored", raster.remark)


def _end(animation: Animation) -> str:
    if animation.pages:
        return f"what follows page {len(animation.pages)} cannot be read"
    if animation.duration_seconds:
        return f"frames end at {animation.duration_seconds:.3f} seconds"
    return "the picture ends early; what decodes of it is shown"


def _chosen(
    path: Path, options: SamplingOptions, limits: Limits, animation: Animation
) -> Sequence[tuple[int, float | None]]:
    """Return the numbers of the frames to take, ascending, each with the instant it was asked for by."""
    if options.pages is not None or animation.pages:
        return [(number, None) for number in _pages(options, animation)]
    if len(animation.starts) == 1 or options.keyframes:
        return [(0, None)]
    if options.scenes is None:
        asked = asked_seconds(options, animation.duration_seconds)
        return [(animation.number_at(seconds), seconds) for seconds in asked]
    detector = CutDetector(options.scenes)
    frames = enumerate(still_frames(path, limits, range(len(animation.starts))))
    found = [number for number, image in frames if detector.begins_scene(_cells(image))]
    allow(len(found), options)
    return [(number, None) for number in found]


def _pages(options: SamplingOptions, animation: Animation) -> Sequence[int]:
    """Return the numbers of pages, from 0: those asked for, so many evenly picked ones, the first or all."""
    pages = len(animation.starts)
    if options.pages is not None:
        if animation.duration_seconds:
            raise NoSuchPage("the file has no pages, but frames that follow each other")
        if max(options.pages) > pages:
            raise NoSuchPage(f"the file has no page {max(options.pages)}: its pages are 1 to {pages}")
        numbers: Sequence[int] = sorted({page - 1 for page in options.pages})
    elif options.instants is not None:
        numbers = [0]
    else:
        numbers = range(pages) if options.count is None else evenly(pages, options.count)
    allow(len(numbers), options)
    return numbers


def _cells(image: Image.Image) -> Image.Image:
    return StillRaster.of(image).drawn((SIDE, SIDE)).convert("RGB")


@dataclass(slots=True)
class CutDetector:
    """Tells the first frame of each scene, frames given in time order.

    The measure: the share of the cells of a 32 x 32 grid in which red, green or blue, averaged over the cell, changed
    by 20 of 255 or more since the frame before. A cut is 0.5 to 1, a talking head below 0.1, a fast pan around 0.3;
    fades are too slow to be seen.
    """

    threshold: float
    _last: Image.Image | None = field(default=None, init=False)

    def begins_scene(self, cells: Image.Image) -> bool:
        """Return whether this frame, shrunk to `SIDE` x `SIDE` RGB, begins a scene; the first one always does."""
        last, self._last = self._last, cells
        return last is None or changed_share(last, cells) >= self.threshold


def changed_share(before: Image.Image, after: Image.Image) -> float:
    """Return the share of cells, 0 to 1, that look different."""
    red, green, blue = ImageChops.difference(before, after).split()
    largest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return sum(largest.histogram()[_DIFFERENT:]) / (largest.width * largest.height)
