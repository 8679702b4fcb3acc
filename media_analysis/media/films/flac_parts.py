"""FLAC files joined one behind the other: what each part tells, for packets at the joints are not told apart."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import IO, Final

from media_analysis.media.films.continuity import Discontinuity
from media_analysis.media.films.measuring import Budget, Measurement
from media_analysis.media.reading import open_unwaiting, read_at

_HEAD: Final = b"fLaC"
_FIRST_BLOCK: Final = frozenset({b"\0\0\0\x22", b"\x80\0\0\x22"})
"""Stream information of 34 bytes, the last block or not (RFC 9639, section 8.1)."""
_NUMBERS: Final = slice(18, 26)
"""Where in a part its sample rate (20 bits) and, as the last 36 bits, its number of samples are told (section 8.2)."""
_CHUNK_BYTES: Final = 2**20
_LIKELY_FACTOR: Final = 1.5
"""How much what parts tell may differ from what packets do before it is doubted."""


def told_by_parts(measured: Measurement, path: Path) -> Measurement:
    """Return what was measured with durations and joints as the parts of a FLAC file tell them, if they all do."""
    with open_unwaiting(path) as file:
        seconds = list(_seconds_of_parts(file))
    total = sum(seconds)
    found = measured.duration_seconds or 0
    if len(seconds) < 2 or not all(seconds) or not total / _LIKELY_FACTOR <= found <= total * _LIKELY_FACTOR:  # noqa: PLR2004 - nothing was joined
        return measured
    return replace(
        measured,
        duration_seconds=total,
        streams=dict.fromkeys(measured.streams, total),
        played=dict.fromkeys(measured.played, total),
        discontinuities=list(_joints(seconds)),
    )


def _joints(seconds: Sequence[float]) -> Iterator[Discontinuity]:
    for end, length in zip(accumulate(seconds[:-1]), seconds, strict=False):
        yield Discontinuity(round(end, 6), -round(length, 6))


def _seconds_of_parts(file: IO[bytes]) -> Iterator[float]:
    """Yield the duration each part tells, 0 where it tells none."""
    for start in range(0, Budget().size_bytes, _CHUNK_BYTES):
        chunk = read_at(file, start, _CHUNK_BYTES + _NUMBERS.stop)
        at = chunk.find(_HEAD)
        while 0 <= at < _CHUNK_BYTES:
            part = chunk[at : at + _NUMBERS.stop]
            if part[4:8] in _FIRST_BLOCK and len(part) == _NUMBERS.stop:
                numbers = int.from_bytes(part[_NUMBERS])
                rate = numbers >> 44
                yield (numbers & (1 << 36) - 1) / rate if rate else 0.0
            at = chunk.find(_HEAD, at + 1)
        if len(chunk) < _CHUNK_BYTES:
            return
