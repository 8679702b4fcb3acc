"""How signals become light and light becomes signals; light is linear, and 1 is the white of a screen."""

import math
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
