"""The time code of a recording: the clock of the studio or the camera at its first frame."""

import re
import sys
from typing import Final, cast

from av.container import InputContainer
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

_COUNTED: Final = 0xFF_EFFF
"""All bits of a group's time code but the marker within, and the mark of numbers that are dropped."""
_WRITTEN: Final = re.compile(r"\d\d:[0-5]\d:[0-5]\d[:;.]\d{2,3}")


def timecode_of(container: InputContainer, video: VideoStream | None, first: VideoFrame | None) -> str | None:
    """Return the time code of the first frame as HH:MM:SS:FF, with a semicolon before FF where numbers are dropped.

    Containers tell it (QuickTime and MP4 in a track of its own, MXF, Matroska, AVI, DV), or MPEG-2 in its first group
    of pictures.
    """
    told = [container.metadata, *([] if video is None else [video.metadata])]
    told += [stream.metadata for stream in container.streams if stream.type == "data"]
    written = (value for tags in told for name, value in tags.items() if name.lower() == "timecode")
    found = next((value for value in written if _WRITTEN.fullmatch(value)), None)
    return found or (None if first is None else _of_frame(first))


def _of_frame(first: VideoFrame) -> str | None:
    """Source: ISO/IEC 13818-2, 6.3.8; all zeros is what encoders write that have none."""
    try:
        group = bytes(cast("SideDataContainer", first.side_data)[Type.GOP_TIMECODE])
    except (KeyError, ValueError):  # the second where PyAV does not know some of what there is
        return None
    word = int.from_bytes(group[:4], sys.byteorder)
    hours, minutes, seconds, frames = word >> 19 & 0x1F, word >> 13 & 0x3F, word >> 6 & 0x3F, word & 0x3F
    written = f"{hours:02}:{minutes:02}:{seconds:02}{';' if word >> 24 else ':'}{frames:02}"
    return written if word & _COUNTED else None
