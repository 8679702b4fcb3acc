"""Small files whose colours were shown wrongly once, and the colours they are by littlecms and the specifications."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from media_analysis.media.colours.code_points import CodePoints, code_points_of
from media_analysis.media.colours.conversion import conversion_of
from media_analysis.media.colours.profiles import MAX_PROFILE_BYTES
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, PictureFormat, PictureOptions, SamplingOptions

CASES = Path(__file__).parent / "cases"


def profile_in(name: str) -> bytes:
    with Image.open(CASES / name) as image:
        return bytes(image.info["icc_profile"])


DISPLAY_P3 = profile_in("p3.png")
PRESS = profile_in("cmyk_icc.jpg")
SCREEN = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
Colour = tuple[int, ...]


def written(path: Path, picture_format: PictureFormat, said: list[str] | None = None) -> Image.Image:
    notices = [] if said is None else said
    options = SamplingOptions(instants=[0])
    (picture,) = sample_frames(path, options, Limits(), notice=lambda code, _: notices.append(code))
    return Image.open(BytesIO(picture.encoded(PictureOptions(format=picture_format, quality=100))))


def shown(path: Path, share: float = 0.5, said: list[str] | None = None) -> Colour:
    """Return the colour half-way down and at a share of the width, as PNG shows it."""
    image = written(path, PictureFormat.PNG, said)
    found = image.getpixel((int(share * image.width), image.height // 2))
    assert isinstance(found, tuple)
    return found


def bars(path: Path, number: int) -> list[int]:
    return [shown(path, (bar + 0.5) / number)[1] for bar in range(number)]


def saved(path: Path, mode: str, colour: float | Colour, profile: bytes) -> Path:
    Image.new(mode, (8, 8), colour).save(path, icc_profile=profile)
    return path


@pytest.mark.parametrize("name", ["p3.png", "p3.tif", "p3.webp", "p3.jpg"])
@pytest.mark.parametrize("picture_format", PictureFormat)
def test_display_p3_is_shown_as_it_looks_and_without_its_profile(name: str, picture_format: PictureFormat) -> None:
    """Source: littlecms, perceptual: (200, 60, 40) of Display P3 is (217, 42, 23) of sRGB."""
    image = written(CASES / name, picture_format)

    assert image.convert("RGB").getpixel((30, 20)) == pytest.approx((217, 42, 23), abs=3)
    assert "icc_profile" not in image.info


def test_print_is_shown_through_its_own_profile(tmp_path: Path) -> None:
    """Source: littlecms, perceptual: paper is white and black ink (41, 41, 39) of that press; of none, (0, 0, 0)."""
    plainly = tmp_path / "plain.jpg"
    with Image.open(CASES / "cmyk_icc.jpg") as image:
        image.save(plainly, icc_profile=b"")

    assert shown(CASES / "cmyk_icc.jpg", 0.1) == pytest.approx((255, 255, 255), abs=1)
    assert shown(CASES / "cmyk_icc.jpg", 0.9) == pytest.approx((41, 41, 39), abs=3)
    assert shown(plainly, 0.9) == pytest.approx((0, 0, 0), abs=1)


@pytest.mark.parametrize(
    ("mode", "colour", "shade"), [("RGBA", (200, 60, 40, 99), (217, 42, 23, 99)), ("RGB", (90, 90, 90), (90, 90, 90))]
)
def test_greys_and_transparency_stay(mode: str, colour: Colour, shade: Colour, tmp_path: Path) -> None:
    assert shown(saved(tmp_path / "p3.png", mode, colour, DISPLAY_P3)) == pytest.approx(shade, abs=1)


def test_a_profile_of_srgb_changes_nothing(tmp_path: Path) -> None:
    assert shown(saved(tmp_path / "screen.png", "RGB", (201, 60, 40), SCREEN)) == (201, 60, 40)


def test_lab_needs_no_profile_to_be_shown(tmp_path: Path) -> None:
    """Source: CIE 15; L* 54, a* 81, b* 70 by D50 is the red of sRGB."""
    said: list[str] = []
    path = tmp_path / "lab.tif"
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.new("LAB", (8, 8), (138, 128 + 81, 128 + 70)).save(path, icc_profile=lab)

    assert shown(path, said=said) == pytest.approx((255, 0, 0), abs=8)
    assert said == []


def test_a_profile_of_grey_is_gone_through(tmp_path: Path) -> None:
    """Source: ICC.1, table of grey profiles: linear grey of 55 (0.2159 of white) is (128, 128, 128) of sRGB."""
    profile = linear_grey_profile()

    assert shown(saved(tmp_path / "grey.png", "L", 55, profile)) == pytest.approx((128,) * 3, abs=1)
    assert shown(saved(tmp_path / "clear.png", "LA", (55, 90), profile)) == pytest.approx((128, 128, 128, 90), abs=1)


def linear_grey_profile() -> bytes:
    """Return a profile of a white point and one straight curve."""
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63_190, 65_536, 54_061)
    curve = b"curv" + bytes(8)
    table = struct.pack(">I4sII4sII", 2, b"wtpt", 156, len(white), b"kTRC", 176, len(curve))
    header = struct.pack(">I4sI4s4s4s12s4s", 188, b"", 0x02400000, b"mntr", b"GRAY", b"XYZ ", b"", b"acsp")
    return header.ljust(68, b"\0") + white[8:] + bytes(48) + table + white + curve


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        ("RGB", PRESS),
        ("L", DISPLAY_P3),
        ("RGB", b"no profile"),
        ("RGB", DISPLAY_P3[:200]),
        ("RGB", DISPLAY_P3.replace(b"RGB ", b"RG\xff ", 1)),
        ("RGB", DISPLAY_P3 + bytes(MAX_PROFILE_BYTES)),
    ],
    ids=["of print", "of colours for grey", "none", "cut", "of no colours", "huge"],
)
def test_a_profile_that_cannot_be_used_is_left_out_of_account_and_it_is_said(
    mode: str, profile: bytes, tmp_path: Path
) -> None:
    said: list[str] = []
    path = saved(tmp_path / "odd.tif", mode, 100 if mode == "L" else (100, 100, 100), profile)

    assert shown(path, said=said) == (100, 100, 100)
    assert said == ["profile_ignored"]


def test_film_of_wide_primaries_is_shown_by_them() -> None:
    """Source: ITU-R BT.2020 and BT.1886; pure red of BT.709, in BT.2020, as an encoder left it."""
    assert shown(CASES / "bt2020_sdr.mp4") == pytest.approx((255, 0, 0), abs=8)


@pytest.mark.parametrize("primaries", [4, 5, 6, 7, 8, 9, 11, 12, 22])
@pytest.mark.parametrize("transfer", [1, 2, 13])
def test_primaries_change_no_grey(primaries: int, transfer: int) -> None:
    conversion = conversion_of(primaries, transfer)
    ramp = Image.linear_gradient("L").convert("RGB")

    assert conversion is not None
    assert conversion.of(ramp).tobytes() == ramp.tobytes()


@pytest.mark.parametrize(
    ("primaries", "colour"),
    [
        (1, (200, 60, 40)),
        (2, (200, 60, 40)),
        (5, (204, 60, 40)),
        (6, (195, 66, 39)),
        (11, (212, 40, 26)),
        (12, (217, 42, 22)),
    ],
)
def test_colours_follow_the_primaries(primaries: int, colour: Colour) -> None:
    """Source: swscale 9, relative colorimetric, from these primaries (ITU-T H.273, table 2) to BT.709's."""
    conversion = conversion_of(primaries, 13)
    pixel = Image.new("RGB", (1, 1), (200, 60, 40))

    assert (pixel if conversion is None else conversion.of(pixel)).getpixel((0, 0)) == pytest.approx(colour, abs=2)


