"""The oracle: walks every row and every object and says which promises of the service are broken.

Production never scans; this is what proves that it does not need to.
"""

import hashlib
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import asyncpg

from media_analysis.storage.furnishing import README_NAME
from media_analysis.storage.marker import MARKER_NAME
from media_analysis.storage.walk import QUARANTINE
from tests.copies import find_empty_shells, find_lost_originals
from tests.labelled import find_mislisted
from tests.legality import find_illegal_deletions, find_illegal_trash
from tests.reused import CONNECTIONS

Rows = list[asyncpg.Record]
TABLES = (
    "media_files",
    "tombstones",
    "purges",
    "ledger",
    "idempotency_keys",
    "category_usage",
    "due_days",
    "sweeps",
    "archived_files",
    "analysis_jobs",
    "record_ends",
    "waiting_jobs",
    "resumable_uploads",
)


@dataclass(frozen=True)
class World:
    """All that is remembered and all that lies on disk, at a moment when nothing runs."""

    root: Path
    files: Rows
    tombstones: Rows
    purges: Rows
    ledger: Rows
    keys: Rows
    usage: Rows
    days: Rows
    sweeps: Rows
    copies: Rows
    jobs: Rows
    ends: Rows
    waiting: Rows
    resumable: Rows
    archives: Path | None = field(default=None, kw_only=True)
    """The root of the archives, where they do not lie below the store's."""

    def may_have_ended(self, name: str, over_at: datetime) -> bool:
        """Tell whether a record of a kind that was over at an instant may be gone: its life was."""
        return any(row["name"] == name and over_at < row["ended_before"] for row in self.ends)

    def path_of(self, key: str) -> Path:
        return (self.archives if self.archives is not None and key.startswith("archives/") else self.root) / key

    def objects(self) -> Iterator[tuple[str, Path]]:
        """Everything below each root, by its name there, but what `_below` leaves out."""
        for root in (self.root, self.archives):
            if root is not None:
                yield from ((str(path.relative_to(root)), path) for path in _below(root))


def _below(root: Path) -> Iterator[Path]:
    """Everything but markers, the README and real directories; a link to one is not."""
    marker = root / MARKER_NAME
    own = {marker if marker.exists() else marker.with_name(f"{MARKER_NAME}.part"), root / README_NAME}
    own.add(marker.with_name(f"{MARKER_NAME}.before"))  # beside one that a move made
    found = (path for path in root.rglob("*") if root / QUARANTINE not in path.parents)
    yield from (path for path in found if not stat.S_ISDIR(path.lstat().st_mode) and path not in own)


async def look(connection: asyncpg.Connection, root: Path, archives: Path | None = None) -> World:
    tables: dict[str, Rows] = {}
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for table in TABLES:
            tables[table] = await connection.fetch(f"SELECT * FROM {table}")
    return World(root, *tables.values(), archives=archives)


async def inspect_everything(
    database: str, root: Path, *, acknowledged: Mapping[str, str] | None = None, archives: Path | None = None
) -> list[str]:
    """Return every violation; `acknowledged` maps ids of files that were answered 201 to their SHA-256, in hex."""
    async with CONNECTIONS.lend(database) as connection:
        world = await look(connection, root, archives)
        mislisted = await find_mislisted(connection)
    return [
        *mislisted,
        *_acknowledged_is_kept(world, acknowledged or {}),
        *_no_untracked_object(world),
        *_stored_has_bytes(world),
        *_pending_is_bounded(world),
        *_durable_is_there(world),
        *find_illegal_deletions(_recorded(world), world.purges, world.sweeps),
        *find_illegal_trash(world.files),
        *find_lost_originals(world.tombstones, world.copies, world.files, world.jobs, world.path_of),
        *find_empty_shells(world.copies, world.files, world.jobs),
        *_nobody_is_alive_and_dead(world),
        *_outbox_is_whole(world),
        *_answers_are_remembered(world),
        *_ledger_is_exact(world),
        *_usage_is_exact(world),
        *_days_are_exact(world),
        *_waiting_jobs_are_counted(world),
    ]


