"""A probe tells what is heard, alone or beside a video, and what is written in a file."""

from pathlib import Path

import pytest

from media_analysis.media.facts import MediaKind, ProbeDocument
from media_analysis.media.options import Limits
from media_analysis.media.probe import probe
from media_analysis.media.text import MAX_CHARACTERS, MAX_KEYS
from tests.media import clips
from tests.media.encoding import Film, Sound


def facts(path: Path) -> ProbeDocument:
    return probe(path, Limits())


def test_sound_beside_a_video_is_described() -> None:
    audio = facts(clips.sample("bigbuckbunny")).audio

    assert audio is not None
    assert (audio.codec, audio.channels, audio.layout, audio.sample_rate) == ("aac", 6, "5.1", 48_000)
    assert (audio.bit_rate, audio.duration_seconds, audio.language) == (384_828, 5.312, None)
    english = facts(clips.with_sound()).audio
    assert english is not None
    assert english.language == "eng"


@pytest.mark.parametrize(
    ("extension", "expected"),
    [
        ("m4a", ("m4a", "audio/mp4", "aac", 2.005)),
        ("mp3", ("mp3", "audio/mpeg", "mp3", 2.005333)),
        ("flac", ("flac", "audio/flac", "flac", 2.005333)),
        ("wav", ("wav", "audio/wav", "pcm_s16le", 2.005333)),
        ("opus", ("ogg", "audio/ogg", "opus", 2.011833)),
    ],
)
def test_sound_alone_has_no_picture_facts(extension: str, expected: tuple[object, ...]) -> None:
    told = facts(clips.audio(extension))

    assert told.audio is not None
    assert (told.kind, told.width, told.video_codec, told.frame_rate) == (MediaKind.AUDIO, None, None, None)
    assert (told.format, told.media_type, told.audio.codec, told.duration_seconds) == expected
    assert (told.audio.channels, told.audio.sample_rate) == (2, 48_000)


def test_cover_art_makes_no_video_of_a_song() -> None:
    told = facts(clips.audio_with_cover())

    assert (told.kind, told.video_codec, told.width) == (MediaKind.AUDIO, None, None)
    assert [(stream.kind, stream.attached_picture) for stream in told.streams] == [("audio", False), ("video", True)]
    assert told.stream_counts == {"audio": 1, "video": 1}


def test_what_is_written_inside_is_bounded_and_printable() -> None:
    hostile = {f"key {number}": "x" * 5_000 for number in range(300)} | {"first\x1b[2J": "bell\x07\x85 and \u202efpm"}
    told = facts(clips.film("talkative.mkv", Film(sound=Sound(), metadata=hostile)))

    assert len(told.metadata) == MAX_KEYS
    assert all(len(value) <= MAX_CHARACTERS and value.isprintable() for value in told.metadata.values())
