"""What is missing of files that announce how long they are, and what stands behind their ends."""

import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from media_analysis.media.wholeness import is_truncated
from tests.media import clips
from tests.media.encoding import Film, Pictures, Sound

PCM = Sound(codec="pcm_s16le", seconds=0.5)
FILMS: Mapping[str, Film] = {
    "wav": Film(sound=PCM),
    "rf64.wav": Film(sound=PCM, options={"rf64": "always"}),
    "w64": Film(sound=PCM),
    "caf": Film(sound=PCM),
    "aiff": Film(sound=Sound(codec="pcm_s16be", seconds=0.5)),
    "au": Film(sound=Sound(codec="pcm_s16be", seconds=0.5)),
    "wma": Film(sound=Sound(codec="libmp3lame"), container="asf"),
    "avi": Film(pictures=Pictures(codec="mpeg4", count=9)),
    "mp4": Film(pictures=Pictures(count=9)),
    "fragments.mp4": Film(pictures=Pictures(), options={"movflags": "frag_keyframe+empty_moov"}),
    "mkv": Film(pictures=Pictures(count=9)),
}
BEHIND = {
    "zeros": bytes(5_000),
    "ID3v1": b"TAG" + bytes(125),
    "an APE tag": b"APETAGEX" + struct.pack("<IIII", 2_000, 32, 0, 0) + bytes(8),
    "junk": bytes(range(1, 200)),
}
UNSAID = {
    # What a recorder has written that has not ended yet, or was not let end.
    "wav": (4, b"\0\0\0\0"),
    "au": (8, b"\xff" * 4),
    "w64": (16, bytes(8)),
    "rf64.wav": (20, bytes(8)),
}


def content_of(name: str) -> bytes:
    return clips.film(f"whole.{name}", FILMS[name]).read_bytes()


def told(content: bytes, tmp_path: Path) -> bool | None:
    path = tmp_path / "file"
    path.write_bytes(content)
    return is_truncated(path)


def chunk(name: bytes, content: bytes, *, fills_up: bool = True) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2 if fills_up else 0)


@pytest.mark.parametrize("name", FILMS)
def test_only_what_is_missing_makes_a_file_truncated(name: str, tmp_path: Path) -> None:
    content = content_of(name)

    assert {told(content + behind, tmp_path) for behind in (b"", *BEHIND.values())} == {False}
    assert {told(content[:end], tmp_path) for end in (-1, -100, len(content) // 2)} == {True}


@pytest.mark.parametrize("name", UNSAID)
def test_a_length_that_was_never_written_tells_nothing(name: str, tmp_path: Path) -> None:
    content = bytearray(content_of(name))
    place, unsaid = UNSAID[name]
    content[place : place + len(unsaid)] = unsaid

    assert told(bytes(content), tmp_path) is None


def test_fragments_that_are_still_being_written_are_whole_up_to_the_last(tmp_path: Path) -> None:
    content = content_of("fragments.mp4")
    last = content.rindex(b"moof") - 4

    assert told(content[:last], tmp_path) is False
    assert told(content[: last + 200], tmp_path) is True


def test_a_byte_that_only_fills_up_may_be_missing(tmp_path: Path) -> None:
    """Source: Multimedia Programming Interface and Data Specifications 1.0: chunks have an even length in the file."""
    form = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8_000, 8_000, 1, 8))
    short = b"WAVE" + form + chunk(b"data", b"12345", fills_up=False)

    assert told(b"RIFF" + struct.pack("<I", len(short)) + short, tmp_path) is False
    assert told(b"RIFF" + struct.pack("<I", len(short) + 1) + short + b"\0", tmp_path) is False
    assert told(b"RIFF" + struct.pack("<I", len(short) + 1) + short, tmp_path) is False
    assert told(b"RIFF" + struct.pack("<I", len(short) + 1) + short[:-1], tmp_path) is True


def test_a_long_avi_is_truncated_where_its_last_part_is(tmp_path: Path) -> None:
    further = chunk(b"RIFF", b"AVIX" + chunk(b"LIST", b"movi" + bytes(300)))
    content = content_of("avi")

    assert told(content + further + further, tmp_path) is False
    assert told(content + further + further[:-10], tmp_path) is True
