"""What a plain decode of everything shows, to compare with."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import av
from av.video.frame import VideoFrame

from tests.media.case_table import FILMS

JUMPING = frozenset(case.path for case in FILMS if "discontinuity" in case.warnings)


@dataclass(frozen=True)
class Shown:
    """One frame: when it is shown, in seconds from the first one, and a hash of its decoded planes."""

    seconds: float
    pixels: str
    is_key: bool


@cache
def all_shown(path: Path) -> Sequence[Shown]:
    """Decode everything with one thread, skipping nothing; frames without sound timestamps follow the frame rate."""
    found: list[tuple[float, str, bool]] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        untimed = path in JUMPING or (container.format.name == "avi" and stream.codec_context.has_b_frames)
        stream.codec_context.thread_count = 1
        try:
            for number, frame in enumerate(container.decode(stream)):
                at = float(number / (stream.average_rate or 25)) if frame.pts is None or untimed else frame.time
                found.append((at, pixels_of(frame), frame.key_frame))
        except av.error.InvalidDataError:
            assert found
        start = min(found[0][0], float((stream.start_time or 0) * (stream.time_base or 0)))
    return [Shown(round(at - start, 6), pixels, is_key) for at, pixels, is_key in found]


def shown_at(path: Path, seconds: float) -> Shown:
    """Return the last frame that began before an instant or with it; before the start the first one."""
    frames = all_shown(path)
    return next((frame for frame in reversed(frames) if frame.seconds <= seconds + 1e-6), frames[0])


def pixels_of(frame: VideoFrame) -> str:
    """Hash what the decoder gave, without the padding of its lines."""
    found = sha256()
    for plane in frame.planes:
        line = plane.width * (2 if "10" in frame.format.name else 1)
        content = memoryview(plane)
        for row in range(plane.height):
            found.update(content[row * plane.line_size : row * plane.line_size + line])
    return found.hexdigest()
