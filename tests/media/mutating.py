"""Damages clips and images at random, then probes and shows what is left, in a process a codec may take down.

Prints JSON: how often each outcome occurred, and whatever should never have been raised.
"""

import json
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from media_analysis.errors.media import CorruptMedia, MediaLimitPassed, NoPictures, UnsupportedMedia
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, PictureOptions, SamplingOptions
from media_analysis.media.probe import probe


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Flip bytes, most of them in the first half where headers are, and sometimes cut, double or blank a piece."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 2, 4, 16, 64))):
        reach = chance.choice((64, 512, len(changed)))
        changed[chance.randrange(min(reach, len(changed)))] = chance.choice(
            (0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256))
        )
    start = chance.randrange(len(changed))
    match chance.randrange(6):
        case 0:
            del changed[start:]
        case 1:
            changed[start:start] = changed[start : start + chance.randrange(200)]
        case 2:
            del changed[start : start + chance.randrange(200)]
        case 3:
            changed[start : start + 8] = b"\xff" * 8
        case _:
            pass
    return bytes(changed)


def told(path: Path) -> str:
    """Probe a file."""
    probe(path, Limits()).model_dump_json()
    return "document"


def shown(path: Path) -> str:
    """Write two frames of a file."""
    for picture in sample_frames(path, SamplingOptions(count=2), Limits()):
        picture.encoded(PictureOptions(max_width=64))
    return "frames"


def main(seed: int, times: int, paths: list[Path]) -> None:
    """Probe every path `times` times and take frames of it, damaged differently each time."""
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "damaged"
        for path in paths:
            content = path.read_bytes()
            for number in range(times):
                target.write_bytes(damaged(content, random.Random(f"{seed} {path.name} {number}")))
                for look in (told, shown):
                    try:
                        outcomes[look(target)] += 1
                    except (CorruptMedia, MediaLimitPassed, NoPictures, UnsupportedMedia) as error:
                        outcomes[error.code] += 1
                    except MemoryError:
                        outcomes["memory"] += 1  # of a file that says it needs gigabytes
                    except Exception as error:  # noqa: BLE001 - this is what is looked for
                        wrong.append(f"{path.name} {number}: {error!r}")
    sys.stdout.write(json.dumps({"outcomes": outcomes, "wrong": wrong}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
