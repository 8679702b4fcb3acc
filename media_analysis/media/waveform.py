"""Peaks of a sound, in audiowaveform's JSON: the lowest and the highest sample of every so many.

Source: https://github.com/bbc/audiowaveform/blob/master/doc/DataFormat.md, version 2 with 8 bits and one channel.
"""

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from PIL import Image, ImageChops

from media_analysis.errors.media import MediaLimitPassed
from media_analysis.media.films.continuity import Clock, Shift, restamped, set_right
from media_analysis.media.films.opening import has_decoder, open_media, readable_packets
from media_analysis.media.films.stamps import Stamps
from media_analysis.media.films.starts import starts_of
from media_analysis.media.films.streams import best_audio
from media_analysis.media.options import Limits

FINEST: Final = 512
"""Samples of a pixel; twice as many for as long as there would be more pixels than the most."""
MOST_PIXELS: Final = 200_000
BITS: Final = 8
_ZERO: Final = 128
_SILENCE: Final = bytes((_ZERO,))
"""As samples of 8 bits without a sign have it."""
AT_ONCE: Final = 2**18
_GAP_SECONDS: Final = 0.1
"""A longer pause between two frames is silence; a shorter one is how containers round."""
Progress = Callable[[float], None]
Lookup = Callable[[Image.Image, Image.Image], Image.Image]