def _recorded(world: World) -> Rows:
    """Return the tombstones whose outbox entry and sweep are there to be looked at."""
    return [
        stone
        for stone in world.tombstones
        if not any(world.may_have_ended(name, stone["deleted_at"]) for name in ("purges", "sweeps"))
    ]


def _acknowledged_is_kept(world: World, acknowledged: Mapping[str, str]) -> Iterator[str]:
    """Promises 1 and 7."""
    living = {str(row["id"]): row for row in world.files}
    dead = {str(row["id"]): row for row in world.tombstones}
    for file_id, digest in acknowledged.items():
        row = living.get(file_id)
        if row is None:
            if file_id not in dead and not world.may_have_ended("tombstones", _made_at(file_id)):
                yield f"promise 7: {file_id} was acknowledged and vanished without a tombstone"
            elif file_id in dead and dead[file_id]["state"] == "pending":
                yield f"promise 1: {file_id} was acknowledged and went as an upload without an end"
        elif row["state"] not in {"stored", "trashed"}:
            yield f"promise 1: {file_id} was acknowledged and is {row['state']}, due at {row['due_at']}"
        elif row["sha256"].hex() != digest:
            yield f"promise 1: {file_id} was acknowledged with other bytes"


def _made_at(file_id: str) -> datetime:
    """Return when an id was made (RFC 9562), which is before its file was deleted."""
    return datetime.fromtimestamp((UUID(file_id).int >> 80) / 1000, UTC)


def _no_untracked_object(world: World) -> Iterator[str]:
    """Promise 2."""
    unfinished = {file_id for purge in world.purges for file_id in purge["tombstone_ids"]}
    tracked = {row["key"] for row in world.files}
    tracked |= {row["key"] for row in world.tombstones if row["id"] in unfinished}
    for key, path in world.objects():
        if key not in tracked or path != world.path_of(key):
            yield f"promise 2: {key} has neither a row nor an open tombstone"


def _stored_has_bytes(world: World) -> Iterator[str]:
    """Promise 3, and what lies in the trash can be restored."""
    for row in world.files:
        if row["state"] in {"stored", "trashed"}:
            fault = _fault(world.path_of(row["key"]), row)
            if fault:
                yield f"promise 3: {row['key']} {fault}"


def _fault(path: Path, row: asyncpg.Record) -> str | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return f"is {row['state']} and has no bytes"
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        return "is not a regular file with one link"
    if status.st_size != row["size_bytes"]:
        return f"has {status.st_size} bytes, its row says {row['size_bytes']}"
    if row["sha256"] not in {None, hashlib.sha256(path.read_bytes()).digest()}:
        return "has other bytes than its row says"
    return None


def _pending_is_bounded(world: World) -> Iterator[str]:
    """Promise 4."""
    for row in world.files:
        if row["state"] == "pending" and row["due_at"] is None:
            yield f"promise 4: {row['id']} is pending without a lease"


def _durable_is_there(world: World) -> Iterator[str]:
    """Promise 1, of the pieces of an upload that were answered for."""
    keys = {row["id"]: row["key"] for row in world.files if row["state"] == "pending"}
    for upload in world.resumable:
        if upload["id"] in keys and upload["offset_bytes"]:
            path = world.path_of(keys[upload["id"]])
            size_bytes = path.stat().st_size if path.exists() else 0
            if size_bytes < upload["offset_bytes"]:
                yield f"promise 1: {upload['offset_bytes']} bytes of {upload['id']} are durable, and {size_bytes} there"


def _nobody_is_alive_and_dead(world: World) -> Iterator[str]:
    """Promise 6."""
    for file_id in {row["id"] for row in world.files} & {row["id"] for row in world.tombstones}:
        yield f"promise 6: {file_id} has a row and a tombstone"


