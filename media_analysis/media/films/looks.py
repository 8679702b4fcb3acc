"""What a picture is apart from its content, and how that changes on the way through a film."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, pairwise
from typing import Any, Final

import av
from av.packet import Packet
from av.video.stream import VideoStream

from media_analysis.media.colours.names import colour_facts
from media_analysis.media.films.decoder import Decoded, Decoder
from media_analysis.media.films.parameter_sets import parameters_of
from media_analysis.media.orientation import Orientation

PICTURE_CHANGE: Final = "picture_change"
"""The code of what is said of a change."""
_MOST_KINDS: Final = 16
"""So many different parameters are looked at; films that change more often are told of until there."""
_MOST_CHANGES: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """Size, shape of pixels, turn and colours of stored pictures."""

    size: tuple[int, int]
    aspect: Fraction
    turn: Orientation
    colours: tuple[str | None, ...]
    """Primaries, transfer, matrix and range by name."""

    @classmethod
    def of(cls, decoded: Decoded) -> "Look":
        """Return the look of a frame."""
        frame, told = decoded.frame, colour_facts(decoded.frame)
        colours = told.primaries, told.transfer, told.matrix, told.range
        return cls(size=(frame.width, frame.height), aspect=decoded.aspect, turn=decoded.orientation, colours=colours)

    def changed_from(self, before: "Look") -> str:
        """Return in words what is other than it was."""
        pairs = zip(self.words, before.words, strict=True)
        return ", ".join(f"{name} {new} instead of {old}" for (name, new), (_, old) in pairs if new != old)

    @property
    def words(self) -> list[tuple[str, str]]:
        """Name and value of everything it is made of."""
        width, height = self.size
        return [
            ("size", f"{width}x{height}"),
            ("pixel aspect", f"{self.aspect.numerator}:{self.aspect.denominator}"),
            ("turn", f"{self.turn.degrees} degrees" + (" mirrored" if self.turn.mirrored else "")),
            *zip(
                ("primaries", "transfer", "matrix", "range"), (each or "unknown" for each in self.colours), strict=True
            ),
        ]


@dataclass(frozen=True, slots=True)
class PictureChange:
    """From when on pictures look other than before, in seconds from the first frame, and how."""

    at_seconds: float
    detail: str

    def __str__(self) -> str:
        return f"pictures change at {self.at_seconds:.3f} seconds: {self.detail}"


@dataclass(slots=True)
class ChangeDetector:
    """Notes where packets announce other pictures, and decodes one of each kind when asked what changed."""

    decoder: Decoder
    """Of which nothing was decoded yet."""
    _kinds: "dict[bytes, Packet[Any]]" = field(default_factory=dict, init=False)
    _changes: list[tuple[int, int, bytes]] = field(default_factory=list, init=False)
    """The index of a stream, the place of a packet in it, and the parameters that hold from there."""

    def noting(self, packets: "Iterator[Packet[VideoStream]]") -> "Iterator[Packet[VideoStream]]":
        """Yield packets as they are stored, all being noted."""
        for place, packet in enumerate(packets):
            self.note(place, packet)
            yield packet

    def note(self, place: int, packet: "Packet[Any]") -> None:
        """Look at the packet that is stored at a place of its stream, those before it being noted."""
        if not packet.is_keyframe or len(self._changes) > _MOST_CHANGES:
            return
        context = self.decoder.stream.codec_context
        said = parameters_of(packet, context.name, context.extradata)
        if (not said and self._changes) or (self._changes and said == self._changes[-1][-1]):
            return
        if said in self._kinds or len(self._kinds) < _MOST_KINDS:
            self._kinds.setdefault(said, packet)
            self._changes.append((packet.stream_index, place, said))

    def changes(self, shown: Mapping[int, Sequence[int]]) -> Iterator[PictureChange]:
        """Yield where pictures look other than before.

        `shown` are the instants of all packets by the index of their stream; those of others do not count.

        Raises:
            MediaLimitPassed: they have more pixels than allowed.

        """
        if len(self._kinds) < 2:  # noqa: PLR2004 - one kind is no change
            return
        looks = {said: _look_of(self.decoder, packet) for said, packet in self._kinds.items()}
        noted = [(shown[index][place], looks[said]) for index, place, said in self._changes if index in shown]
        known = [(instant, look) for instant, look in noted if look is not None]
        start = min(chain.from_iterable(shown.values()))
        for (_, before), (instant, after) in pairwise(known):
            if after != before:
                at = (instant - start) * (self.decoder.stream.time_base or 0)
                yield PictureChange(round(float(at), 6), after.changed_from(before))


def _look_of(decoder: Decoder, packet: "Packet[Any]") -> Look | None:
    decoder.reset()
    try:
        found = [*decoder.decode(packet), *decoder.decode(None)]
    except MemoryError:
        raise
    except av.FFmpegError:
        return None
    finally:
        decoder.reset()
    return Look.of(found[0]) if found else None
