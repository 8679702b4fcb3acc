"""When the packets of a stream are decoded and shown, as they are stored."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

FALLBACK_RATE: Final = Fraction(25)
REORDERED: Final = 17
"""No codec shows a frame further than 16 frames from where it is stored."""
_LARGE: Final = 2**31
_LONGEST_SECONDS: Final = 24 * 3600
"""What is told to last longer is a difference of time stamps that went below zero."""


def usual_ticks(stream: Stream) -> int:
    """Return how many ticks a frame of a video stream is shown where nothing tells more; 0 of other streams."""
    if not isinstance(stream, VideoStream):
        return 0
    return max(1, round(1 / ((stream.average_rate or FALLBACK_RATE) * (stream.time_base or 1 / FALLBACK_RATE))))


@dataclass(slots=True)
class Stamps:
    """When the packets of a stream are decoded, shown, and for how long, in ticks, as they are stored."""

    usual: int = 0
    """The duration of packets that tell none."""
    decoded: "array[int]" = field(default_factory=lambda: array("q"), init=False)
    shown: "array[int]" = field(default_factory=lambda: array("q"), init=False)
    durations: "array[int]" = field(default_factory=lambda: array("q"), init=False)
    keys: "array[int]" = field(default_factory=lambda: array("q"), init=False)
    """Places of packets that decode alone."""
    preroll: int = field(default=0, init=False)
    """So many packets in front are decoded and not shown."""

    def add(self, packet: "Packet[Any]") -> None:
        """Note one packet; one without time stamps follows the last."""
        if packet.is_keyframe:
            self.keys.append(len(self.shown))
        if packet.is_discard and self.preroll == len(self.shown):
            self.preroll += 1
        told = packet.pts if packet.pts is not None else packet.dts
        expected = self.decoded[-1] + self.durations[-1] if self.decoded else told or 0
        if told is not None and not 0 <= told - expected <= REORDERED * self.usual:
            expected = told
        self.decoded.append(packet.dts if packet.dts is not None else expected)
        self.shown.append(told if told is not None else expected)
        self.durations.append(self._duration(packet))

    @property
    def count(self) -> int:
        """How many packets are shown."""
        return len(self.shown) - self.preroll

    def expected(self, place: int) -> int:
        """Return when the packet at this place should be decoded, by the one before."""
        return self.decoded[place - 1] + self.durations[place - 1]

    def _duration(self, packet: "Packet[Any]") -> int:
        told = packet.duration or self.usual
        if told > _LARGE and told * packet.time_base > _LONGEST_SECONDS:
            return self.durations[-1] if self.durations else self.usual
        return told


def joined(parts: "Sequence[Stamps]") -> Stamps:
    """Return the packets of all parts, one behind the other."""
    whole = Stamps(parts[0].usual)
    whole.preroll = parts[0].preroll
    for part in parts:
        whole.keys.extend(len(whole.shown) + place for place in part.keys)
        whole.decoded.extend(part.decoded)
        whole.shown.extend(part.shown)
        whole.durations.extend(part.durations)
    return whole
