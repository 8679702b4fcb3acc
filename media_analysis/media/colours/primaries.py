"""Primaries and transfers by number (ITU-T H.273): whose light a signal is, and how it becomes light."""

import math
from collections.abc import Sequence
from typing import Final

PQ: Final = 16
HLG: Final = 18
HIGH_RANGE: Final = frozenset({PQ, HLG})
SRGB: Final = 13
"""By ITU-T H.273, table 3."""
_WHITE_CANDELAS: Final = 203
"""A square metre; what reference white of high dynamic range is (ITU-R BT.2408)."""
_HLG_CANDELAS: Final = 1000
_HLG_GAMMA: Final = 1.2
PEAK: Final = 10_000 / _WHITE_CANDELAS
"""The brightest that PQ can tell."""
_KNEE: Final = 0.938
_SHOULDER: Final = 0.007
"""So that reference white comes out as 250 of 255, what is darker stays, and `PEAK` comes out as 255."""
Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]
Point = tuple[float, float]
Chromaticities = tuple[Point, Point, Point, Point]
"""Red, green, blue and white, as x and y of CIE 1931."""
BT709: Final = 1
_D65: Final = (0.3127, 0.3290)
_D50: Final[Vector] = (0.9642, 1.0, 0.8249)
"""The white of colour profiles, as ICC.1 rounds it."""
_ILLUMINANT_C: Final = (0.310, 0.316)
CHROMATICITIES: Final[dict[int, Chromaticities]] = {
    BT709: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _ILLUMINANT_C),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _ILLUMINANT_C),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}
_BRADFORD: Final[Matrix] = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
"""From XYZ to the responses in which a white is adapted to another (as in ICC.1, annex E)."""


def is_told(primaries: int) -> bool:
    """Return whether a number tells of primaries that are known here."""
    return primaries in CHROMATICITIES


def to_d50(points: Chromaticities) -> Matrix:
    """Return what makes linear light of these primaries CIE XYZ, adapted to the white of colour profiles.

    Raises:
        ZeroDivisionError: they lie on one line, or a point has no y.

    """
    return product(_adapted(_xyz(points[3]), _D50), _to_xyz(points))


def times(matrix: Matrix, vector: Vector) -> Vector:
    """Return the product of a matrix and a vector."""
    a, b, c = vector
    first, second, third = (row[0] * a + row[1] * b + row[2] * c for row in matrix)
    return first, second, third


def product(left: Matrix, right: Matrix) -> Matrix:
    """Return the product of two matrices."""
    first, second, third = (times(left, column) for column in _columns(right))
    return _columns((first, second, third))


def inverse(matrix: Matrix) -> Matrix:
    """Return the inverse of a matrix that has one."""
    first, second, third = matrix
    crossed = _cross(second, third), _cross(third, first), _cross(first, second)
    determinant = sum(one * other for one, other in zip(first, crossed[0], strict=True))
    return _scaled(_columns(crossed), (1 / determinant,) * 3)


def _to_xyz(points: Sequence[Point]) -> Matrix:
    red, green, blue, white = (_xyz(point) for point in points)
    primaries = _columns((red, green, blue))
    return _scaled(primaries, times(inverse(primaries), white))


def _adapted(white: Vector, other: Vector) -> Matrix:
    here, there = times(_BRADFORD, white), times(_BRADFORD, other)
    gains = there[0] / here[0], there[1] / here[1], there[2] / here[2]
    return product(_scaled(inverse(_BRADFORD), gains), _BRADFORD)


def _xyz(point: Point) -> Vector:
    x, y = point
    return x / y, 1.0, (1 - x - y) / y


def _columns(rows: Matrix) -> Matrix:
    first, second, third = zip(*rows, strict=True)
    return first, second, third


def _scaled(matrix: Matrix, gains: Vector) -> Matrix:
    first, second, third = ((row[0] * gains[0], row[1] * gains[1], row[2] * gains[2]) for row in matrix)
    return first, second, third


def _cross(one: Vector, other: Vector) -> Vector:
    a, b, c = one
    x, y, z = other
    return b * z - c * y, c * x - a * z, a * y - b * x


def pq_light(signal: float) -> float:
    """Return the light of a signal of SMPTE ST 2084, up to `PEAK`."""
    power = signal ** (32 / 2523)
    return float(PEAK * (max(power - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * power)) ** (16_384 / 2610))


def hlg_light(signal: float) -> float:
    """Return the light of a signal of ARIB STD-B67 on a screen of 1,000 candelas (ITU-R BT.2100, table 5)."""
    scene = signal * signal / 3 if signal <= 1 / 2 else (math.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return float(_HLG_CANDELAS / _WHITE_CANDELAS * scene**_HLG_GAMMA)


def srgb_signal(light: float) -> float:
    """Return the signal of sRGB (IEC 61966-2-1) for light up to 1."""
    return 12.92 * light if light <= 0.0031308 else float(1.055 * light ** (1 / 2.4) - 0.055)  # noqa: PLR2004 - the standard's


def rolled_off(light: float) -> float:
    """Return light up to `PEAK` as a screen shows it: as it is up to a knee, logarithmic from there on."""
    return light if light <= _KNEE else _KNEE + _SHOULDER * math.log1p((light - _KNEE) / _SHOULDER)