def test_highlights_roll_off() -> None:
    """Source: SMPTE ST 2084 and IEC 61966-2-1; bars of 1, 4, 10, 30, 100, 300 and 1,000 candelas."""
    assert bars(CASES / "pq_bars.mp4", 7) == pytest.approx([15, 33, 63, 109, 185, 251, 253], abs=1)
    *dark, white, brighter, bright, brightest = bars(CASES / "hlg_bars.mp4", 5)
    assert [*dark, white] == pytest.approx([137, 250], abs=1)
    assert white < brighter <= bright < brightest <= 255


def test_stills_of_high_range_are_shown_as_films_are() -> None:
    assert bars(CASES / "pq.avif", 7) == pytest.approx(bars(CASES / "pq_bars.mp4", 7), abs=3)


@pytest.mark.parametrize(
    ("primaries", "transfer", "shade"), [(12, 13, (217, 42, 23)), (9, 16, None), (1, 13, (200, 60, 40))]
)
def test_a_png_tells_its_colours_by_number(primaries: int, transfer: int, shade: Colour | None, tmp_path: Path) -> None:
    path = tmp_path / "told.png"
    Image.new("RGB", (8, 8), (200, 60, 40)).save(path)
    content, told = path.read_bytes(), b"cICP" + bytes([primaries, transfer, 0, 1])
    numbered = (4).to_bytes(4) + told + zlib.crc32(told).to_bytes(4)
    path.write_bytes(content[:33] + numbered + content[33:])
    conversion = conversion_of(primaries, transfer)

    if shade is None:
        assert conversion is not None
        shade = conversion.of(Image.new("RGB", (1, 1), (200, 60, 40))).getpixel((0, 0))  # type: ignore[assignment]
    assert shown(path) == pytest.approx(shade, abs=1)


def test_colours_are_read_from_an_avif_and_looked_for_in_vain_in_anything_else() -> None:
    content = (CASES / "pq.avif").read_bytes()

    assert code_points_of(BytesIO(content), "AVIF") == CodePoints(primaries=9, transfer=16)
    for length in range(len(content)):
        code_points_of(BytesIO(content[:length]), "AVIF")
        code_points_of(BytesIO(content[:length]), "PNG")
