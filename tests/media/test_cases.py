"""What files are called by their content, and where they end."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from media_analysis.errors.media import UnsupportedMedia
from media_analysis.media.options import Limits
from media_analysis.media.probe import probe
from media_analysis.media.stills.animations import read_animation
from media_analysis.media.stills.images import frame_count
from media_analysis.media.types.known import extension_of, family_of, is_read, type_of_extension
from media_analysis.media.types.sniff import HEAD_BYTES, sniff_file
from media_analysis.media.wholeness import is_truncated
from tests.media.case_table import CASES, TABLE, Case
from tests.media.encoding import Film, Pictures, Sound, write_film
from tests.media.sniffing import sniff

NAMES = [case.name for case in TABLE]
STARTS = [path.read_bytes()[:40] for path in sorted(CASES.iterdir())]
FAMILIES = {
    "behind.mp4": ("audio/mp4", Film(sound=Sound())),
    "behind.mov": ("audio/mp4", Film(sound=Sound())),
    "both.mp4": ("video/mp4", Film(pictures=Pictures(), sound=Sound())),
    "fragments.mp4": ("audio/mp4", Film(sound=Sound(), options={"movflags": "frag_keyframe+empty_moov"})),
    "film.3gp": ("video/3gpp", Film(pictures=Pictures())),
    "sound.3gp": ("audio/3gpp", Film(sound=Sound())),
    "film.3g2": ("video/3gpp2", Film(pictures=Pictures())),
    "aac.mp4": ("audio/mp4", Film(sound=Sound(), options={"movflags": "faststart"})),
    "aac.mov": ("audio/mp4", Film(sound=Sound(), options={"movflags": "faststart"})),
    "film.m4a": ("video/mp4", Film(pictures=Pictures(), container="mp4", options={"movflags": "faststart"})),
    "opus.mkv": ("audio/x-matroska", Film(sound=Sound(codec="libopus"))),
    "film.mka": ("video/x-matroska", Film(pictures=Pictures(), container="matroska")),
    "opus.webm": ("audio/webm", Film(sound=Sound(codec="libopus"))),
    "aac.flv": ("audio/x-flv", Film(sound=Sound(rate=44_100))),
    "film.flv": ("video/x-flv", Film(pictures=Pictures())),
    "mp3.asf": ("audio/x-ms-wma", Film(sound=Sound(codec="libmp3lame"))),
    "film.asf": ("video/x-ms-wmv", Film(pictures=Pictures(codec="msmpeg4"))),
    "vp8.ogg": ("video/ogg", Film(pictures=Pictures(codec="libvpx"), container="ogg")),
    "opus.ogg": ("audio/ogg", Film(sound=Sound(codec="libopus"))),
    "flac.ogg": ("audio/ogg", Film(sound=Sound(codec="flac"))),
    "sound.ts": ("audio/mp2t", Film(sound=Sound())),
    "ac3.ts": ("audio/mp2t", Film(sound=Sound(codec="ac3"))),
    "private.m2ts": ("audio/mp2t", Film(sound=Sound(), container="mpegts", options={"mpegts_m2ts_mode": "1"})),
    "both.ts": ("video/mp2t", Film(pictures=Pictures(), sound=Sound())),
    "sound.mpg": ("audio/mp2p", Film(sound=Sound(codec="mp2"))),
    "both.mpg": ("video/mpeg", Film(pictures=Pictures(codec="mpeg2video"), sound=Sound(codec="mp2"))),
    "sound.avi": ("audio/x-msvideo", Film(sound=Sound(codec="libmp3lame"))),
    "both.avi": ("video/x-msvideo", Film(pictures=Pictures(codec="mpeg4"), sound=Sound(codec="libmp3lame"))),
    "sound.nut": ("audio/x-nut", Film(sound=Sound(codec="libmp3lame"))),
    "sound.mxf": ("audio/x-mxf", Film(sound=Sound(codec="pcm_s16le", layout="mono"), container="mxf_opatom")),
    "sound.rm": ("audio/x-pn-realaudio", Film(sound=Sound(codec="ac3"))),
    "film.dv": ("video/dv", Film(pictures=Pictures(codec="dvvideo", width=720, height=576))),
    "film.m4v": ("video/mp4v-es", Film(pictures=Pictures(codec="mpeg4"), container="m4v")),
    "film.obu": ("video/av1", Film(pictures=Pictures(codec="libsvtav1", count=8), container="obu")),
    "sound.rf64.wav": ("audio/wav", Film(sound=Sound(codec="pcm_s16le"), options={"rf64": "always"})),
    "sound.aiff": ("audio/x-aiff", Film(sound=Sound(codec="pcm_s16be"))),
    "sound.eac3": ("audio/eac3", Film(sound=Sound(codec="eac3"))),
    "sound.mp2": ("audio/mpeg", Film(sound=Sound(codec="mp2"))),
    "film.mxf": ("application/mxf", Film(pictures=Pictures(codec="mpeg2video"))),
    "film.m2v": ("video/mpeg", Film(pictures=Pictures(codec="mpeg2video"), container="mpeg2video")),
    "film.h264": ("video/h264", Film(pictures=Pictures(), container="h264")),
    "film.h265": ("video/h265", Film(pictures=Pictures(codec="libx265"), container="hevc")),
    "film.rm": ("application/vnd.rn-realmedia", Film(pictures=Pictures(codec="rv10", width=176, height=144))),
}
"""What containers are called by what they hold, whatever their files are called."""
UNREAD = {
    "JPEG XL": b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(64),
    "Canon raw (CR2)": b"II*\0\x10\0\0\0CR\x02\0" + bytes(64),
    "Canon raw (CR3)": b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom" + bytes(64),
    "Fujifilm raw": b"FUJIFILMCCD-RAW 0201" + bytes(64),
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(64),
    "Photoshop": b"8BPS\0\x01" + bytes(64),
    "OpenEXR": b"v/1\x01" + bytes(64),
}


UNOPENED = {
    "True Audio": b"TTA1\x01\0" + bytes(64),
    "Dolby TrueHD": b"\x80\x37\xff\xd8\xf8\x72\x6f\xba" + bytes(64),
    "DTS": b"\x7f\xfe\x80\x01" + bytes(64),
    "CRI ADX": b"\x80\0\0\x20\x03\x12\x04\x01" + bytes(22) + b"(c)CRI" + bytes(64),
    "GXF": b"\0\0\0\0\x01\xbc\0\0\x01\x18" + bytes(64),
    "YUV4MPEG2": b"YUV4MPEG2 W192 H128 F25:1\nFRAME\n" + bytes(64),
    "what it begins with": bytes(range(1, 200)),
}


def head_of(path: Path) -> bytes:
    return path.read_bytes()[:HEAD_BYTES]


@pytest.mark.parametrize("case", TABLE, ids=NAMES)
def test_an_upload_is_of_the_type_that_its_content_is(case: Case) -> None:
    found = sniff(head_of(case.path), declared=None)

    assert found == case.media_type
    assert type_of_extension(case.path.suffix[1:]) == case.media_type
    assert extension_of(found) != "bin"
    assert family_of(found) == case.family


@pytest.mark.parametrize("name", FAMILIES)
def test_upload_and_probe_call_a_container_by_what_it_holds(name: str, tmp_path: Path) -> None:
    expected, made = FAMILIES[name]

    path = write_film(tmp_path / name, made)

    told = probe(path, Limits())
    with path.open("rb") as file:
        found = sniff_file(file, declared=None).media_type
    assert (found, told.media_type) == (expected, expected)
    assert is_read(expected)
    assert family_of(expected) == told.kind.value


@pytest.mark.parametrize("name", ["trailing4.mp4", "trailing_nl.mp4", "fmp4_epoch.mp4"])
def test_bytes_behind_the_last_box_are_no_truncation_and_missing_ones_are(name: str, tmp_path: Path) -> None:
    whole, path = (CASES / name).read_bytes(), tmp_path / name
    told: dict[float, bool | None] = {0: probe(CASES / name, Limits()).truncated}

    for share in (0.5, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        told[share] = is_truncated(path)
    for behind in (b"\n" * 3, b"\0" * 7, b"a line of words, longer than a header\n", bytes(range(64, 128))):
        path.write_bytes(whole + behind)
        told[len(behind)] = is_truncated(path)

    assert told == {0: False, 0.5: True, 0.9: True, 3: False, 7: False, 38: False, 64: False}


def test_a_gif_plays_as_slowly_as_browsers_play_it() -> None:
    with Image.open(CASES / "gif10ms.gif") as image:
        frames = frame_count(image)

    animation = read_animation(CASES / "gif10ms.gif", Limits())

    assert animation.starts == pytest.approx([number / 10 for number in range(frames)])


@pytest.mark.parametrize("title", UNREAD)
def test_what_is_not_read_is_refused_by_its_name(title: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(UNREAD[title])

    with pytest.raises(UnsupportedMedia, match=re.escape(f"{title} is not read here")):
        probe(path, Limits())
    assert family_of(sniff(UNREAD[title], declared=None)) == "image"


@pytest.mark.parametrize("title", UNOPENED)
def test_sound_and_films_that_are_not_read_are_refused_by_their_name(title: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(UNOPENED[title])

    with pytest.raises(UnsupportedMedia, match=re.escape(f"{title} is not among the formats read here")):
        probe(path, Limits())


@given(head=st.binary(max_size=600), start=st.sampled_from([content[:40] for content in UNREAD.values()] + STARTS))
def test_no_beginning_is_too_odd_to_be_looked_at(head: bytes, start: bytes) -> None:
    assert "/" in sniff(start + head, declared=None)
    assert "/" in sniff(start[: len(head) % 40], declared=None)
