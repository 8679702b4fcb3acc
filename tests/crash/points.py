"""Every failpoint the scenarios reach, how often, and which hits are killed at; a new failpoint must be added here."""

from collections.abc import Iterable
from typing import Any, Final

import pytest

MOST_HITS: Final = 2
"""How many hits of each point are killed at."""


def once_each(moments: Iterable[Any]) -> list[Any]:
    """Return moments such as `point:hit` as parameters; of each point only the first in the ordinary run.

    A moment may be the last of several things that vary, which are told apart.
    """
    chosen: list[Any] = []
    seen: set[tuple[str, ...]] = set()
    for moment in dict.fromkeys(moments):
        values = (moment,) if isinstance(moment, str) else tuple(moment)
        point = (*values[:-1], values[-1].rpartition(":")[0])
        chosen.append(pytest.param(*values, marks=[pytest.mark.large] if point in seen else []))
        seen.add(point)
    return chosen


REACHED: Final = {
    "marker.written": 1,
    "upload.registering": 5,
    "upload.registered": 5,
    "upload.locked": 5,
    "store.folder_made": 3,
    "upload.named": 5,
    "upload.created": 5,
    "upload.bytes_written": 6,
    "upload.file_synced": 4,
    "upload.synced": 4,
    "upload.settling": 4,
    "upload.settled": 4,
    "delete.unlinked": 3,
    "store.folder_removed": 1,
    "delete.purged": 3,
    "delete.confirmed": 3,
    "upload.abandoning": 1,
    "upload.abandoned": 1,
    "delete.requesting": 1,
    "delete.requested": 1,
    "delete.claiming": 1,
    "delete.claimed": 1,
}

KILLS: Final = [
    *("upload.settling:2", "upload.settled:2"),  # first: of the upload that may be repeated
    *(f"{point}:{hit}" for point, hits in REACHED.items() for hit in range(1, min(hits, MOST_HITS) + 1)),
]

RECORD_KILLS: Final = ("records.ending:2",)

RETENTION_REACHED: Final = {
    "delete.requesting": 3,
    "delete.requested": 3,
    "delete.claiming": 1,
    "delete.claimed": 1,
    "delete.overwritten": 1,
    "restore.restoring": 3,
    "restore.restored": 1,
    "restore.restored_batch": 6,
    "restore.restoring_job": 1,
    "job.deleting": 2,
    "job.deleted": 2,
    "hold.holding": 1,
    "hold.held": 1,
    "hold.releasing": 1,
    "hold.released": 1,
    "plan.making": 1,
    "plan.made": 1,
    "plan.begun": 1,
    "plan.claiming": 1,
    "plan.claimed": 1,
    "evict.claiming": 3,
    "evict.claimed": 3,
}
"""What the scenario of things that come back reaches beside what the other one does, or with another meaning."""

RETENTION_KILLS: Final = [
    *(f"{point}:1" for point in RETENTION_REACHED),
    "restore.restoring:2",  # an undo, after a single file
    "restore.restoring:3",  # the files of a job that is back already
    "job.deleting:2",  # for good, after once into the trash
    "job.deleted:2",
    "delete.requesting:3",  # a secure deletion, after one into the trash
    "delete.requested:3",
    "evict.claiming:2",  # of a relief, after the room that an upload made itself
    "evict.claimed:2",
]

_CLAIMED: Final = frozenset({"job.claiming", "job.claimed", "job.discarding", "job.discarded"})
_MADE: Final = frozenset(
    {
        *("upload.registering", "upload.registered", "upload.locked", "store.folder_made", "upload.named"),
        *("upload.created", "upload.bytes_written", "upload.file_synced", "upload.synced", "product.staged"),
    }
)
_FAILED: Final = frozenset({"job.failing", "job.failed"})
_GIVEN_BACK: Final = frozenset({"job.handing_back", "job.handed_back"})
_DISCARDED: Final = frozenset({"delete.unlinked", "store.folder_removed", "delete.purged", "delete.confirmed"})
RUN_REACHED: Final = {
    "completes": _CLAIMED | _MADE | {"job.completing", "job.completed"},
    "fails": _CLAIMED | _FAILED,
    "crashes": _CLAIMED | _MADE | _GIVEN_BACK | _FAILED | _DISCARDED,
}
"""What a job reaches that completes, that fails for good, and whose analysis crashes until it is given up."""

RUN_KILLS: Final = [
    *(("completes", f"{point}:1") for point in sorted(RUN_REACHED["completes"])),
    ("completes", "upload.bytes_written:2"),
    *(("fails", f"{point}:1") for point in sorted(_FAILED)),
    *(("crashes", f"{point}:1") for point in sorted(_GIVEN_BACK | _DISCARDED | {"job.discarding", "job.discarded"})),
]

JOB_REACHED: Final = {
    "job.creating": 4,
    "job.created": 4,
    "hold.holding_job": 1,
    "hold.held_job": 1,
    "hold.releasing_job": 1,
    "hold.released_job": 1,
    "hold.extending_job": 1,
    "hold.extended_job": 1,
    "external.claiming": 2,
    "external.claimed": 2,
    "external.putting": 1,
    "job.cancelling": 1,
    "job.cancelled": 1,
    "jobs.cancelling": 2,
    "jobs.cancelled": 2,
    "job.retrying": 1,
    "job.retried": 1,
}
"""What the lives of four jobs reach beside what runs of workers do."""

JOB_KILLS: Final = [f"{point}:1" for point in JOB_REACHED]

ARCHIVE_TRASH_KILLS: Final = ("archive.forgetting:1", "archive.forgotten:1")
EXPIRY_KILLS: Final = ("expiry.dropping:1", "expiry.closing:1", "expiry.forgetting:1")
POLICY_KILLS: Final = ("policy.activated:1", "policy.redating:1", "policy.closing:1")
QUARANTINE_KILLS: Final = ("quarantine.moved:1", "quarantine.recording:1")
SCRUB_KILLS: Final = ("scrub.read:1", "scrub.saving:1")
CLUSTER_KILLS: Final = ("embedded.cluster_created:1", "embedded.cluster_published:1")

ARCHIVE_REACHED: Final = {
    "archive.claimed": 6,
    "archive.planned": 3,
    "archive.registered": 3,
    "archive.packed": 3,
    "archive.synced": 3,
    "archive.proven": 3,
    "archive.committing": 3,
    "archive.committed": 3,
    "archive.purged": 3,
    "unarchive.planned": 3,
    "unarchive.registered": 4,
    "unarchive.written": 4,
    "unarchive.synced": 4,
    "unarchive.staged": 3,
    "unarchive.committing": 3,
    "unarchive.committed": 3,
    "archive.dropping": 1,
    "archive.dropped": 1,
    "archive.ending": 1,
    "archive.ended": 1,
}
"""What the life of a run reaches: archived three times, restored twice, once from two segments, and one file of it."""

ARCHIVE_KILLS: Final = [
    *(f"{point}:1" for point in ARCHIVE_REACHED),
    "archive.proven:2",  # a second segment beside the first
    "archive.committing:2",
    "archive.committed:3",  # instead of an archive that held what was deleted
    "unarchive.committing:2",  # one file, of an archive that stays
    "unarchive.committed:3",
]
