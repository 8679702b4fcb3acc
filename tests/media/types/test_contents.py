"""What containers hold, told wherever it stands in them, and streams that begin oddly."""

import struct
from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analysis.media.films.opening import SELF_CONTAINED
from media_analysis.media.options import Limits
from media_analysis.media.probe import probe
from media_analysis.media.stills.images import READ_TYPES
from media_analysis.media.types.known import UNKNOWN, is_read, type_of_container
from media_analysis.media.types.sniff import HEAD_BYTES, sniff_file
from tests.media import clips
from tests.media.encoding import Film, Pictures, Sound
from tests.media.sniffing import sniff
from tests.media.test_cases import FAMILIES

CASES = Path(__file__).parents[1] / "cases"
AAC = Film(sound=Sound(), container="adts")
SEGMENT, TRACKS, INFO = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\x15\x49\xa9\x66"
CLUSTER = b"\x1f\x43\xb6\x75"
ENDLESS = b"\x01" + b"\xff" * 7


def type_of(content: bytes) -> str:
    return sniff_file(BytesIO(content), declared=None).media_type


def seven_bits(size: int) -> bytes:
    return bytes(size >> 7 * place & 0x7F for place in (3, 2, 1, 0))


def id3(size: int, flags: int = 0) -> bytes:
    return b"ID3\x04\0" + bytes([flags]) + seven_bits(size) + bytes(size)


def element(name: bytes, content: bytes) -> bytes:
    return name + (len(content) | 1 << 56).to_bytes(8) + content


def parts_of(content: bytes) -> dict[bytes, bytes]:
    """Return the tracks, the description and all clusters of a Matroska file."""
    # A directory in front names the first two.
    places = [(content.index(name, content.index(name) + 1), name) for name in (INFO, TRACKS)]
    places.append((content.index(CLUSTER), CLUSTER))
    cues = content.rindex(b"\x1c\x53\xbb\x6b")
    ends = [start for start, _ in places[1:]] + [cues]
    return {name: content[start:end] for (start, name), end in zip(places, ends, strict=True)}


def rearranged(path: Path, *, directed: bool) -> bytes:
    """Return a Matroska file whose tracks lie behind its clusters; a directory in front may say so."""
    content = path.read_bytes()
    parts = parts_of(content)

    def directory(after: int) -> bytes:
        info, tracks = after + len(parts[CLUSTER]), after + len(parts[CLUSTER]) + len(parts[INFO])
        seeks = (
            element(b"\x4d\xbb", element(b"\x53\xab", name) + element(b"\x53\xac", at.to_bytes(4)))
            for name, at in ((INFO, info), (TRACKS, tracks))
        )
        return element(b"\x11\x4d\x9b\x74", b"".join(seeks))

    front = b""
    if directed:
        front = directory(len(directory(0)))
        # All bits say that the length is not known, so that nothing behind is found by walking there.
        width = 9 - parts[CLUSTER][4].bit_length()
        parts[CLUSTER] = CLUSTER + ((1 << 7 * width + 1) - 1).to_bytes(width) + parts[CLUSTER][4 + width :]
    body = front + parts[CLUSTER] + parts[INFO] + parts[TRACKS]
    return content[: content.index(SEGMENT)] + SEGMENT + ENDLESS + body


@pytest.mark.parametrize(
    ("name", "made", "expected"),
    [
        ("sought.mka", Film(sound=Sound(codec="libopus"), container="matroska"), "audio/x-matroska"),
        ("sought.mkv", Film(pictures=Pictures()), "video/x-matroska"),
        ("sought.webm", Film(sound=Sound(codec="libopus")), "audio/webm"),
    ],
)
def test_tracks_are_found_where_a_directory_says_that_they_are(
    name: str, made: Film, expected: str, tmp_path: Path
) -> None:
    content = rearranged(clips.film(name, made), directed=True)
    path = tmp_path / name
    path.write_bytes(content)

    assert content.index(TRACKS, HEAD_BYTES) > content.index(CLUSTER)
    assert (type_of(content), probe(path, Limits()).media_type) == (expected, expected)
    assert type_of(rearranged(clips.film(name, made), directed=False)) == expected


def test_sound_is_told_by_what_stands_behind_its_tags(tmp_path: Path) -> None:
    """Source: ID3v2.4.0 structure, section 3.1; FFmpeg passes over such tags before it guesses, too."""
    aac, mp3 = clips.film("plain.aac", AAC).read_bytes(), clips.audio("mp3").read_bytes()
    flac = clips.film("plain.flac", Film(sound=Sound(codec="flac"))).read_bytes()
    tagged = {
        "audio/aac": id3(1_000_000) + aac,
        "audio/mpeg": id3(1_000_000) + mp3,
        "audio/flac": id3(20_000) + id3(700) + flac,
    }

    for expected, content in tagged.items():
        path = tmp_path / "tagged"
        path.write_bytes(content)
        assert (type_of(content), probe(path, Limits()).media_type) == (expected, expected)
        assert sniff(content[:HEAD_BYTES], declared=None) == "audio/mpeg"
    assert type_of(id3(300)) == "audio/mpeg"
    assert type_of(id3(300, 0x10) + b"3DI\x04\0\x10" + seven_bits(300) + aac) == "audio/aac"