def _outbox_is_whole(world: World) -> Iterator[str]:
    """Promise 8: what was claimed is either confirmed or somebody will go on with it."""
    stones = {row["id"]: row for row in world.tombstones}
    purges = {row["id"]: row for row in world.purges}
    for stone in world.tombstones:
        if stone["purge_id"] not in purges and not world.may_have_ended("purges", stone["deleted_at"]):
            yield f"promise 8: nobody removes the bytes of {stone['id']}"
    for purge in world.purges:
        if purge["confirmed_at"] is None and purge["due_at"] is None and purge["dead_at"] is None:
            yield f"promise 8: purge {purge['id']} is never looked at again"
        for file_id in () if purge["again"] else purge["tombstone_ids"]:
            if file_id not in stones or stones[file_id]["purge_id"] != purge["id"]:
                yield f"promise 8: purge {purge['id']} is not the one of {file_id}"


def _answers_are_remembered(world: World) -> Iterator[str]:
    """Promise 16."""
    states = {row["id"]: row["state"] for row in world.files}
    for key in world.keys:
        state = states.get(key["file_id"])
        if state == "stored" and key["answer"] is None:
            yield f"promise 16: {key['file_id']} is stored and its key holds no answer"
        if state == "pending" and key["answer"] is not None:
            yield f"promise 16: {key['file_id']} is pending and its key was answered"


def _ledger_is_exact(world: World) -> Iterator[str]:
    """Promise 15."""
    truth: dict[tuple[str, str], list[int]] = {}
    for row in world.files:
        sums = truth.setdefault((row["owner"], row["category"]), [0] * len(COUNTED))
        if row["state"] == "pending":
            sums[2] += row["reserved_bytes"] or 0
            continue
        sums[0] += 1
        sums[1] += row["size_bytes"]
        if row["state"] == "trashed":
            sums[3] += 1
            sums[4] += row["size_bytes"]
    told = {(entry["owner"], entry["category"]): [entry[name] for name in COUNTED] for entry in world.ledger}
    for account in truth.keys() | told.keys():
        if truth.get(account, [0] * len(COUNTED)) != told.get(account, [0] * len(COUNTED)):
            yield f"promise 15: the ledger says {told.get(account)} for {account}, truth is {truth.get(account)}"


COUNTED = ("files", "size_bytes", "reserved_bytes", "trashed_files", "trashed_bytes")


def _usage_is_exact(world: World) -> Iterator[str]:
    """Promise 15: what quotas are measured against."""
    truth: Counter[str] = Counter()
    for row in world.files:
        size_bytes = row["reserved_bytes"] or 0 if row["state"] == "pending" else row["size_bytes"]
        truth[row["category"]] += size_bytes
    told = {row["category"]: row["size_bytes"] for row in world.usage}
    for category in truth.keys() | told.keys():
        if truth[category] != told.get(category):
            yield f"promise 15: {category} uses {truth[category]} bytes, and {told.get(category)} are counted"


def _days_are_exact(world: World) -> Iterator[str]:
    """Promise 15: what a forecast is made of."""
    sums: Counter[tuple[str, date | None, date | None, str]] = Counter()
    for row in world.files:
        if row["state"] != "pending":
            by_category = row["state"] == "stored" and not row["expiry_explicit"]
            day = (row["category"], _day(row["stored_at"]) if by_category else None, _day(row["due_at"]))
            sums[*day, "files"] += 1
            sums[*day, "bytes"] += row["size_bytes"]
    for row in world.days:
        day = (row["category"], row["stored_on"], row["due_on"])
        sums[*day, "files"] -= row["files"]
        sums[*day, "bytes"] -= row["size_bytes"]
    for (category, stored_on, due_on, what), missing in sums.items():
        if missing:
            yield f"promise 15: {missing} {what} of {category} ({stored_on} to {due_on}) are missing from its days"


def _waiting_jobs_are_counted(world: World) -> Iterator[str]:
    """What limits how many jobs of an owner may wait."""
    truth = Counter(row["owner"] for row in world.jobs if row["status"] == "pending")
    told = Counter({row["owner"]: row["jobs"] for row in world.waiting})
    for owner in truth.keys() | told.keys():
        if truth[owner] != told[owner]:
            yield f"{truth[owner]} jobs of {owner} wait, and {told[owner]} are counted"


def _day(instant: datetime | None) -> date | None:
    return None if instant is None else instant.astimezone(UTC).date()
