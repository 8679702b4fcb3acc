"""Transparency that is coded as pictures of its own beside those of a film."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, cast

import av
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from media_analysis.media.options import Limits

_CODECS: Final = frozenset({"vp8", "vp9"})
_ALPHA_MODE: Final = "alpha_mode"
"""What FFmpeg calls Matroska's AlphaMode (RFC 9559, section 5.1.4.1.28.4)."""
_SIDE_DATA: Final = "matroska_block_additional"
_ALPHA_ID: Final = (1).to_bytes(8)
_WAITING: Final = 32
"""So many may be decoded before the pictures they belong to."""


@dataclass(slots=True)
class AlphaDecoder:
    """Decodes the transparency of one stream, beside its pictures."""

    limits: Limits
    codec: str
    _context: VideoCodecContext | None = field(default=None, init=False)
    _ready: "OrderedDict[int | None, VideoFrame]" = field(default_factory=OrderedDict, init=False)

    @classmethod
    def of(cls, stream: VideoStream, limits: Limits) -> "AlphaDecoder | None":
        """Return what decodes the transparency of a stream, None where it tells of none."""
        codec = stream.codec_context.name
        return cls(limits, codec) if codec in _CODECS and stream.metadata.get(_ALPHA_MODE) == "1" else None

    def note(self, packet: "Packet[VideoStream] | None") -> None:
        """Decode what stands beside a packet's picture; what cannot be decoded is missing, and its picture opaque."""
        if packet is None or not packet.has_sidedata(_SIDE_DATA):
            return
        beside = bytes(packet.get_sidedata(_SIDE_DATA))
        if not beside.startswith(_ALPHA_ID):
            return
        coded: Packet[VideoStream] = Packet(beside[len(_ALPHA_ID) :])  # type: ignore[assignment]
        coded.pts, coded.time_base = packet.pts, packet.time_base
        try:
            frames = self._opened().decode(coded)
        except MemoryError:
            raise
        except av.FFmpegError:
            return
        for frame in frames:
            self._ready[packet.pts] = frame
        while len(self._ready) > _WAITING:
            self._ready.popitem(last=False)

    def of_frame(self, frame: VideoFrame) -> VideoFrame | None:
        """Return the frame whose luma is the transparency of another one, once."""
        return self._ready.pop(frame.pts, None)

    def reset(self) -> None:
        """Make ready for packets that do not follow those before."""
        self._ready.clear()
        if self._context is not None:
            self._context.flush_buffers()

    def _opened(self) -> VideoCodecContext:
        if self._context is None:
            context = cast("VideoCodecContext", VideoCodecContext.create(self.codec, "r"))
            context.thread_count = 1
            context.options = {"max_pixels": str(self.limits.max_pixels)}
            self._context = context
        return self._context


def with_alpha(image: Image.Image, alpha: Image.Image) -> Image.Image:
    """Return an image, RGB or RGBX, with transparency, which is stretched over it."""
    transparent = image.convert("RGB").convert("RGBA")
    transparent.putalpha(alpha.resize(image.size, Image.Resampling.BICUBIC, reducing_gap=3.0))
    return transparent


def alpha_image(frame: VideoFrame) -> Image.Image:
    """Return the luma of a frame of eight bits, whose numbers are those of transparency as they are."""
    plane = frame.planes[0]
    return Image.frombuffer("L", (frame.width, frame.height), bytes(plane), "raw", "L", plane.line_size, 1)
