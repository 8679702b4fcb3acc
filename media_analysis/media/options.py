"""What can be asked of media work; clients send these documents as a job's parameters."""

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

DEFAULT_EVERY_SECONDS: Final = 1.0
MAX_FRAMES: Final = 100_000
MAX_SIDE: Final = 16_384
Side = Annotated[int, Field(ge=16, le=MAX_SIDE)]
Instant = Annotated[float, Field(ge=0, le=10_000_000, allow_inf_nan=False)]
PageNumber = Annotated[int, Field(ge=1, le=MAX_FRAMES)]


class PictureFormat(StrEnum):
    """How pictures are written."""

    JPEG = "jpeg"
    WEBP = "webp"
    PNG = "png"


class Deinterlace(StrEnum):
    """Which pictures of two fields become whole ones."""

    AUTO = "auto"
    NEVER = "never"


class Options(BaseModel):
    """A bounded document that knows all its fields."""

    # Built when first needed: a child needs few of them, and starts the sooner.
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProbeOptions(Options):
    """A probe needs nothing to be said."""


class PictureOptions(Options):
    """How each picture is written."""

    format: PictureFormat = Field(PictureFormat.JPEG, description="How frames are written")
    quality: int = Field(85, ge=1, le=100, description="Of JPEG and WebP; PNG loses nothing")
    max_width: Side | None = Field(None, description="Pixels; larger pictures shrink, smaller ones stay")
    max_height: Side | None = Field(None, description="Pixels, after turning upright; as for `max_width`")


class SinglePictureOptions(PictureOptions):
    """Which picture of a file is taken, and how it is written."""

    at_seconds: Instant | None = Field(None, description="From the first picture; null is one that stands for all")
    exact: bool = Field(True, description="Of a film: false takes the last picture until then that decodes alone")


class FilmOptions(Options):
    """How pictures of a film are shown."""

    deinterlace: Deinterlace = Field(
        Deinterlace.AUTO,
        description="auto: of each picture that is flagged as interlaced its first field is shown, the lines between "
        "interpolated; never: both fields at once. Neither changes instants or numbers of pictures",
    )


class SamplingOptions(FilmOptions):
    """Which frames are taken; exactly one way, one frame a second where none is given, and every page of a TIFF."""

    every_seconds: float | None = Field(
        None, gt=0, le=86_400, allow_inf_nan=False, description="One frame each so many seconds"
    )
    count: int | None = Field(None, ge=1, le=MAX_FRAMES, description="So many, evenly spaced over the duration")
    instants: list[Instant] | None = Field(
        None,
        min_length=1,
        max_length=10_000,
        description="The frames shown at these instants, in seconds from the first frame; given in time order",
    )
    pages: list[PageNumber] | None = Field(
        None,
        min_length=1,
        max_length=10_000,
        description="The pages of these numbers, from 1, of TIFFs that have them; every other still image has page 1. "
        "Each is given once, in their order",
    )
    keyframes: bool = Field(False, description="Only frames that decode alone; by far the fastest")
    scenes: float | None = Field(
        None, gt=0, le=1, allow_inf_nan=False, description="The first frame of every scene; a cut differs by this share"
    )
    max_frames: int = Field(
        10_000,
        ge=1,
        le=MAX_FRAMES,
        description="Of all sources together. A job that would take more fails, before it decodes the source that "
        "passes it; with `scenes`, whose number nobody knows before, when it finds one more",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = (self.every_seconds, self.count, self.instants, self.pages, self.scenes)
        if sum(way is not None for way in ways) + self.keyframes > 1:
            raise ValueError("give one of every_seconds, count, instants, pages, keyframes and scenes")
        return self


class FrameOptions(SamplingOptions, PictureOptions):
    """Which frames are taken, and how they are written."""


class SheetOptions(Options):
    """How a contact sheet is laid out."""

    columns: int = Field(4, ge=1, le=20, description="Pictures side by side")
    rows: int | None = Field(
        None,
        ge=1,
        le=100,
        description="At most. Not given, as many as the pictures need: in `contact_sheet` 4 of a video, in `analyze` "
        "up to 16",
    )
    thumbnail_width: int = Field(
        320, ge=64, le=1_024, description="Pixels of each picture; fewer where the sheet would be too large"
    )
    timestamps: bool = Field(True, description="When each picture is shown, or its name, written into it")
    header: bool = Field(True, description="Name and facts above the grid")
    sheet_format: PictureFormat = Field(PictureFormat.JPEG, description="How the sheet is written")
    sheet_quality: int = Field(88, ge=1, le=100, description="Of JPEG and WebP; PNG loses nothing")


class ContactSheetOptions(SheetOptions, FilmOptions):
    """A contact sheet alone: `columns` times `rows` evenly spaced pictures."""

    instants: list[Instant] | None = Field(
        None,
        min_length=1,
        max_length=2_000,
        description="The frames shown at these instants, in seconds from the first frame, instead of evenly spaced "
        "ones; where they are more than the grid holds, evenly picked ones of them",
    )
    pages: list[PageNumber] | None = Field(
        None,
        min_length=1,
        max_length=2_000,
        description="The pages of these numbers, from 1, of TIFFs that have them, instead of evenly picked ones",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.instants is not None and self.pages is not None:
            raise ValueError("give one of instants and pages")
        return self


class AnalyzeOptions(SheetOptions, FrameOptions):
    """Probe, frames and contact sheet of one decode; the sheet shows frames evenly picked from those taken."""


class PreviewOptions(FilmOptions):
    """What a page shows of a file before anybody plays it."""

    every_seconds: float | None = Field(
        None,
        ge=0.1,
        le=86_400,
        allow_inf_nan=False,
        description="At least so many seconds between two pictures of a storyboard; more where they would be more than "
        "`max_tiles`, or keyframes lie further apart. Not given, 2, and in a film of less than 24 seconds a twelfth of "
        "it, but no less than 0.5",
    )
    max_tiles: int = Field(300, ge=1, le=2_000, description="Pictures of one storyboard, on all its sprites together")
    tile_width: int = Field(240, ge=32, le=640, description="Pixels of each picture of a storyboard, at most as high")
    poster_width: Side = Field(1_280, description="Pixels; a smaller picture stays, and none is higher than that")
    hover_width: int = Field(320, ge=32, le=1_024, description="Pixels of the animation, at most as high")
    format: PictureFormat = Field(PictureFormat.JPEG, description="How sprites and poster are written")
    quality: int = Field(80, ge=1, le=100, description="Of JPEG and WebP; PNG loses nothing")


class KeyframeSampling(SamplingOptions):
    """Some of the frames that decode alone."""

    keyframes: bool = True
    apart_seconds: float
    most: int


class Limits(Options):
    """What is refused before decoding, and how much may be used meanwhile."""

    max_pixels: int = Field(134_217_728, ge=1, description="Of one picture; 128 Mi are 16,384 x 8,192")
    max_duration_seconds: float = Field(86_400, gt=0)
    max_streams: int = Field(64, ge=1)
    max_packets: int = Field(20_000_000, ge=1)
    max_product_bytes: int = Field(10 * 2**30, ge=1, description="All products of one job together")
    threads: int = Field(2, ge=1, le=64)
