"""Pictures of two fields: in which order they were taken, and one field of each as a whole picture."""

from typing import Final

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from media_analysis.media.facts import FieldOrder
from media_analysis.media.films.filtering import graph_for

_ORDERS: Final = {
    1: FieldOrder.PROGRESSIVE,
    2: FieldOrder.TOP_TOP,
    3: FieldOrder.BOTTOM_BOTTOM,
    4: FieldOrder.TOP_BOTTOM,
    5: FieldOrder.BOTTOM_TOP,
}
"""By FFmpeg's numbers (AVFieldOrder)."""
_WHOLE: Final = frozenset({FieldOrder.UNKNOWN, FieldOrder.PROGRESSIVE})
_FEWEST: Final = 4
"""Fewer lines or columns are not interpolated."""


def field_order_of(stream: VideoStream, first: VideoFrame | None) -> FieldOrder:
    """Return the order as the stream's headers tell it, or as its first frame does where they tell of none."""
    told = _ORDERS.get(stream.codec_context.field_order, FieldOrder.UNKNOWN)
    if first is None or not first.interlaced_frame or told not in _WHOLE:
        return told
    return FieldOrder.TOP_TOP if _is_top_first(first) else FieldOrder.BOTTOM_BOTTOM


def deinterlaced(frame: VideoFrame) -> VideoFrame:
    """Return a frame whose first field is a whole picture, its other lines interpolated; others are returned as given.

    Only lines of the frame itself are used, by the spatial part of the BBC's filter: a picture looks the same whichever
    frames are decoded beside it, and no comb is left in those of which neither neighbour is, such as keyframes.
    """
    if not frame.interlaced_frame or min(frame.width, frame.height) < _FEWEST:
        return frame
    # What it is given first is interpolated within itself, and comes out when something follows.
    graph = graph_for(frame, ("bwdif", "mode=send_frame"))
    graph.vpush(frame)
    graph.vpush(frame)
    return graph.vpull()


def _is_top_first(frame: VideoFrame) -> bool:
    graph = graph_for(frame, ("select", "eq(interlace_type\\,TOPFIRST)"))
    graph.vpush(frame)
    graph.vpush(None)
    try:
        graph.vpull()
    except (av.error.EOFError, av.error.BlockingIOError):
        return False
    return True
