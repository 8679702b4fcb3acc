"""What rules, steps and events of a file's life are called where people read them."""

from collections.abc import Mapping
from typing import Any, Final

from media_analysis.retention.explain.timeline import Moment
from media_analysis.states import RetentionRule

RULES: Final[Mapping[str, str]] = {
    RetentionRule.REQUESTED: "somebody asked for its deletion",
    RetentionRule.UPLOAD_ABANDONED: "its upload was given up",
    RetentionRule.EXPLICIT_EXPIRY: "the date somebody gave it",
    RetentionRule.CATEGORY_LIFETIME: "the lifetime of its category",
    RetentionRule.UPLOAD_LEASE: "its upload is under way",
    RetentionRule.MINIMUM_RETENTION: "its category keeps files so long at least",
    RetentionRule.HOLD: "a hold",
    RetentionRule.INDEFINITE: "nothing gives it an end",
    RetentionRule.JOB_LEASE: "a job works with it",
    RetentionRule.PRESSURE: "room was needed",
    RetentionRule.TRASH: "its time in the trash",
    RetentionRule.ARCHIVED: "it went into the archive of its run",
}
STEPS: Final[Mapping[str, str]] = {
    "expires": "It ends: nobody can read it any more",
    "protection_ends": "What protects it ends",
    "archive": "It goes into the archive of its run",
    "trash": "It goes into the trash",
    "delete": "It goes for good",
    "purge": "Its bytes go",
}
_EVENTS: Final[Mapping[str, str]] = {
    "created": "Upload begun",
    "stored": "Stored",
    "expired": "It ended",
    "extended": "Given another end",
    "labelled": "Labelled",
    "held": "Held",
    "released": "Released",
    "trashed": "Moved to the trash",
    "restored": "Restored",
    "archived": "Moved into the archive of its run",
    "unarchived": "Brought back from the archive",
    "archive_deleted": "Its archive was deleted",
    "deleted": "Deleted",
    "purged": "Its bytes were removed",
    "linked": "A link to it was made",
    "link_revoked": "A link to it was revoked",
    "link_used": "It came by a link",
}


def write_moment(moment: Moment) -> str:
    """Say in a sentence what happened, who did it, why, and by which rule."""
    parts = [_EVENTS.get(moment.event, moment.event.replace("_", " ").capitalize())]
    if moment.event == "extended" and "expires_at" in moment.details:
        parts.append(_until(moment.details["expires_at"]))
    if moment.actor is not None:
        parts.append(f"by {moment.actor}")
    told = " ".join(parts)
    told += f": {moment.reason}" if moment.reason else ""
    return told if moment.rule is None else f"{told} ({RULES[moment.rule]})"


def _until(ends_at: Any) -> str:
    return "without an end" if ends_at is None else f"({str(ends_at)[:16].replace('T', ' ')} UTC)"


def write_facts(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a probe found, by name, in the order in which people ask for it."""
    audio, image = data.get("audio") or {}, data.get("image") or {}
    camera = image.get("camera") or {}
    told = (
        ("Kind", data.get("kind")),
        ("Format", data.get("format")),
        ("Picture", _size(data)),
        ("Video", _joined(data.get("video_codec"), data.get("video_profile"), _bits(data.get("bit_depth")))),
        ("Frames a second", _number(data.get("frame_rate"))),
        ("Frames", _number(data.get("frames"))),
        ("Pages", data.get("pages") if (data.get("pages") or 1) > 1 else None),
        ("Turned", f"{turn}°" if (turn := data.get("rotation_degrees")) else None),
        ("Colours", _colours(data)),
        ("Sound", _joined(audio.get("codec"), audio.get("layout"), _unit(audio.get("sample_rate"), "Hz"))),
        ("Bit rate", _unit(_thousands(data.get("bit_rate")), "kbit/s")),
        ("Streams", ", ".join(f"{count} {kind}" for kind, count in (data.get("stream_counts") or {}).items())),
        ("Timecode", data.get("timecode")),
        ("Camera", _joined(camera.get("make"), camera.get("model"), camera.get("lens"))),
        ("Taken", camera.get("taken_at")),
        ("Cut off", "the file ends before what its headers announce" if data.get("truncated") else None),
    )
    return [(name, str(value)) for name, value in told if value]


def _size(data: Mapping[str, Any]) -> str | None:
    if not data.get("width") or not data.get("height"):
        return None
    ratio = data.get("display_aspect_ratio")
    return f"{data['width']} \N{MULTIPLICATION SIGN} {data['height']}" + (f" ({ratio})" if ratio else "")


def _colours(data: Mapping[str, Any]) -> str:
    colour = data.get("colour") or {}
    return _joined(data.get("pixel_format"), colour.get("primaries"), data.get("hdr_kind"))


def _joined(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)


def _bits(depth: int | None) -> str | None:
    return None if depth is None else f"{depth} bit"


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.6g}"


def _thousands(value: float | None) -> int | None:
    return None if value is None else round(value / 1000)


def _unit(value: float | None, unit: str) -> str | None:
    return None if value is None else f"{value:,} {unit}".replace(",", "\N{NARROW NO-BREAK SPACE}")
