"""Small files that were told wrongly once, and what each is: one line a file, with who says so.

Durations and pictures are those of `ffmpeg -i … -f null -` (5.1), which says how far it came and how many frames
it decoded; sizes, rates and types those of `ffprobe -count_frames` and `file`, unless a note says otherwise. Sizes are
those of the upright picture. Colours are those of the first picture 30 % across and 30 % down, by
`ffmpeg -vf scale=flags=accurate_rnd,format=rgb24` and, of stills, by ImageMagick with `-auto-orient`, unless a note
says otherwise.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

CASES: Final = Path(__file__).parent / "cases"
TELL_THEIR_END: Final = frozenset(
    {
        ".bmp",
        ".au",
        ".avif",
        ".caf",
        ".gif",
        ".jpg",
        ".mka",
        ".mkv",
        ".mp4",
        ".png",
        ".w64",
        ".webm",
        ".webp",
        ".wma",
        ".wmv",
    }
)
Colour = tuple[int, int, int]
PURPLE, RED, FLESH = (254, 0, 254), (200, 0, 0), (217, 42, 23)
RAMP = (77, 77, 77)
"""Of a ramp over 64 columns, the nineteenth."""
JUMP: Final = ("discontinuity",)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is right of one file; None where that is not looked at here."""

    name: str
    media_type: str
    seconds: float | None = None
    pictures: int | None = None
    """That can be decoded; pages of a TIFF."""
    size: tuple[int, int] | None = None
    rate: float | None = None
    colour: Colour | None = None
    warnings: tuple[str, ...] = ()
    note: str = ""

    @property
    def path(self) -> Path:
        """Where the file is."""
        return CASES / self.name

    @property
    def truncated(self) -> bool | None:
        """None where nothing says where the file ends; none of them ends early."""
        return False if self.path.suffix in TELL_THEIR_END and "live" not in self.name else None

    @property
    def family(self) -> str:
        """The kind of the probe."""
        return self.media_type.partition("/")[0]


def film(
    name: str,
    media_type: str,
    seconds: float,
    pictures: int,
    rate: float,
    size: tuple[int, int] | None = (160, 120),
    colour: Colour | None = PURPLE,
    **other: str | tuple[str, ...],
) -> Case:
    return Case(
        name=name,
        media_type=media_type,
        seconds=seconds,
        pictures=pictures,
        rate=rate,
        size=size,
        colour=colour,
        **other,  # type: ignore[arg-type]
    )


def sound(name: str, media_type: str, seconds: float, note: str = "") -> Case:
    return Case(name=name, media_type=media_type, seconds=seconds, note=note)


def still(name: str, kind: str, size: tuple[int, int], colour: Colour, **other: str | int) -> Case:
    return Case(
        name=name,
        media_type=f"image/{kind}",
        size=size,
        colour=colour,
        **{"pictures": 1, **other},  # type: ignore[arg-type]
    )


