"""What an analysed film leaves, as files to be archived: JPEG frames, JSON results, and a log; run as a process."""

import json
import random
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, cast

import av
import av.filter
from PIL import Image

RATE = 2
QUALITY = 85
WORDS = ("person", "bicycle", "car", "dog", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee")


def main() -> None:
    folder, frame_bytes, json_bytes, height = Path(sys.argv[1]), *map(int, sys.argv[2:5])
    folder.mkdir(parents=True)
    add_frames(folder, frame_bytes, height)
    add_documents(folder, json_bytes)


def add_frames(folder: Path, size_bytes: int, height: int) -> None:
    """Write frames of a slightly noisy moving picture until there are so many bytes."""
    left = size_bytes
    for number, frame in enumerate(pictures(height)):
        path = folder / f"frame-{number:06}.jpg"
        image_of(frame).save(path, quality=QUALITY)
        left -= path.stat().st_size
        if left <= 0:
            return


def image_of(frame: av.VideoFrame) -> Image.Image:
    plane = frame.planes[0]
    return Image.frombytes("RGB", (frame.width, frame.height), bytes(plane), "raw", "RGB", plane.line_size)


def pictures(height: int) -> Iterator[av.VideoFrame]:
    graph = av.filter.Graph()
    picture = graph.add("testsrc2", f"size={height * 16 // 9}x{height}:rate={RATE}")
    noise, pixels = graph.add("noise", "alls=4:allf=t"), graph.add("format", "pix_fmts=rgb24")
    end = graph.add("buffersink")
    for before, after in ((picture, noise), (noise, pixels), (pixels, end)):
        before.link_to(after)
    graph.configure()
    while True:
        yield cast("av.VideoFrame", graph.pull())


def add_documents(folder: Path, size_bytes: int) -> None:
    """Write detections frame by frame, twenty documents of them, and a log of a tenth of all."""
    chance = random.Random(5)
    for number in range(20):
        with (folder / f"detections-{number:02}.json").open("w") as file:
            fill(file, size_bytes * 9 // 200, (json.dumps(detections(chance, at)) for at in range(10**9)))
    with (folder / "run.log").open("w") as file:
        fill(file, size_bytes // 10, (line(chance, at) for at in range(10**9)))


def fill(file: IO[str], size_bytes: int, lines: Iterator[str]) -> None:
    left = size_bytes
    while left > 0:
        left -= file.write(next(lines) + "\n")


def detections(chance: random.Random, at: int) -> Mapping[str, object]:
    return {
        "frame": at,
        "instant_seconds": at / RATE,
        "brightness": chance.random(),
        "objects": [
            {
                "label": chance.choice(WORDS),
                "confidence": round(chance.random(), 4),
                "box": [round(1920 * chance.random(), 1) for _ in range(4)],
            }
            for _ in range(8)
        ],
    }


def line(chance: random.Random, at: int) -> str:
    took = f"{chance.random():.3f}"
    return f"2026-11-21T02:{at // 60 % 60:02}:{at % 60:02}Z info frame.analyzed frame={at} seconds={took} worker=w-1"


if __name__ == "__main__":
    main()
