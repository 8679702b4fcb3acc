"""Which deletions were legal: what the oracle knows of promise 5."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import asyncpg

Rows = list[asyncpg.Record]
EVICTING = {"pressure", "upload"}
"""What triggers sweeps that take files before their time, and the trash before its end."""


HOLDS = ("held_until", "job_held_until")


def _is_later(until: datetime | None, moment: datetime) -> bool:
    """Compare with an instant that may be `infinity`, which the driver reads without a zone."""
    return until is not None and until.replace(tzinfo=UTC) > moment


def find_illegal_deletions(tombstones: Rows, purges: Rows, sweeps: Rows) -> Iterator[str]:
    """Promise 5."""
    evicted = _evicted(tombstones, purges, sweeps)
    for stone in tombstones:
        # Of an upload nothing was promised yet; one that is given up goes though its job is held.
        if stone["state"] != "pending" and any(_is_later(stone[held], stone["deleted_at"]) for held in HOLDS):
            yield f"promise 5: {stone['id']} was deleted while held"
        if stone["trashed_at"] is None:
            legal = _may_go(stone, stone["deleted_at"], evicted=stone["id"] in evicted)
        else:
            legal = _may_leave_the_trash(stone, evicted=stone["id"] in evicted)
        if not legal:
            yield f"promise 5: {stone['id']} was deleted by {stone['rule']} before it was due"


def _evicted(tombstones: Rows, purges: Rows, sweeps: Rows) -> set[Any]:
    """Return the tombstones that sweeps under pressure made."""
    evicting = {sweep["id"] for sweep in sweeps if sweep["trigger"] in EVICTING}
    evictions = {purge["id"] for purge in purges if purge["sweep_id"] in evicting}
    return {stone["id"] for stone in tombstones if stone["purge_id"] in evictions}


def _may_go(row: asyncpg.Record, at: datetime, *, evicted: bool) -> bool:
    """Tell whether the facts of a tombstone allowed its rule at that moment."""
    match row["rule"]:
        case "requested":
            return _is_old_enough(row, at)
        case "upload_abandoned":
            return bool(row["state"] == "pending")
        case "archived":
            return bool(row["state"] == "stored") and not _is_later(row["leased_until"], at)
        case "pressure":
            return evicted and _is_old_enough(row, at)
        case "explicit_expiry" | "category_lifetime":
            due = row["due_at"] is not None and row["due_at"] <= at
            return bool(due) and _has_ended(row, at)
    return False


def _may_leave_the_trash(stone: asyncpg.Record, *, evicted: bool) -> bool:
    """Tell whether a file went to the trash by right, and from there at its end, under pressure or on request."""
    ended = stone["restorable_until"] is not None and stone["restorable_until"] <= stone["deleted_at"]
    if stone["rule"] == "requested":
        by_right = _is_old_enough(stone, stone["trashed_at"])
        return by_right and (ended or evicted or stone["sweep_id"] is None)
    return _has_ended(stone, stone["trashed_at"]) and (ended or evicted)


def _has_ended(row: asyncpg.Record, at: datetime) -> bool:
    return row["expires_at"] is not None and row["expires_at"] <= at and _is_old_enough(row, at)


def _is_old_enough(row: asyncpg.Record, at: datetime) -> bool:
    """Tell whether neither a minimum retention nor a job's lease stood against it."""
    return all(row[until] is None or row[until] <= at for until in ("min_retain_until", "leased_until"))


def find_illegal_trash(files: Rows) -> Iterator[str]:
    """Promise 5, for files whose deletion can still be undone."""
    for row in files:
        facts = [row[name] for name in ("trashed_at", "trash_ends_at", "trash_rule", "trashed_by")]
        if row["state"] != "trashed":
            if any(fact is not None for fact in [*facts, row["trash_reason"], row["trash_sweep_id"]]):
                yield f"promise 5: {row['id']} is {row['state']} and says that it is trash"
        elif any(fact is None for fact in facts):
            yield f"promise 5: {row['id']} is in the trash and nobody knows since when, until when, why and by whom"
        elif not (row["trash_rule"] == "requested" or _has_ended(row, row["trashed_at"])):
            yield f"promise 5: {row['id']} went to the trash by {row['trash_rule']} before it was due"
