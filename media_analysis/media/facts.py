"""What a probe tells of a media file: the published document, in seconds, bytes, pixels and hertz."""

from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

MAX_WARNINGS: Final = 100


class MediaKind(StrEnum):
    """What a file shows or plays; cover art makes no video of a song."""

    VIDEO = "video"
    AUDIO = "audio"
    IMAGE = "image"


class HdrKind(StrEnum):
    """How brightness beyond the ordinary is coded."""

    HDR10 = "hdr10"
    HDR10_PLUS = "hdr10+"
    DOLBY_VISION = "dolby_vision"
    HLG = "hlg"
    PQ = "pq"
    """SMPTE ST 2084 without the primaries of BT.2020."""


class FieldOrder(StrEnum):
    """Which field of a picture is coded first, and which shown first, as ffprobe tells them."""

    PROGRESSIVE = "progressive"
    TOP_TOP = "tt"
    BOTTOM_BOTTOM = "bb"
    TOP_BOTTOM = "tb"
    BOTTOM_TOP = "bt"
    UNKNOWN = "unknown"


class Facts(BaseModel):
    """A part of the document; what is not known is null."""

    # Built when first needed: a child needs few of them, and starts the sooner.
    model_config = ConfigDict(frozen=True, extra="forbid")


class ColourFacts(Facts):
    """How numbers become colours, by the names of ITU-T H.273."""

    primaries: str | None = Field(None, examples=["bt709"])
    transfer: str | None = Field(None, examples=["bt709", "smpte2084"])
    matrix: str | None = Field(None, examples=["bt709", "bt2020nc"])
    range: str | None = Field(None, description="limited (16 to 235 of 8 bits) or full")


class AudioFacts(Facts):
    """The best audio stream."""

    codec: str | None = Field(None, examples=["aac"])
    profile: str | None = None
    channels: int | None = None
    layout: str | None = Field(None, examples=["stereo", "5.1"])
    sample_rate: int | None = Field(None, description="Hertz")
    sample_format: str | None = Field(None, examples=["fltp"])
    bit_rate: int | None = Field(None, description="Bits a second")
    duration_seconds: float | None = None
    language: str | None = None


class StreamFacts(Facts):
    """One stream of a container."""

    index: int
    kind: str = Field(description="video, audio, subtitle, data, attachment or unknown")
    codec: str | None = None
    decodable: bool = Field(description="Whether a decoder for it is here")
    language: str | None = None
    title: str | None = None
    default: bool = False
    forced: bool = False
    attached_picture: bool = Field(default=False, description="Cover art, not a video")
    duration_seconds: float | None = None
    bit_rate: int | None = Field(None, description="Bits a second")


class ChapterFacts(Facts):
    """A part of the whole with a name."""

    start_seconds: float
    end_seconds: float
    title: str | None = None


class CameraFacts(Facts):
    """What a camera noted (EXIF)."""

    make: str | None = None
    model: str | None = None
    lens: str | None = None
    software: str | None = None
    taken_at: str | None = Field(None, description="ISO 8601; with an offset only where the camera noted one")
    exposure_seconds: float | None = None
    f_number: float | None = None
    iso: int | None = None
    focal_length_mm: float | None = None
    latitude: float | None = Field(None, description="Degrees, north is positive")
    longitude: float | None = Field(None, description="Degrees, east is positive")
    altitude_metres: float | None = Field(None, description="Above sea level")


class ImageFacts(Facts):
    """What only images have."""

    mode: str = Field(description="Pillow's name of the pixel layout", examples=["RGB", "CMYK", "I;16"])
    animated: bool = False
    icc_profile: str | None = Field(None, description="The name of the colour profile inside")
    dpi: tuple[float, float] | None = Field(None, description="Dots per inch, across and down")
    camera: CameraFacts | None = None