@dataclass(slots=True)
class Peaks:
    """The extremes of samples as they come; memory is bounded by `MOST_PIXELS`."""

    samples_per_pixel: int = field(default=FINEST, init=False)
    samples: int = field(default=0, init=False)
    _low: bytearray = field(default_factory=bytearray, init=False)
    _high: bytearray = field(default_factory=bytearray, init=False)
    _rest: bytearray = field(default_factory=bytearray, init=False)
    """Samples that make no pixel yet."""

    def add(self, samples: bytes) -> None:
        """Take the next samples, of 8 bits each without a sign."""
        self.samples += len(samples)
        self._rest += samples
        if len(self._rest) >= AT_ONCE:
            self._take_rest()

    def add_silence(self, count: int) -> None:
        """Take so many samples of silence, in no more time than a few pixels take."""
        while count >= 2 * self.samples_per_pixel:
            filling = -len(self._rest) % self.samples_per_pixel
            if (len(self._low) + (len(self._rest) + filling) // self.samples_per_pixel) % 2:
                filling += self.samples_per_pixel
            self.add(_SILENCE * filling)
            self._take_rest()
            count -= filling
            pixels = self._even(min(count // self.samples_per_pixel, MOST_PIXELS))
            self.samples += pixels * self.samples_per_pixel
            count -= pixels * self.samples_per_pixel
            self._add_pixels(_SILENCE * pixels, _SILENCE * pixels)
        self.add(_SILENCE * count)

    def pairs(self) -> Iterator[int]:
        """Yield the lowest and the highest sample of each pixel in turn, -128 to 127; nothing may be added after it."""
        self._take_rest()
        for start in range(0, len(self._rest), self.samples_per_pixel):
            pixel = self._rest[start : start + self.samples_per_pixel]
            self._low.append(min(pixel))
            self._high.append(max(pixel))
        self._rest.clear()
        self._add_pixels(b"", b"")
        for low, high in zip(self._low, self._high, strict=True):
            yield low - _ZERO
            yield high - _ZERO

    def _take_rest(self) -> None:
        pixels = self._even(len(self._rest) // self.samples_per_pixel)
        if pixels:
            whole = bytes(self._rest[: pixels * self.samples_per_pixel])
            del self._rest[: len(whole)]
            self._add_pixels(_extremes(whole, pixels, ImageChops.darker), _extremes(whole, pixels, ImageChops.lighter))

    def _even(self, pixels: int) -> int:
        """Return so many pixels, or one less, that they are an even number in all: an odd one would be merged alone."""
        return max(0, pixels - (len(self._low) + pixels) % 2)

    def _add_pixels(self, low: bytes, high: bytes) -> None:
        # Fewer than the most at once: merged twice in a row, an odd number of them would not begin where samples do.
        self._low += low
        self._high += high
        while len(self._low) > MOST_PIXELS:
            self._low, self._high = _merged(self._low, min), _merged(self._high, max)
            self.samples_per_pixel *= 2


def _extremes(samples: bytes, pixels: int, more_extreme: Lookup) -> bytes:
    """Return the most extreme of each pixel's samples: rows of a picture, folded until they are one sample wide."""
    width = len(samples) // pixels
    rows = Image.frombuffer("L", (width, pixels), samples, "raw", "L", 0, 1)
    while width > 1:
        width //= 2
        rows = more_extreme(rows.crop((0, 0, width, pixels)), rows.crop((width, 0, 2 * width, pixels)))
    return rows.tobytes()


def _merged(pixels: bytearray, more_extreme: Callable[[int, int], int]) -> bytearray:
    merged = bytearray(map(more_extreme, pixels[::2], pixels[1::2]))
    return merged + pixels[-1:] if len(pixels) % 2 else merged


@dataclass(frozen=True, kw_only=True, slots=True)
class Waveform:
    """Peaks of a whole sound, and what is to be said of it."""

    content: bytes
    """The JSON."""
    sample_rate: int
    samples_per_pixel: int
    length: int
    """Pixels, of which each has two numbers."""
    undecoded: int = 0
    """Packets that could not be decoded."""


def read_waveform(path: Path, limits: Limits, *, progress: Progress = lambda _seconds: None) -> Waveform | None:
    """Return the peaks of the sound a player would play, all channels mixed; None where none of it can be decoded.

    They begin where a player does: sound that begins after the pictures is silent until then, and so are pauses. Time
    stamps that do not go on are set on one line. `progress` is told how many seconds are read.

    Raises:
        UnsupportedMedia, CorruptMedia: the file cannot be opened.
        MediaLimitPassed: it has more packets, or lasts longer, than `limits` allow.

    """
    with open_media(path, limits) as container:
        stream = best_audio(container)
        if stream is None or not has_decoder(stream):
            return None
        listening = _Listening(limits, starts_of(container).sound, progress)
        shifts = _shifts_of(container, stream, limits)
    with open_media(path, limits) as container:
        stream = best_audio(container)
        if stream is not None:
            listening.hear(container, stream, shifts)
    return listening.waveform()


def _shifts_of(container: InputContainer, stream: AudioStream, limits: Limits) -> Sequence[Shift]:
    stamps = Stamps()
    for number, packet in enumerate(readable_packets(container, stream), start=1):
        if number > limits.max_packets:
            raise MediaLimitPassed("packets", found=number, allowed=limits.max_packets)
        stamps.add(packet)
    return set_right(stamps, Clock.of(stream)).shifts if stamps.shown else ()


@dataclass(slots=True)
class _Listening:
    limits: Limits
    begin_seconds: float
    progress: Progress
    peaks: Peaks = field(default_factory=Peaks, init=False)
    undecoded: int = field(default=0, init=False)
    _rate: int = field(default=0, init=False)
    _first_seconds: float | None = field(default=None, init=False)
    """What the first frame's time stamp tells."""
    _mixers: dict[tuple[str, str, int], AudioResampler] = field(default_factory=dict, init=False)

    def hear(self, container: InputContainer, stream: AudioStream, shifts: Sequence[Shift]) -> None:
        """Take all that can be decoded."""
        stream.codec_context.thread_count = self.limits.threads
        due, ticks = deque(shifts), 0
        for place, packet in enumerate(readable_packets(container, stream)):
            while due and due[0].place <= place:
                ticks = due.popleft().ticks
            self._decode(stream, restamped(packet, ticks))
        self._decode(stream, None)

    def waveform(self) -> Waveform | None:
        """Return what was heard; None where that is nothing."""
        for mixer in self._mixers.values():
            self._add(mixer.resample(None))
        if not self._rate:
            return None
        pairs = list(self.peaks.pairs())
        told = {
            "version": 2,
            "channels": 1,
            "sample_rate": self._rate,
            "samples_per_pixel": self.peaks.samples_per_pixel,
            "bits": BITS,
            "length": len(pairs) // 2,
            "data": pairs,
        }
        return Waveform(
            content=json.dumps(told, separators=(",", ":")).encode(),
            sample_rate=self._rate,
            samples_per_pixel=self.peaks.samples_per_pixel,
            length=len(pairs) // 2,
            undecoded=self.undecoded,
        )

    def _decode(self, stream: AudioStream, packet: "Packet[AudioStream] | None") -> None:
        try:
            frames = stream.decode(packet)
        except MemoryError:
            raise
        except av.FFmpegError:
            self.undecoded += 1
            return
        for frame in frames:
            self._take(frame)

    def _take(self, frame: AudioFrame) -> None:
        if not frame.sample_rate or not frame.samples:
            return
        if not self._rate:
            self._rate = frame.sample_rate
            self.peaks.add_silence(round(self.begin_seconds * self._rate))
        self._catch_up(frame)
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind not in self._mixers:
            self._mixers[kind] = AudioResampler(format="u8", layout="mono", rate=self._rate)
        self._add(self._mixers[kind].resample(frame))

    def _catch_up(self, frame: AudioFrame) -> None:
        """Add silence where the frame begins later than the last one ended."""
        if frame.time is None:
            return
        if self._first_seconds is None:
            self._first_seconds = frame.time
        seconds = self.begin_seconds + frame.time - self._first_seconds
        if seconds > self.limits.max_duration_seconds:
            raise MediaLimitPassed("seconds", found=seconds, allowed=self.limits.max_duration_seconds)
        missing = round(seconds * self._rate) - self.peaks.samples
        if missing > _GAP_SECONDS * self._rate:
            self.peaks.add_silence(missing)
        self.progress(seconds)

    def _add(self, frames: Sequence[AudioFrame]) -> None:
        for frame in frames:
            self.peaks.add(bytes(frame.planes[0])[: frame.samples])
