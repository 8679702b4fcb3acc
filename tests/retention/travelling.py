"""What the machine works with: small quotas, uploads to draw, and a database whose clock it moves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from hypothesis import strategies as st

from media_analysis.db.database import Database
from media_analysis.files.expiry import Expiry
from media_analysis.files.ledger import Account
from media_analysis.files.models import MediaFile
from media_analysis.files.upload.pending import Registration
from media_analysis.files.upload.room import Closing, Value
from media_analysis.files.upload.service import Upload
from media_analysis.retention.pressure.service import PressureService
from media_analysis.runtime import Runtime
from media_analysis.states import FileState
from media_analysis.storage.category import Category
from media_analysis.storage.store import ObjectReader
from tests.retention.modelled import TRASH, File, Rules

RULES = {
    Category.UPLOADS: Rules(lifetime=48, minimum=3, quota=2_500, high=1_200, low=500),
    Category.TEMP: Rules(lifetime=24, quota=2_000, high=1_000, low=300),
    Category.OUTPUTS: Rules(lifetime=None, quota=1_500, evicted=False),
}
OWNERS = ("alice", "bob")

hours = st.sampled_from([1, 2, 5, 24, 30])
later = st.sampled_from([0, 5, 24, 30])
hours_or_never = st.none() | hours
owners = st.sampled_from(OWNERS)
categories = st.sampled_from(sorted(RULES))


class Sent(NamedTuple):
    """An upload to be made."""

    owner: str
    category: Category
    size: int
    span: int | None
    explicit: bool
    of_job: bool

    def ask(self, job: UUID | None) -> Upload:
        expiry = Expiry(lifetime=None if self.span is None else timedelta(hours=self.span)) if self.explicit else None
        return Upload(
            owner=self.owner,
            category=self.category,
            filename="a",
            declared_bytes=self.size,
            expiry=expiry,
            job_id=job,
        )


sent = st.builds(
    Sent, owners, categories, st.sampled_from([0, 100, 300, 700, 900]), hours_or_never, st.booleans(), st.booleans()
)


numbers = st.integers(0, 99)
_STEPS: Mapping[str, Mapping[str, st.SearchStrategy[Any]]] = {
    "upload": {"sent": sent},
    "protect": {
        "file": numbers,
        "act": st.sampled_from(["extend", "hold", "release", "lease"]),
        "span": hours_or_never,
    },
    "change_job": {
        "owner": owners,
        "act": st.sampled_from(["hold", "release", "extend", "restore"]),
        "span": hours_or_never,
    },
    "delete": {"file": numbers, "wish": st.sampled_from(["", "soft", "hard", "secure"])},
    "restore": {"number": numbers},
    "sweep": {"span": later},
    "undo": {"number": numbers},
    "relieve": {},
    "apply_policy": {
        "category": categories,
        "lifetime": hours_or_never,
        "minimum": st.none() | st.sampled_from([1, 3, 30]),
    },
    "plan": {"span": later},
    "apply_plan": {"plan": numbers, "span": st.sampled_from([0, 1, 24])},
}
steps = st.one_of(*(st.tuples(st.just(name), st.fixed_dictionaries(dict(drawn))) for name, drawn in _STEPS.items()))
"""What to do, and with what; files and plans are numbers, counted round and round."""

# The upload happened at the database's clock; from here on it happened at the machine's. Holds keep their ends.
_MOVE = """
    UPDATE media_files SET stored_at = stored_at + $2, expires_at = expires_at + $2,
        min_retain_until = min_retain_until + $2,
        due_at = CASE WHEN due_at = job_held_until THEN greatest(expires_at + $2, min_retain_until + $2, job_held_until)
            ELSE due_at + $2 END
    WHERE id = $1
