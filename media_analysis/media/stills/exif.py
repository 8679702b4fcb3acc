"""What cameras note in images (CIPA DC-008, "EXIF"), made readable and bounded."""

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

from PIL import ExifTags, Image

from media_analysis.errors.media import CorruptMedia
from media_analysis.media.colours.profiles import profile_of
from media_analysis.media.facts import CameraFacts
from media_analysis.media.orientation import Orientation
from media_analysis.media.text import finite, shown

_MAX_NAME_CHARACTERS: Final = 200
_BELOW_SEA_LEVEL: Final = 1
_MINUTES: Final = 60
_SECONDS: Final = 3_600
_DEGREES: Final = 3
Tags = Mapping[int, Any]


def exif_of(image: Image.Image) -> Image.Exif | None:
    """Return an image's EXIF block, None where it has none or it cannot be read."""
    try:
        exif = image.getexif()
    except Exception:  # noqa: BLE001 - Pillow raises whatever a broken tag makes it raise
        return None
    return exif if len(exif) else None


def camera_of(exif: Image.Exif) -> CameraFacts | None:
    """Return what a camera noted, None where it noted nothing that is told here."""
    base, shot, place = _all_of(exif), _directory(exif, ExifTags.IFD.Exif), _directory(exif, ExifTags.IFD.GPSInfo)
    facts = CameraFacts(
        make=_name(base.get(ExifTags.Base.Make)),
        model=_name(base.get(ExifTags.Base.Model)),
        lens=_name(shot.get(ExifTags.Base.LensModel)),
        software=_name(base.get(ExifTags.Base.Software)),
        taken_at=_taken_at(base, shot),
        exposure_seconds=_positive(shot.get(ExifTags.Base.ExposureTime)),
        f_number=_positive(shot.get(ExifTags.Base.FNumber)),
        iso=_iso(shot.get(ExifTags.Base.ISOSpeedRatings)),
        focal_length_mm=_positive(shot.get(ExifTags.Base.FocalLength)),
        latitude=_angle(place, ExifTags.GPS.GPSLatitude, "NS", limit=90),
        longitude=_angle(place, ExifTags.GPS.GPSLongitude, "EW", limit=180),
        altitude_metres=_altitude(place),
    )
    return None if facts == CameraFacts() else facts


def profile_name(image: Image.Image) -> str | None:
    """Return what the colour profile inside calls itself."""
    try:
        profile = profile_of(image)
        described = None if profile is None else profile.profile.profile_description
    except (CorruptMedia, ValueError):
        return None
    return _name(described)


def dpi_of(image: Image.Image) -> tuple[float, float] | None:
    """Return dots per inch across and down."""
    told = image.info.get("dpi")
    if not isinstance(told, tuple) or len(told) != 2:  # noqa: PLR2004 - across and down
        return None
    across, down = (_positive(value, digits=2) for value in told)
    return None if across is None or down is None else (across, down)


def pixel_aspect_of(image: Image.Image) -> Fraction:
    """Return how oblong an upright pixel of an opened TIFF is, across to down; 1 where it tells nothing.

    Of other formats programs that show them look at the size alone, so does this.
    """
    across, down = dpi_of(image) or (1, 1)
    if image.format != "TIFF":
        return Fraction(1)
    exif = exif_of(image)
    aspect = Fraction(down) / Fraction(across)
    sideways = Orientation.of_exif(None if exif is None else exif.get(ExifTags.Base.Orientation)).sideways
    return 1 / aspect if sideways else aspect


def _all_of(exif: Image.Exif) -> Tags:
    try:
        return dict(exif)
    except Exception:  # noqa: BLE001 - as above
        return {}


def _directory(exif: Image.Exif, which: ExifTags.IFD) -> Tags:
    try:
        return dict(exif.get_ifd(which))
    except Exception:  # noqa: BLE001 - as above
        return {}


def _name(value: object) -> str | None:
    return shown(value, limit=_MAX_NAME_CHARACTERS)


def _positive(value: object, *, digits: int = 6) -> float | None:
    number = finite(value, digits=digits)
    return number if number is not None and number > 0 else None


def _iso(value: object) -> int | None:
    number = _positive(value[0] if isinstance(value, tuple) and value else value)
    return None if number is None else int(number)


def _taken_at(base: Tags, shot: Tags) -> str | None:
    text = _name(shot.get(ExifTags.Base.DateTimeOriginal)) or _name(base.get(ExifTags.Base.DateTime))
    offset = _name(shot.get(ExifTags.Base.OffsetTimeOriginal))
    for written, layout in ((f"{text}{offset}", "%Y:%m:%d %H:%M:%S%z"), (f"{text}", "%Y:%m:%d %H:%M:%S")):
        try:
            return datetime.strptime(written, layout).isoformat()  # noqa: DTZ007 - a camera without an offset has local time
        except ValueError:
            continue
    return None


def _angle(place: Tags, tag: ExifTags.GPS, letters: str, *, limit: int) -> float | None:
    parts, side = place.get(tag), _name(place.get(tag - 1))
    if not isinstance(parts, tuple) or len(parts) != _DEGREES or side is None or side[0] not in letters:
        return None
    numbers = [finite(part, digits=9) for part in parts]
    if None in numbers:
        return None
    degrees, minutes, seconds = (number or 0.0 for number in numbers)
    angle = degrees + minutes / _MINUTES + seconds / _SECONDS
    if not 0 <= angle <= limit:
        return None
    return round(-angle if side[0] == letters[1] else angle, 7)


def _altitude(place: Tags) -> float | None:
    metres = finite(place.get(ExifTags.GPS.GPSAltitude), digits=2)
    reference = place.get(ExifTags.GPS.GPSAltitudeRef)
    below = reference in (_BELOW_SEA_LEVEL, bytes([_BELOW_SEA_LEVEL]))
    return -metres if metres is not None and below else metres
