"""Names of colour spaces (ITU-T H.273), and which of them are high dynamic range."""

from typing import Final, Protocol

from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from media_analysis.media.facts import ColourFacts, HdrKind

_PRIMARIES: Final = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
    22: "ebu3213",
}
_TRANSFERS: Final = {
    1: "bt709",
    4: "gamma22",
    5: "gamma28",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log100",
    10: "log316",
    11: "iec61966-2-4",
    12: "bt1361e",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
_MATRICES: Final = {
    0: "gbr",
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    11: "smpte2085",
    12: "chroma-derived-nc",
    13: "chroma-derived-c",
    14: "ictcp",
}
_RANGES: Final = {1: "limited", 2: "full"}
_DOLBY_VISION_TAGS: Final = frozenset({"dvh1", "dvhe", "dva1", "dvav", "dav1"})
_DOLBY_VISION_NOTES: Final = frozenset({Type.DOVI_METADATA, Type.DOVI_RPU_BUFFER})
_NOTES: Final = _DOLBY_VISION_NOTES | {Type.DYNAMIC_HDR_PLUS}


class _Coloured(Protocol):
    """A decoder or one of its frames."""

    @property
    def color_primaries(self) -> int: ...
    @property
    def color_trc(self) -> int: ...
    @property
    def colorspace(self) -> int: ...
    @property
    def color_range(self) -> int: ...


def colour_of(stream: VideoStream) -> ColourFacts:
    """Return what the stream says of its colours; unspecified stays null."""
    return colour_facts(stream.codec_context)


def colour_facts(told: _Coloured) -> ColourFacts:
    """Return the names of colours that are told by number; unspecified stays null."""
    return ColourFacts(
        primaries=_PRIMARIES.get(told.color_primaries),
        transfer=_TRANSFERS.get(told.color_trc),
        matrix=_MATRICES.get(told.colorspace),
        range=_RANGES.get(told.color_range),
    )


def hdr_of(stream: VideoStream, first: VideoFrame | None, colour: ColourFacts) -> HdrKind | None:
    """Return the kind of high dynamic range, None for standard range."""
    noted = frozenset[Type]() if first is None else _noted(first)
    if stream.codec_context.codec_tag in _DOLBY_VISION_TAGS or noted & _DOLBY_VISION_NOTES:
        return HdrKind.DOLBY_VISION
    if colour.transfer == "arib-std-b67":
        return HdrKind.HLG
    if colour.transfer != "smpte2084":
        return None
    if Type.DYNAMIC_HDR_PLUS in noted:
        return HdrKind.HDR10_PLUS
    return HdrKind.HDR10 if colour.primaries == "bt2020" else HdrKind.PQ


def _noted(frame: VideoFrame) -> frozenset[Type]:
    try:
        return frozenset(kind for kind in _NOTES if kind in frame.side_data)
    except ValueError:  # PyAV lists no side data at all where it does not know one of them
        return frozenset()