"""
LEASE = "UPDATE media_files SET leased_until = greatest(leased_until, $2) WHERE id = $1 AND state = 'stored'"
LOOK = """
    SELECT id, state::text, version, expires_at, expiry_explicit, min_retain_until, leased_until, trash_ends_at,
        trash_sweep_id, due_at
    FROM media_files
"""


@dataclass(frozen=True)
class TravellingDatabase(Database):
    """A database that says the time of the machine to those who ask for it."""

    clock: Callable[[], datetime]

    async def now(self) -> datetime:
        return self.clock()


@dataclass(frozen=True)
class QuietRoom:
    """Makes room for uploads; their own look at the marks, at most once a second, is left to the machine's rule."""

    pressure: PressureService

    async def require_reach(self, asked: Registration, size_bytes: int) -> None:
        await self.pressure.require_reach(asked, size_bytes)

    async def make_room(self, asked: Registration, size_bytes: int, closing: Closing[Value]) -> Value:
        return await self.pressure.make_room(asked, size_bytes, closing)

    async def make_disk_room(self, needed_bytes: int, account: Account, *, key: str = "") -> None:
        await self.pressure.make_disk_room(needed_bytes, account, key=key)

    async def look(self, *categories: Category) -> None: ...

    async def notice(self, category: Category) -> None:
        pass


def environment(database: str, directory: Path, *, soft: bool) -> Mapping[str, str]:
    chosen = {
        "DATABASE_URL": database,
        "DATABASE_POOL_MIN": "1",
        "MEDIA_ANALYSIS_DATA_DIR": str(directory),
        "DELETION_STRATEGY": "soft" if soft else "hard",
        "TRASH_RETENTION": f"{TRASH.total_seconds():.0f}s",
        "STORAGE_MONITORING_RESERVE_BYTES": "1MiB",
        "STORAGE_DISK_HIGH_WATER_PERCENT": "100",
        "STORAGE_BREAKER_EVICTION_SHARE_PERCENT": "none",
    }
    for category, rules in RULES.items():
        name = category.name
        chosen[f"STORAGE_RETENTION_{name}"] = "-1" if rules.lifetime is None else f"{rules.lifetime}h"
        chosen[f"STORAGE_QUOTA_{name}"] = str(rules.quota)
        if rules.minimum is not None:
            chosen[f"STORAGE_MINIMUM_RETENTION_{name}"] = f"{rules.minimum}h"
        if rules.high is not None:
            chosen |= {f"STORAGE_HIGH_WATER_{name}": str(rules.high), f"STORAGE_LOW_WATER_{name}": str(rules.low)}
    return chosen


async def apply_policy(
    services: Runtime, category: Category, lifetime: int | None, minimum: int | None, *, now: datetime
) -> int:
    """Give one category other spans, in hours; return how many files moved."""
    policy = (await services.retention.policies.in_force()).policy
    spans = [None if span is None else timedelta(hours=span) for span in (lifetime, minimum)]
    rules = replace(policy.of(category), lifetime=spans[0], minimum=spans[1])
    wanted = replace(policy, rules={**policy.rules, category: rules})
    applied = await services.retention.redating.apply(wanted, actor="admin", confirm=1_000, now=now)
    return sum(applied.files.values())


def facts_of(file: File) -> tuple[Any, ...]:
    """Return what the columns of `LOOK` should say of a file."""
    state = FileState.TRASHED if file.trash else FileState.STORED
    trash = (file.trash.ends_at, file.trash.sweep) if file.trash else (None, None)
    return (state.value, file.version, file.ends_at, file.explicit, file.minimum_ends_at, file.leased_until, *trash)


async def read_all(reader: ObjectReader) -> bytes:
    return b"".join([chunk async for chunk in reader.read(0, reader.size_bytes)])


async def move(connection: asyncpg.Connection, file: MediaFile, now: datetime) -> None:
    """Let a file that was just stored have been stored at the machine's time."""
    assert file.stored_at is not None
    await connection.execute(_MOVE, file.id, now - file.stored_at)