TS, MKV, MP4 = "video/mp2t", "video/x-matroska", "video/mp4"
GLUED: Final = "two files of 25 pictures; the second begins at the decoding time of the first one's last picture"
FILMS: Final = (
    # name, media type, seconds, pictures, frames a second, width x height, colour
    film("bt2020_sdr.mp4", MP4, 1.0, 5, 5, colour=(255, 0, 0), note="ITU-R BT.2020: its red is beyond that of sRGB"),
    film("crop_top20.mkv", MKV, 1.0, 10, 10, (160, 100), (253, 0, 0)),
    film("flv_30h.flv", "video/x-flv", 2.0, 20, 10),
    film("fmp4_epoch.mp4", MP4, 2.0, 20, 10),
    film("gdr_late.ts", TS, 3.9, 22, 10, colour=None),
    film("hlg_bars.mp4", MP4, 0.4, 2, 5, (100, 40), (250, 250, 250), note="decision 25: reference white is 250"),
    film("interlaced.mpg", "video/mpeg", 1.0, 25, 25, (320, 240), (0, 255, 1)),
    film("mkv_1000s.mkv", MKV, 2.0, 20, 10),
    film("mkv_1000s_live.mkv", MKV, 2.0, 20, 10),
    film("pq_bars.mp4", MP4, 0.4, 2, 5, (140, 40), (62, 62, 62), note="decision 25: 10 cd/m² are 62"),
    film("pts_outlier.mkv", MKV, 4.0, 40, 10, warnings=JUMP, note="ffmpeg counts 38.1 s with the stray"),
    film("sar_change.ts", TS, 2.0, 50, 25, (180, 144), warnings=(*JUMP, "picture_change"), note=GLUED),
    film("small.ogv", "video/ogg", 1.0, 10, 10, (96, 64), colour=None),
    film("trailing4.mp4", MP4, 1.0, 10, 10),
    film("trailing_nl.mp4", MP4, 1.0, 10, 10),
    film("ts_jump1h.ts", TS, 4.0, 40, 10, warnings=JUMP),
    film("ts_jump25h.ts", TS, 4.0, 40, 10, warnings=JUMP),
    film("ts_jump60s.ts", TS, 4.0, 40, 10, warnings=JUMP),
    film("ts_restart.ts", TS, 4.0, 40, 10, warnings=JUMP),
    film("vfr.flv", "video/x-flv", 3.96, 69, 17.424, note="69 packets in 3.96 s"),
    film("vp9_alpha.webm", "video/webm", 1.0, 5, 5, colour=(0, 0, 254)),
    film("x.dv", "video/dv", 0.04, 1, 25, (720, 576)),
    film("x.ivf", "video/x-ivf", 2.0, 20, 10),
    film("x.m2ts", TS, 2.0, 20, 10),
    film("x.nut", "video/x-nut", 2.0, 20, 10),
    film("x.ogv", "video/ogg", 2.0, 20, 10),
    film("x.vob", "video/mpeg", 2.0, 20, 10),
    film("x.wmv", "video/x-ms-wmv", 2.0, 20, 10),
)
SOUNDS: Final = (
    sound("cover.mka", "audio/x-matroska", 1.023, note="ffprobe: the picture is attached_pic"),
    sound("vbr.aac", "audio/aac", 1207 * 1024 / 44_100, note="ISO/IEC 14496-3: frames of 1024 samples"),
    sound("vbr3_noxing.mp3", "audio/mpeg", 537 * 1152 / 44_100, note="ISO/IEC 11172-3: frames of 1152 samples"),
    sound("vbr_noxing.mp3", "audio/mpeg", 1073 * 1152 / 44_100, note="ISO/IEC 11172-3"),
    sound("x.ac3", "audio/ac3", 29 * 1536 / 44_100, note="ATSC A/52: frames of 1536 samples"),
    sound("x.amr", "audio/amr", 50 * 0.02, note="RFC 4867: frames of 20 ms"),
    sound("x.au", "audio/basic", 1.0),
    sound("x.caf", "audio/x-caf", 1.0),
    sound("x.w64", "audio/x-w64", 1.0),
    sound("x.wma", "audio/x-ms-wma", 1.021),
    sound("x.wv", "audio/x-wavpack", 1.0),
)
STILLS: Final = (
    still("cmyk_icc.jpg", "jpeg", (64, 48), (0, 172, 230), note="littlecms, perceptual, by the profile inside"),
    still("fax.tif", "tiff", (432, 208), (255, 255, 255)),
    still("float32.tif", "tiff", (64, 16), RAMP),
    still("gif10ms.gif", "gif", (40, 30), RED, pictures=4),
    still("grey12.tif", "tiff", (64, 16), RAMP),
    still("grey16.tif", "tiff", (64, 16), RAMP),
    still("grey32u.tif", "tiff", (64, 16), RAMP),
    still("orient5.tif", "tiff", (60, 40), RED, note="exiftool: 40x60, turned"),
    still("orient6.tif", "tiff", (60, 40), RED, note="exiftool: 40x60, turned"),
    still("orient8.tif", "tiff", (60, 40), RED, note="exiftool: 40x60, turned"),
    still("p3.jpg", "jpeg", (64, 48), FLESH, note="littlecms, perceptual: (200, 60, 40) of Display P3"),
    still("p3.png", "png", (64, 48), FLESH, note="littlecms, perceptual"),
    still("p3.tif", "tiff", (64, 48), FLESH, note="littlecms, perceptual"),
    still("p3.webp", "webp", (64, 48), FLESH, note="littlecms, perceptual"),
    still("pages.tif", "tiff", (40, 30), RED, pictures=4, note="tiffinfo: four directories"),
    still("pq.avif", "avif", (140, 40), (62, 62, 62), note="as pq_bars.mp4"),
    still("preview.dng", "x-adobe-dng", (160, 120), RED, note="exiftool: SubIFD 160x120 below a preview of 16x12"),
    still("rgbf32.tif", "tiff", (64, 16), RAMP),
    still("rgbf32_lzw.tif", "tiff", (64, 48), RAMP, note="tiffinfo: floating point, LZW, predictor 3"),
    still("x.bmp", "bmp", (64, 48), (9, 99, 200)),
)
TABLE: Final = (*FILMS, *SOUNDS, *STILLS)
