"""What stands above a contact sheet."""

from media_analysis.media.facts import AudioFacts, HdrKind, ImageFacts, MediaKind, ProbeDocument
from media_analysis.media.options import Limits
from media_analysis.media.probe import probe
from media_analysis.media.sheets.heading import codec_name, heading_of
from tests.media.case_table import CASES

FILM = ProbeDocument(
    kind=MediaKind.VIDEO,
    format="mp4",
    media_type="video/mp4",
    size_bytes=12 * 2**20,
    duration_seconds=3_725.4,
    bit_rate=2_400_000,
    width=1_920,
    height=1_080,
    video_codec="h264",
    frame_rate=30_000 / 1_001,
    audio=AudioFacts(codec="aac", channels=2, layout="stereo", sample_rate=44_100),
)


def test_a_film_shows_all_that_people_look_for() -> None:
    heading = heading_of("film.mp4", FILM)

    assert heading.title == "film.mp4"
    assert heading.facts == (
        "1:02:05",
        "1920 x 1080",
        "H.264",
        "29.97 fps",
        "12.0 MiB",
        "2.4 Mb/s",
        "AAC stereo 44.1 kHz",
    )


def test_what_is_not_known_is_left_out() -> None:
    bare = ProbeDocument(kind=MediaKind.VIDEO, format="mpegts", media_type="video/mp2t", size_bytes=0)
    silent = FILM.model_copy(update={"audio": AudioFacts(codec=None, channels=6), "hdr_kind": HdrKind.DOLBY_VISION})

    assert heading_of("x", bare).facts == ("0 bytes",)
    assert heading_of("x", silent).facts[-1] == "audio 6 channels"
    assert "DOLBY VISION" in heading_of("x", silent).facts


def test_a_film_of_oblong_pixels_shows_the_shape_of_its_pictures() -> None:
    """The cells below have square pixels: 180 x 144 of them would be narrower."""
    told = probe(CASES / "sar_change.ts", Limits())

    assert "180 x 144 (4:3)" in heading_of("x", told).facts


def test_an_image_shows_its_format() -> None:
    image = ProbeDocument(
        kind=MediaKind.IMAGE,
        format="jpeg",
        media_type="image/jpeg",
        size_bytes=2_048,
        width=640,
        height=480,
        image=ImageFacts(mode="RGB"),
    )

    assert heading_of("x.jpg", image).facts == ("640 x 480", "JPEG", "2.0 KiB")


def test_codecs_have_the_names_people_use() -> None:
    assert [codec_name(codec) for codec in ("h264", "hevc", "vp9", "av1", "pcm_s16le", "opus")] == [
        "H.264",
        "HEVC",
        "VP9",
        "AV1",
        "pcm_s16le",
        "Opus",
    ]
