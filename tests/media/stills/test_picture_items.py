"""Collections of pictures in one AVIF: one is shown, and it is said that there are more."""

from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.probe import probe
from media_analysis.media.stills.picture_items import count_pictures
from tests.media import images


def with_alpha() -> bytes:
    target = BytesIO()
    Image.new("RGBA", (16, 16), (200, 60, 40, 128)).save(target, "AVIF")
    return target.getvalue()


def collection() -> bytes:
    """Return two pictures, of which nothing says any more that the second is the alpha of the first."""
    assert with_alpha().count(b"auxl") == 1
    return with_alpha().replace(b"auxl", b"none")


def warned(content: bytes, tmp_path: Path) -> tuple[list[str], list[str]]:
    path = tmp_path / "pictures.avif"
    path.write_bytes(content)
    said: list[str] = []
    list(sample_frames(path, SamplingOptions(), Limits(), notice=lambda code, _: said.append(code)))
    return said, [warning.code for warning in probe(path, Limits()).warnings]


def test_of_several_pictures_one_is_shown_and_the_others_are_told_of(tmp_path: Path) -> None:
    """Source: ISO/IEC 23008-12, section 6: every item that is not hidden and not part of another is a picture."""
    assert warned(collection(), tmp_path) == (["further_pictures"], ["further_pictures"])


HIDDEN = collection().replace(b"infe\x02\0\0\0\0\x02", b"infe\x02\0\0\x01\0\x02")


@pytest.mark.parametrize(
    "content",
    [
        with_alpha(),
        collection().replace(b"none", b"thmb"),
        with_alpha().replace(b"auxl\0\x02\0\x01\0\x01", b"dimg\0\x01\0\x01\0\x02"),
        HIDDEN,
        images.avif().read_bytes(),
        (images.CASES / "pq.avif").read_bytes(),
    ],
    ids=["alpha", "smaller copy", "part", "hidden", "alone", "of another writer"],
)
def test_what_belongs_to_a_picture_is_no_other(content: bytes) -> None:
    assert count_pictures(BytesIO(content)) == 1


@given(at=st.integers(0, 400), byte=st.integers(0, 255), stop=st.integers(0, 400))
def test_no_list_of_pictures_is_too_broken_to_be_counted(at: int, byte: int, stop: int) -> None:
    content = bytearray(collection()[:400])
    content[at : at + 1] = bytes([byte])

    assert count_pictures(BytesIO(content[:stop])) in range(3)