@pytest.mark.parametrize("name", ["plain.aac", "plain.mp2", "plain.ac3", "plain.eac3", "plain.mp3"])
@pytest.mark.parametrize("before", [bytes(100), bytes(range(1, 200))], ids=["zeros", "the end of a frame"])
def test_a_stream_that_was_joined_midway_is_of_its_type(name: str, before: bytes, tmp_path: Path) -> None:
    codec = {"plain.mp3": "libmp3lame", "plain.mp2": "mp2"}.get(name, name[6:])
    options = {"id3v2_version": "0", "write_xing": "0"} if name == "plain.mp3" else {}
    made = clips.film(name, AAC if name == "plain.aac" else Film(sound=Sound(codec=codec), options=options))
    content = before + made.read_bytes()
    path = tmp_path / name
    path.write_bytes(content)

    assert type_of(content) == probe(path, Limits()).media_type == type_of(made.read_bytes())


@pytest.mark.parametrize("flags", [1, 4, 5])
def test_tags_tell_what_flash_holds_whatever_its_header_says(flags: int, tmp_path: Path) -> None:
    for expected, made in (
        (f"{family}/x-flv", FAMILIES[f"{name}.flv"][1]) for family, name in (("audio", "aac"), ("video", "film"))
    ):
        content = bytearray(clips.film(f"flagged_{expected[:5]}.flv", made).read_bytes())
        content[4] = flags
        path = tmp_path / "flagged.flv"
        path.write_bytes(content)

        assert (type_of(bytes(content)), probe(path, Limits()).media_type) == (expected, expected)


def test_quicktime_without_a_type_box_and_segments_are_known(tmp_path: Path) -> None:
    content = clips.film("plain.mov", Film(pictures=Pictures())).read_bytes()
    start = struct.unpack(">I", content[:4])[0]
    bare = content[start:]
    path = tmp_path / "bare.mov"

    assert bare[4:8] == b"wide"
    for before in (b"", struct.pack(">I4s", 8, b"free"), struct.pack(">I4s", 5_008, b"skip") + bytes(5_000)):
        # Offsets of samples count from the beginning of the file.
        path.write_bytes(before + bare)
        assert type_of(before + bare) == probe(path, Limits()).media_type == "video/quicktime"
    assert type_of(struct.pack(">I4s4sI", 16, b"styp", b"msdh", 0) + bytes(64)) == "video/mp4"


def test_pictures_that_illustrate_chapters_make_no_film_of_a_book(tmp_path: Path) -> None:
    """Source: ISO/IEC 14496-12, 8.3.3, and QuickTime File Format, chapter lists: `tref` names such tracks."""
    content = clips.film("book.mp4", Film(pictures=Pictures(count=3), sound=Sound())).read_bytes()
    start = content.index(b"trak", content.index(b"trak") + 4) - 4
    size = struct.unpack(">I", content[start : start + 4])[0]
    named = struct.pack(">I4sI4sI", 20, b"tref", 12, b"chap", 1)
    moov = content.index(b"moov") - 4
    book = bytearray(content[: start + size] + named + content[start + size :])
    struct.pack_into(">I", book, start, size + 20)
    struct.pack_into(">I", book, moov, struct.unpack(">I", content[moov : moov + 4])[0] + 20)
    path = tmp_path / "book.m4b"
    path.write_bytes(book)

    assert type_of(content) == "video/mp4"
    assert (type_of(bytes(book)), probe(path, Limits()).media_type) == ("audio/mp4", "audio/mp4")


def test_every_format_that_is_opened_is_told_at_the_upload() -> None:
    """The films and the files of which uploads and probes are compared have all demuxers that may be used."""
    told = {expected for expected, _ in FAMILIES.values()} | {type_of(path.read_bytes()) for path in CASES.iterdir()}
    told |= {type_of(clips.film("plain.flac", Film(sound=Sound(codec="flac"))).read_bytes())}
    ways = {
        demuxer: {type_of_container(demuxer, "", moves=moves) for moves in (True, False)}
        for demuxer in SELF_CONTAINED.split(",")
    }

    assert {demuxer for demuxer, types in ways.items() if not types & told} <= {"ape", "mjpeg"}  # no encoder; stills
    assert all(is_read(name) or name in READ_TYPES for types in ways.values() for name in types)


ODD = [
    "words in another alphabet".encode("utf-16"),
    *(start + bytes(range(200)) for start in (b"\xff\xfb\x90\0", b"\xff\xf1\x50\x80", b"\x0b\x77", b"\0\0\x01\x20")),
]


def test_bytes_that_mean_nothing_are_no_media() -> None:
    """Headers of frames alone are none: each kind begins one file of 65,536."""
    chance = Random(14)
    noise = [chance.randbytes(chance.choice([3, 40, 400, HEAD_BYTES])) for _ in range(500)]

    assert {type_of(content) for content in noise + ODD} <= {UNKNOWN, "text/plain"}


@given(st.text(max_size=1_000), st.sampled_from(["", "\N{BYTE ORDER MARK}", "wide", "    mdat", "the free moov "]))
def test_words_are_no_media(words: str, start: str) -> None:
    content = (start + words.replace("\0", "")).encode("utf-8", "replace")

    assert type_of(content).partition("/")[0] in {"text", "application"}


@given(st.sampled_from(sorted(CASES.iterdir())), st.data())
def test_what_is_cut_or_spoilt_is_looked_at_all_the_same(path: Path, data: st.DataObject) -> None:
    content = bytearray(path.read_bytes()[:20_000])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=20)):
        content[place] = data.draw(st.integers(0, 255))

    assert "/" in type_of(bytes(content[: data.draw(st.integers(0, len(content)))]))
