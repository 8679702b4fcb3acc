"""Films with transparency that is coded beside their pictures, as WebM has it."""

from pathlib import Path

import pytest
from PIL import Image

from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from tests.analysis.tasks.collecting import cells, run
from tests.media.encoding import Film, Pictures, write_film

CASES = Path(__file__).parents[1] / "cases"
FULL = (0, 0, 254, 255)
WAYS = {
    "every": SamplingOptions(every_seconds=0.04),
    "keyframes": SamplingOptions(keyframes=True),
    "instants": SamplingOptions(instants=[0.2, 0.36, 0.76]),
    "scenes": SamplingOptions(scenes=1e-9),
}
CODERS = {"libvpx": {"auto-alt-ref": "0"}, "libvpx-vp9": {"auto-alt-ref": "0", "cpu-used": "8", "deadline": "realtime"}}


def fading(number: int, width: int, height: int) -> Image.Image:
    """Paint grey that becomes more opaque with each picture, over the left half."""
    image = Image.new("RGBA", (width, height), (200, 200, 200, 0))
    image.paste((200, 200, 200, 12 * number), (0, 0, width // 2, height))
    return image


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("coder", CODERS)
def test_transparency_is_that_of_each_picture(coder: str, way: str, tmp_path: Path) -> None:
    pictures = Pictures(
        codec=coder, pixel_format="yuva420p", count=20, keyframe_every=5, options=CODERS[coder], paint=fading
    )
    path = write_film(tmp_path / "film.webm", Film(pictures=pictures))

    found = list(sample_frames(path, WAYS[way], Limits()))

    assert len(found) >= (1 if way == "scenes" else 3)
    for picture in found:
        image = picture.image()
        left, right = (image.getchannel("A").getpixel((round(share * image.width), 64)) for share in (0.25, 0.75))
        assert left == pytest.approx(12 * round(picture.instant_seconds * 25), abs=6)
        assert right == pytest.approx(0, abs=3)


def test_what_is_transparent_shows_what_stills_show_there(tmp_path: Path) -> None:
    """Source: `ffmpeg -c:v libvpx-vp9`: blue that is opaque within red that is not. JPEG has white behind it."""
    path, still = CASES / "vp9_alpha.webm", tmp_path / "still.png"
    Image.new("RGBA", (160, 120)).save(still)

    drawn = run("frames", path, format="png", every_seconds=0.2).pictures("frame")
    written = run("frames", path, every_seconds=0.2).pictures("frame")
    collected = run("contact_sheet", path, thumbnail_width=160, sheet_format="png", timestamps=False)

    assert [(image.getpixel((8, 8)), image.getpixel((80, 60))) for image in drawn] == [((253, 0, 0, 0), FULL)] * 5
    assert [image.getpixel((8, 8)) for image in written] == [(255, 255, 255)] * 5
    (sheet,), (document,) = collected.pictures("contact_sheet"), collected.documents("contact_sheet")
    alike = run("contact_sheet", still, thumbnail_width=160, sheet_format="png", timestamps=False)
    (other,), (another,) = alike.pictures("contact_sheet"), alike.documents("contact_sheet")
    assert cells(sheet, document)[0].getpixel((8, 8)) == cells(other, another)[0].getpixel((8, 8))


def test_transparency_that_cannot_be_decoded_leaves_pictures_opaque(tmp_path: Path) -> None:
    parts = (CASES / "vp9_alpha.webm").read_bytes().split(BESIDE)
    path = tmp_path / "film.webm"
    path.write_bytes(BESIDE.join([parts[0], *(part[:1] + bytes(8) + part[9:] for part in parts[1:])]))

    found = list(sample_frames(path, SamplingOptions(every_seconds=0.2), Limits()))

    assert [each.image().mode for each in found] == ["RGB"] * 5
    assert [each.image().getpixel((80, 60)) for each in found] == [FULL[:3]] * 5


BESIDE = b"\xee\x81\x01\xa5"
"""What stands before each coded picture of transparency: BlockAddID 1, and BlockAdditional (RFC 9559)."""
