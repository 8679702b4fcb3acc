"""What kind of picture a directory of a TIFF describes, and what people call it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from media_analysis.media.stills.tiff_directories import Directory

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _STRIPS = 256, 257, 258, 259, 262, 273
_SAMPLES, _ROWS_PER_STRIP, _PLANES, _TILE_WIDTH, _TILES, _EXTRA, _FORMATS = 277, 278, 284, 322, 324, 338, 339
_STRIP_BYTES, _PREDICTOR = 279, 317
UNSIGNED, SIGNED, FLOATING = 1, 2, 3
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK = 0, 1, 2, 5
UNCOMPRESSED: Final = 1
JPEG: Final = 7
WEBP: Final = 50_001
_SENSOR: Final = frozenset({32_803, 34_892})
"""Colour filter array and linear raw, of DNG."""
_COLOURS: Final = {
    WHITE_IS_ZERO: "grey",
    BLACK_IS_ZERO: "grey",
    RGB: "RGB",
    3: "a palette of colours",
    4: "a mask",
    CMYK: "CMYK",
    6: "YCbCr",
    8: "CIE Lab",
    9: "ICC Lab",
    10: "ITU Lab",
    32_844: "logarithmic grey (LogL)",
    32_845: "logarithmic colours (LogLuv)",
}
_COMPRESSIONS: Final = {
    UNCOMPRESSED: "uncompressed",
    2: "CCITT",
    3: "fax (Group 3)",
    4: "fax (Group 4)",
    5: "LZW",
    6: "old JPEG",
    JPEG: "JPEG",
    8: "Deflate",
    9: "JBIG",
    32_773: "PackBits",
    32_946: "Deflate",
    34_661: "JBIG",
    34_712: "JPEG 2000",
    34_887: "LERC",
    34_892: "lossy JPEG",
    34_925: "LZMA",
    32_767: "Sony raw",
    34_713: "Nikon raw",
    50_000: "Zstandard",
    WEBP: "WebP",
    50_002: "JPEG XL",
    52_546: "JPEG XL",
    65_000: "Kodak raw",
    65_535: "Pentax raw",
}
_MOST_BITS: Final = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelFormat:
    """How a picture's samples are stored."""

    size: tuple[int, int]
    photometric: int
    bits: int
    """Of each sample; 0 where they differ."""
    sample_format: int
    samples: int
    """Of each pixel."""
    extra: Sequence[int]
    """What samples beside the colours are: 1 for alpha that colours are multiplied by, 2 for one they are not."""
    compression: int
    planar: bool
    tiled: bool
    predictor: int
    strips: Sequence[int]
    strip_bytes: Sequence[int]
    rows_per_strip: int

    @classmethod
    def of(cls, directory: Directory) -> Self:
        """Read it; what is not told is what TIFF 6.0 says then."""
        bits = set(directory.tags.get(_BITS, (1,)))
        formats = set(directory.tags.get(_FORMATS, (UNSIGNED,)))
        height = directory.first(_HEIGHT)
        return cls(
            size=(directory.first(_WIDTH), height),
            photometric=directory.first(_PHOTOMETRIC, -1),
            bits=bits.pop() if len(bits) == 1 else 0,
            sample_format=formats.pop() if len(formats) == 1 else 0,
            samples=directory.first(_SAMPLES, 1),
            extra=directory.tags.get(_EXTRA, ()),
            compression=directory.first(_COMPRESSION, UNCOMPRESSED),
            planar=directory.first(_PLANES, 1) == 2,  # noqa: PLR2004 - each colour on its own
            tiled=_TILE_WIDTH in directory.tags,
            strips=directory.tags.get(_STRIPS, directory.tags.get(_TILES, ())),
            predictor=directory.first(_PREDICTOR, 1),
            strip_bytes=directory.tags.get(_STRIP_BYTES, ()),
            rows_per_strip=min(height, directory.first(_ROWS_PER_STRIP, height)) or 1,
        )

    @property
    def is_sensor(self) -> bool:
        """Whether it is what a camera's sensor saw, not yet a picture."""
        return self.photometric in _SENSOR

    @property
    def is_sound(self) -> bool:
        """Whether there may be a picture of this kind, as far as its directory tells."""
        has_pixels = min(self.size) > 0 and self.samples > 0 and len(self.strips) > 0
        return has_pixels and 0 <= self.bits <= _MOST_BITS and self.photometric >= 0

    def __str__(self) -> str:
        """Return what people call it, such as `RGB of 16 bits in floating point (LZW)`."""
        bits = f" of {self.bits} bits" if self.bits else " of uneven depth"
        numbers = {SIGNED: ", signed", FLOATING: " in floating point"}.get(self.sample_format, "")
        stored = [_COMPRESSIONS.get(self.compression, f"compression {self.compression}")]
        stored += ["in tiles"] * self.tiled + ["plane by plane"] * self.planar
        return f"{_COLOURS.get(self.photometric, 'unknown colours')}{bits}{numbers} ({', '.join(stored)})"