class WarningFacts(Facts):
    """What a reader of the document should know of the file."""

    code: str = Field(examples=["discontinuity"])
    detail: str
    at_seconds: float | None = Field(None, description="Where, in seconds from the first frame or sample")


class ProbeDocument(Facts):
    """What a media file is; the fields at the top describe its best video stream, or the image."""

    kind: MediaKind
    format: str = Field(description="The container or image format", examples=["mp4", "matroska", "jpeg"])
    media_type: str = Field(description="From content", examples=["video/mp4"])
    size_bytes: int
    duration_seconds: float | None = Field(
        None,
        description="As the headers tell if frames bear it out, else measured by packets, whose time stamps are set on "
        "one line; null for images and where nothing plays",
    )
    estimated_duration: bool = Field(
        default=False,
        description="Whether the duration is a guess: headers tell none, and the file is too large to be measured "
        "whole, or has no time stamps",
    )
    start_seconds: float | None = Field(None, description="The first timestamp")
    bit_rate: int | None = Field(None, description="Bits a second, of the whole file")
    truncated: bool | None = Field(None, description="Whether the file ends before what its headers announce")

    warnings: list[WarningFacts] = Field(
        default_factory=list,
        description="Such as where time stamps do not go on (`discontinuity`) or pictures look other than before "
        "(`picture_change`), or which pictures of a file are not shown (`further_pictures`); at most 100",
    )

    width: int | None = Field(None, description="Pixels after turning upright, not stretched to square ones")
    height: int | None = Field(None, description="Pixels after turning upright")
    rotation_degrees: int | None = Field(None, description="Clockwise turn that sets stored pixels upright: 0 to 270")
    mirrored: bool | None = Field(None, description="Whether stored pixels are swapped left to right before the turn")
    sample_aspect_ratio: str | None = Field(None, description="Of an upright pixel, across to down", examples=["1:1"])
    display_aspect_ratio: str | None = Field(None, description="Of the upright picture", examples=["16:9"])
    video_codec: str | None = Field(None, examples=["h264"])
    video_profile: str | None = Field(None, examples=["High"])
    video_bit_rate: int | None = Field(None, description="Bits a second")
    pixel_format: str | None = Field(None, examples=["yuv420p"])
    bit_depth: int | None = Field(None, description="Of one colour component")
    frame_rate: float | None = Field(None, description="Frames a second; the average where it varies")
    variable_frame_rate: bool | None = Field(
        None, description="Judged by the first frames; null where they are too few"
    )
    frames: int | None = Field(None, description="As the file tells or packets were counted; 1 for still images")
    pages: int | None = Field(
        None, description="Pictures of an image that do not follow each other in time: 1, and more in a TIFF"
    )
    interlaced: bool | None = Field(None, description="Whether the first picture is of two fields")
    field_order: FieldOrder | None = Field(
        None, description="tt and bb: top or bottom field first; tb and bt: coded first, shown second", examples=["tt"]
    )
    colour: ColourFacts | None = None
    hdr: bool | None = None
    hdr_kind: HdrKind | None = None

    audio: AudioFacts | None = None
    image: ImageFacts | None = None
    stream_counts: dict[str, int] = Field(default_factory=dict, description="Streams by kind")
    streams: list[StreamFacts] = Field(default_factory=list)
    chapters: list[ChapterFacts] = Field(default_factory=list, description="At most 1,000")
    metadata: dict[str, str] = Field(
        default_factory=dict, description="What is written in the container: at most 100 values of 1,000 characters"
    )
    metadata_raw: dict[str, str] = Field(
        default_factory=dict,
        description="The bytes, in base64, of values of `metadata` that were not written in Unicode (ID3 in another "
        "code page, RIFF), which are guesses",
        examples=[{"title": "g16DQ4Ngg4s="}],
    )
    timecode: str | None = Field(
        None,
        description="Of the first frame, HH:MM:SS:FF; a semicolon before FF says that numbers are dropped",
        examples=["01:00:00:00"],
    )
