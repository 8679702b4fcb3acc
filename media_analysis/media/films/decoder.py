"""A stream's decoder, whose frames are told with how they are to be shown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, cast

import av
from av.codec.context import ThreadType
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from media_analysis.errors.media import MediaLimitPassed
from media_analysis.media.films.alpha import AlphaDecoder
from media_analysis.media.films.filtering import filtered
from media_analysis.media.films.opening import demuxer_of
from media_analysis.media.films.parameter_sets import parameters_of, tells_turn
from media_analysis.media.options import Limits
from media_analysis.media.orientation import Orientation

_SHAPED_BY_CONTAINER: Final = frozenset({"mov", "matroska", "avi", "asf", "nut", "mxf"})
"""Their headers tell the shape of all pixels, and win over coded pictures (FFmpeg, av_guess_sample_aspect_ratio)."""

_WAITING: Final = frozenset({"h264", "hevc"})
"""Their frames may wait for many others."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A frame, and how it is to be shown."""

    frame: VideoFrame
    aspect: Fraction
    """Of a stored pixel, across to down."""
    orientation: Orientation
    alpha: VideoFrame | None = None
    """Whose luma is its transparency, where that is coded apart."""


@dataclass(slots=True)
class Decoder:
    """Decodes one stream of an opened container."""

    stream: VideoStream
    limits: Limits
    _by_container: Fraction | None = field(default=None, init=False)
    _told: list[Fraction] = field(default_factory=list, init=False)
    _said: bytes | None = field(default=None, init=False)
    _headers: "tuple[Packet[VideoStream], ...]" = field(default=(), init=False)
    """Of Theora, that the decoder was given."""
    _turns: bool = field(default=False, init=False)
    """Whether pictures themselves tell how they are turned."""
    _alpha: AlphaDecoder | None = field(default=None, init=False)
    _orientations: dict[int, Orientation] = field(default_factory=dict, init=False)
    _last: Orientation = field(default=Orientation(), init=False)

    def __post_init__(self) -> None:
        told = self.stream.sample_aspect_ratio
        demuxer = demuxer_of(cast("InputContainer", self.stream.container))
        if demuxer in _SHAPED_BY_CONTAINER or told != self.stream.codec_context.sample_aspect_ratio:
            self._by_container = told
        self._alpha = AlphaDecoder.of(self.stream, self.limits)
        self._note_aspect()

    @classmethod
    def threaded(cls, stream: VideoStream, limits: Limits) -> "Decoder":
        """Return the decoder of a stream of which nothing was decoded yet, with all threads that it may have."""
        # Theora that begins anew is refused by several threads.
        begins_anew = stream.codec_context.name == "theora"
        stream.codec_context.thread_type = ThreadType.SLICE if begins_anew else ThreadType.AUTO
        stream.codec_context.thread_count = 1 if begins_anew else limits.threads
        return cls(stream, limits)

    def decode(self, packet: "Packet[VideoStream] | None") -> Iterator[Decoded]:
        """Yield the frames that a packet completes, or with None all that are left.

        Raises:
            av.FFmpegError: it cannot be decoded.
            MediaLimitPassed: its pictures have more pixels than `limits.max_pixels`.

        """
        if packet is not None and self._begins_anew(packet):
            yield from self._decoded(None)
            self.reset()
        if packet is not None and packet.opaque and packet.opaque != self._headers:
            self._headers = cast("tuple[Packet[VideoStream], ...]", packet.opaque)
            for header in self._headers:
                self._decoded(header)
        yield from self._decoded(packet)

    def reset(self) -> None:
        """Make ready for packets that do not follow those before."""
        self.stream.codec_context.flush_buffers()
        if self._alpha is not None:
            self._alpha.reset()

    def _begins_anew(self, packet: "Packet[VideoStream]") -> bool:
        """Whether what still waits in the decoder should leave it, or it would be told with the looks of what follows.

        In these codecs, nothing refers to pictures before new parameters.
        """
        context = self.stream.codec_context
        if context.name not in _WAITING or not packet.is_keyframe:
            return False
        before, said = self._said, parameters_of(packet, context.name, context.extradata)
        self._said = said or before or b""
        if self._said == before:
            return False
        self._turns = self._turns or tells_turn(packet, context.name, context.extradata)
        return before is not None

    def _decoded(self, packet: "Packet[VideoStream] | None") -> Sequence[Decoded]:
        had_size = self.stream.codec_context.width > 0
        try:
            frames = self.stream.decode(packet)
        except av.error.ArgumentError as error:
            self._refuse_large(forgotten=had_size, error=error)
            raise
        except av.FFmpegError as error:
            self._refuse_large(error=error)
            raise
        self._refuse_large()
        self._note_aspect()
        if self._alpha is not None:
            self._alpha.note(packet)
        return [self._told_of(frame) for frame in frames]

    def _told_of(self, frame: VideoFrame) -> Decoded:
        alpha = None if self._alpha is None else self._alpha.of_frame(frame)
        return Decoded(frame, self._aspect_of(frame), self._orientation_of(frame), alpha)

    def _refuse_large(self, *, forgotten: bool = False, error: av.FFmpegError | None = None) -> None:
        """Say so where the decoder refused pictures for their size; it may forget it, lack memory, or say nothing."""
        context, allowed = self.stream.codec_context, self.limits.max_pixels
        found = max(context.width * context.height, context.coded_width * context.coded_height)
        if forgotten and not found:
            found = allowed + 1
        if found > allowed:
            raise MediaLimitPassed("pixels", found=found, allowed=allowed) from error

    def _note_aspect(self) -> None:
        # Frames may wait behind others, so what the decoder tells is ahead of them.
        told = self._by_container or self.stream.codec_context.sample_aspect_ratio or Fraction(1)
        if told not in self._told:
            self._told.append(told)

    def _aspect_of(self, frame: VideoFrame) -> Fraction:
        if len(self._told) == 1:
            return self._told[0]
        measured = Fraction(_sample_of(frame).width, 1000)
        return min(self._told, key=lambda aspect: abs(aspect - measured))

    def _orientation_of(self, frame: VideoFrame) -> Orientation:
        """Return how a frame is to be turned, read from the first one turned by as much where all are told at once."""
        turn = frame.rotation
        if self._turns:
            if frame.key_frame or turn:
                self._last = Orientation.of_frame(_sample_of(frame))
            return self._last
        if turn not in self._orientations:
            self._orientations[turn] = Orientation.of_frame(_sample_of(frame))
        return self._orientations[turn]


def _sample_of(frame: VideoFrame) -> VideoFrame:
    """Return a strip of a frame as wide as a thousand times its pixel aspect, with all that is said beside it.

    PyAV tells the aspect of decoders alone, but filters see that of frames; and a frame whose side data was looked at
    holds itself, and stays in memory until the garbage is collected.
    """
    return filtered(
        frame,
        ("crop", "w=min(iw\\,16):h=min(ih\\,16):x=0:y=0:exact=1"),
        ("scale", "w=clip(round(sar*1000)\\,1\\,16000):h=16:eval=frame:flags=neighbor"),
    )
