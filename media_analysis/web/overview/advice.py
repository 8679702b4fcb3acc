"""The way out of each alert, in words."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Advice(NamedTuple):
    """What to do, and the screen where that is done, with what its link says."""

    text: str
    path: str
    link: str


_OTHER: Final = Advice("The operations guide says what each alert means.", "/settings", "To the settings")
ADVICE: Final[Mapping[str, Advice]] = {
    "disk_almost_full": Advice(
        "Let what is due go, or shorten a lifetime: the policy shows what that would free before it does.",
        "/policy",
        "See what a shorter lifetime frees",
    ),
    "quota_almost_full": Advice(
        "Raise its quota, shorten its lifetime, or delete what is not wanted; uploads are refused once it is full.",
        "/policy",
        "Change the policy",
    ),
    "files_damaged": Advice(
        "`media-analysis verify` names the files, and says what is wrong with each. Restore them from a backup.",
        "/files",
        "To the files",
    ),
    "duty_late": Advice(
        "The scheduler runs with `serve`; its log says why the duty failed.", "/settings", "To the settings"
    ),
    "dead_letters": Advice(
        "`media-analysis purge list` names the objects that could not be deleted; once the cause is gone, "
        "`media-analysis purge retry` tries again.",
        "/deletions",
        "To the deletions",
    ),
    "deletion_late": Advice("Run a sweep now, or see why the last ones broke off.", "/deletions", "To the deletions"),
    "mass_deletion": Advice(
        "If nobody meant it, restore them from the trash before its time is over.", "/trash", "To the trash"
    ),
    "evictions_paused": Advice(
        "Look at what would be evicted. Confirm it if it is well, or make room in another way.",
        "/policy#pauses",
        "Look at the pause",
    ),
    "deletion_paused": Advice("Nothing is deleted until somebody resumes it.", "/policy#pauses", "Look at the pause"),
    "unusual_deletion_volume": Advice(
        "More than usual would have gone. Look at it, and confirm the number if it is well.",
        "/policy#pauses",
        "Look at the pause",
    ),
    "cleanup_failed": Advice("The next sweep tries again; nothing is lost.", "/deletions", "Look at the sweep"),
    "archive_damaged": Advice(
        "Restore the archive from a backup; the files of its run are not elsewhere.", "/archives", "To the archives"
    ),
    "archive_failing": Advice("It is tried again by itself; runs stay until it succeeds.", "/jobs", "To the jobs"),
    "archive_late": Advice("Runs wait for their archives: is the archivist running?", "/jobs", "To the jobs"),
}


def advice_of(alert: str) -> Advice:
    """Return the way out of an alert."""
    return ADVICE.get(alert, _OTHER)
