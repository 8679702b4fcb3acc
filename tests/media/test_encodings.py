"""Tags in the code pages of their writers: a guess that can be read, and the bytes beside it."""

import json
import struct
from base64 import b64decode
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analysis.media.options import Limits
from media_analysis.media.probe import probe
from media_analysis.media.text import guessed, raw_of, shown
from tests.media import clips
from tests.media.encoding import Film, Sound

TITLES = {
    "cp932": "タイトル",
    "euc_jp": "タイトル",
    "gb18030": "你好世界",
    "cp949": "안녕하세요",
    "cp1251": "Привет, мир",
    "koi8_r": "Привет, мир",
    "cp1252": "Motörhead: „Überall“",
}
LOST = "\N{REPLACEMENT CHARACTER}"


def sound(suffix: str, codec: str) -> bytes:
    return clips.film(f"titled.{suffix}", Film(sound=Sound(codec=codec, seconds=0.5))).read_bytes()


def id3v1(title: bytes) -> bytes:
    """Source: ID3v1, 128 bytes at the end."""
    content = sound("mp3", "libmp3lame")
    return content[content.index(b"\xff\xfb") :] + b"TAG" + title.ljust(30, b"\0") + bytes(94) + b"\xff"


def id3v2(title: bytes) -> bytes:
    """Source: ID3v2.3, 3.3 and 4.2.1: encoding 0 is called ISO-8859-1, and is what people have."""
    content = sound("mp3", "libmp3lame")
    frame = b"TIT2" + struct.pack(">IH", len(title) + 1, 0) + b"\0" + title
    header = b"ID3\x03\0\0\0\0" + bytes([len(frame) >> 7, len(frame) & 0x7F])
    return header + frame + content[content.index(b"\xff\xfb") :]


def riff(title: bytes) -> bytes:
    """Source: Multimedia Programming Interface and Data Specifications 1.0, INFO list."""
    padded = title + bytes(len(title) % 2)
    info = b"INFOINAM" + struct.pack("<I", len(title)) + padded
    return sound("wav", "pcm_s16le") + b"LIST" + struct.pack("<I", len(info)) + info


def vorbis(title: bytes) -> bytes:
    """Source: RFC 9639, 8.6; it says UTF-8, and writers did not."""
    content = sound("flac", "flac")
    comment = struct.pack("<II", 0, 1) + struct.pack("<I", 6 + len(title)) + b"TITLE=" + title
    block = b"\x84" + len(comment).to_bytes(3) + comment
    return content[:4] + b"\0" + content[5:42] + block + content[content.index(b"\xff\xf8") :]


WRITERS: Mapping[str, Callable[[bytes], bytes]] = {"mp3": id3v1, "id3.mp3": id3v2, "wav": riff, "flac": vorbis}


@pytest.mark.parametrize("encoding", TITLES)
@pytest.mark.parametrize("writer", WRITERS)
def test_a_title_in_a_code_page_is_guessed_and_its_bytes_are_kept(writer: str, encoding: str, tmp_path: Path) -> None:
    title, raw = TITLES[encoding], TITLES[encoding].encode(encoding)
    path = tmp_path / f"titled.{writer}"
    path.write_bytes(WRITERS[writer](raw))

    told = probe(path, Limits())

    metadata, kept = (
        {name.lower(): text for name, text in each.items()} for each in (told.metadata, told.metadata_raw)
    )
    assert metadata["title"] == title
    assert b64decode(kept["title"]) == raw


@pytest.mark.parametrize("title", ["Motörhead", "Là", "É", "œuvre", "Привет", "タイトル", "plain"])
def test_what_was_written_in_unicode_or_latin_letters_is_no_guess(title: str, tmp_path: Path) -> None:
    path = tmp_path / "titled.flac"
    path.write_bytes(vorbis(title.encode()))

    told = probe(path, Limits())

    assert (told.metadata["TITLE"], told.metadata_raw) == (title, {})


@given(st.binary(max_size=200))
def test_whatever_bytes_there_are_they_are_shown_and_kept(raw: bytes) -> None:
    told = raw.decode(errors="surrogateescape")
    made = shown(told)

    json.dumps(made).encode()
    assert "\0" not in (made or "")
    if not told.isascii() and any("\udc80" <= sign <= "\udcff" for sign in told):
        assert raw_of(told) == raw
        assert LOST not in guessed(raw.replace(LOST.encode(), b""))
