"""The JSON documents that analyses produce, whose schemas are published."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from media_analysis.media.facts import ProbeDocument
from media_analysis.media.options import PictureFormat

Pixels = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(allow_inf_nan=False)]


class ResultDocument(BaseModel):
    """A document that knows all its fields."""

    # Built when first needed: a child needs few of them, and starts the sooner.
    model_config = ConfigDict(frozen=True, extra="forbid")


class Remark(ResultDocument):
    """What a reader should know of how it went."""

    code: str = Field(description="Such as `truncated` or `no_pictures`")
    detail: str


class Sampling(ResultDocument):
    """The way frames were chosen: the one field that is not null."""

    every_seconds: float | None = Field(None, description="One frame each so many seconds")
    count: int | None = Field(None, description="So many, evenly spaced")
    instants: list[float] | None = Field(None, description="At these instants, in seconds")
    pages: list[int] | None = Field(None, description="The pages of these numbers, from 1")
    keyframes: bool | None = Field(None, description="True where only frames were taken that decode alone")
    scenes: float | None = Field(None, description="The first frame of every scene; the share of a cut's difference")


class FramesDocument(ResultDocument):
    """What was taken out of one source."""

    count: int = Field(ge=0, description="Frames taken")
    first_ordinal: int | None = Field(description="Of its first frame among all frames of the job; null without any")
    first_instant_seconds: Seconds | None = Field(description="From the first frame's own time; null without any")
    last_instant_seconds: Seconds | None = Field(description="As above")
    format: PictureFormat
    width: Pixels | None = Field(description="Pixels of the first frame as written, upright")
    height: Pixels | None = Field(description="As above")
    size_bytes: int = Field(ge=0, description="Of all frames together")
    sampling: Sampling
    warnings: list[Remark]


class SheetPicture(ResultDocument):
    """One picture on a contact sheet."""

    source: int = Field(ge=0, description="Position of the source it shows")
    instant_seconds: Seconds | None = Field(description="Where in its source it was taken; null for a still image")
    page: int | None = Field(None, description="From 1, of a TIFF that has several")


class ContactSheetDocument(ResultDocument):
    """A contact sheet, and what it shows row by row."""

    columns: int = Field(ge=1, description="Of the grid; fewer than asked where there are fewer pictures")
    rows: int = Field(ge=1)
    pictures: list[SheetPicture]
    width: Pixels = Field(description="Pixels of the whole sheet")
    height: Pixels = Field(description="As above")
    thumbnail_width: Pixels = Field(description="Pixels of a cell; fewer than asked where the sheet would be too large")
    thumbnail_height: Pixels = Field(description="As above")
    format: PictureFormat
    size_bytes: int = Field(ge=1)
    warnings: list[Remark]


class StoryboardFacts(ResultDocument):
    """Small pictures of a film on sprites, and how they lie there."""

    first_ordinal: int = Field(ge=0, description="Of its first sprite among those of the job")
    sprites: int = Field(ge=1)
    tiles: int = Field(ge=1, description="Pictures on all sprites")
    columns: int = Field(ge=1, description="Of a full sprite; the last one is cut to its tiles")
    rows: int = Field(ge=1, description="As above")
    tile_width: Pixels
    tile_height: Pixels
    longest_seconds: Seconds = Field(description="That one picture stands for")
    size_bytes: int = Field(ge=1, description="Of all sprites")


class PosterFacts(ResultDocument):
    """One picture that stands for the file."""

    instant_seconds: Seconds | None = Field(description="Where it was taken; null of a still image")
    width: Pixels
    height: Pixels
    size_bytes: int = Field(ge=1)


class HoverFacts(ResultDocument):
    """A short animation of pictures of the whole film."""

    frames: int = Field(ge=2)
    width: Pixels
    height: Pixels
    duration_seconds: Seconds = Field(description="Until it begins anew")
    size_bytes: int = Field(ge=1)


class WaveformFacts(ResultDocument):
    """Peaks of the sound, as audiowaveform writes them."""

    sample_rate: int = Field(ge=1, description="Hertz")
    samples_per_pixel: int = Field(ge=1, description="512, or doubled until `length` is at most 200,000")
    bits: int
    channels: int
    length: int = Field(ge=0, description="Pixels, each of a minimum and a maximum")
    size_bytes: int = Field(ge=1)


class PreviewDocument(ResultDocument):
    """What was made of one source to be shown before it is played; null where it has not what that takes."""

    duration_seconds: Seconds | None
    format: PictureFormat = Field(description="Of sprites and poster")
    storyboard: StoryboardFacts | None
    poster: PosterFacts | None
    hover: HoverFacts | None = Field(description="Null also where there are not two pictures")
    waveform: WaveformFacts | None
    warnings: list[Remark]


class FrameEntry(ResultDocument):
    """One frame among the products."""

    ordinal: int = Field(ge=0)
    instant_seconds: Seconds
    page: int | None = Field(None, description="From 1, of a TIFF that has several")
    filename: str
    size_bytes: int = Field(ge=1)


class SheetEntry(ResultDocument):
    """One contact sheet among the products."""

    ordinal: int = Field(ge=0)
    filename: str
    document: ContactSheetDocument


class SourceReport(ResultDocument):
    """Everything found out about one source."""

    position: int = Field(ge=0, description="Among the job's sources")
    file_id: str
    filename: str
    media_type: str
    size_bytes: int
    probe: ProbeDocument
    frames: FramesDocument | None = Field(description="Null where the source holds no pictures")
    taken: list[FrameEntry] = Field(description="In time order")


class ReportDocument(ResultDocument):
    """One run, to be read without the service: `report.json`."""

    kind: str = "analyze"
    sources: list[SourceReport]
    contact_sheets: list[SheetEntry] = Field(description="One for each video, and one for all still images together")
    warnings: list[Remark]


DOCUMENTS: Final[Mapping[str, type[BaseModel]]] = {
    "probe": ProbeDocument,
    "frames": FramesDocument,
    "contact_sheet": ContactSheetDocument,
    "preview": PreviewDocument,
}
"""The model of every kind of result that built-in analyses produce."""
