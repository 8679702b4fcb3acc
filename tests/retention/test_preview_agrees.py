"""A preview agrees with the one decision about every row, whatever the row and whatever the rules."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import asyncpg
import pytest

from media_analysis.policy.decision import CategoryRules, Delete, decide
from media_analysis.retention.preview import Impact
from media_analysis.runtime import Runtime
from media_analysis.states import FOREVER
from media_analysis.storage.category import Category
from tests.conftest import execute, fetch
from tests.retention.test_policies import changed

DAY = timedelta(days=1)
OUTPUTS = Category.OUTPUTS
SEEDS = range(12)
SPANS = [None, *(DAY * days for days in (1, 2, 5, 8))]
SOME_RULES = [
    CategoryRules(lifetime=lifetime, minimum=minimum)
    for lifetime in SPANS
    for minimum in SPANS
    if (lifetime, minimum) != (None, None)  # as is in force, and no change
]


class Row(NamedTuple):
    """A row of `media_files` as a decision and a re-dating see it."""

    id: UUID
    owner: str
    state: str
    size_bytes: int
    stored_at: datetime
    expires_at: datetime | None
    expiry_explicit: bool
    min_retain_until: datetime | None
    held_until: datetime | None
    job_held_until: datetime | None
    leased_until: datetime | None
    due_at: datetime | None
    trash_ends_at: datetime | None
    trash_rule: str | None


async def rows_of(database: str, category: Category) -> list[Row]:
    columns = ", ".join(f"{name}::text" if name in {"state", "trash_rule"} else name for name in Row._fields)
    found = await fetch(database, f"SELECT {columns} FROM media_files WHERE category = $1::category", category.value)
    forever = FOREVER.replace(tzinfo=None)  # how the driver alone reads PostgreSQL's infinity
    return [Row._make(FOREVER if value == forever else value for value in row) for row in found]


def redated(row: Row, rules: CategoryRules) -> Row:
    """Return a row as the rule of dates has it, written once more in Python."""
    expires_at = row.expires_at
    if not row.expiry_explicit:
        expires_at = None if rules.lifetime is None else row.stored_at + rules.lifetime
    minimum_ends_at = None if rules.minimum is None else row.stored_at + rules.minimum
    due_at = None if expires_at is None else max(expires_at, minimum_ends_at or expires_at)
    return row._replace(expires_at=expires_at, min_retain_until=minimum_ends_at, due_at=due_at)


def is_held(row: Row, now: datetime) -> bool:
    return any(until is not None and until > now for until in (row.held_until, row.job_held_until))


def expected(rows: Sequence[Row], rules: CategoryRules, now: datetime) -> Impact:
    """Return the impact as the one decision sees it, row by row."""
    stored = [(row, redated(row, rules)) for row in rows if row.state == "stored"]
    moved = [
        (old, new)
        for old, new in stored
        if (old.expires_at, old.min_retain_until) != (new.expires_at, new.min_retain_until)
    ]
    newly_due = [
        new
        for old, new in moved
        if isinstance(decide(new, rules, now), Delete) and not isinstance(decide(old, rules, now), Delete)
    ]
    return Impact(
        files=len(moved),
        size_bytes=sum(new.size_bytes for _, new in moved),
        owners=len({new.owner for _, new in moved}),
        earliest_deletion=min((new.due_at for _, new in moved if new.due_at and not is_held(new, now)), default=None),
        newly_due_files=len(newly_due),
        newly_due_bytes=sum(new.size_bytes for new in newly_due),
        held_files=sum(is_held(new, now) for _, new in moved),
    )


PLANT = """
    INSERT INTO media_files (id, owner, category, state, key, filename, media_type, size_bytes, reserved_bytes, sha256,
        stored_at, expires_at, expiry_explicit, min_retain_until, held_until, job_held_until, leased_until, due_at,
        trashed_at, trash_ends_at, trash_rule)
    VALUES ($1::uuid, $2, $3::category, $4::file_state, $1::uuid::text, 'planted', 'text/plain', $5, 0, '\\x00',
        $6, $7, $8, $9, $10, $11, $12, $13, CASE WHEN $14::timestamptz IS NOT NULL THEN $6::timestamptz END, $14,
        $15::text::retention_rule)
"""


async def scatter(database: str, category: Category, rules: CategoryRules, now: datetime, seed: int) -> None:
    """Plant rows of every kind around `now`, dated by `rules`; no objects, no ledger."""
    dice = random.Random(seed)

    def near(chance: float = 0.3) -> datetime | None:
        return now + dice.uniform(-3, 3) * DAY if dice.random() < chance else None

    planted = []
    for number in range(150):
        explicit, trash = dice.random() < 0.3, near(0.1)
        held = FOREVER if dice.random() < 0.1 else near(0.2)
        facts = (UUID(int=seed << 64 | number), f"owner{dice.randrange(12)}", category.value)
        row = Row(
            id=facts[0],
            owner=facts[1],
            state="stored" if trash is None else "trashed",
            size_bytes=dice.randrange(1000),
            stored_at=now + dice.uniform(-9, 0) * DAY,
            expires_at=near(0.7) if explicit else None,
            expiry_explicit=explicit,
            min_retain_until=None,
            held_until=held,
            job_held_until=near(0.1),
            leased_until=near(0.1),
            due_at=None,
            trash_ends_at=trash,
            trash_rule=None if trash is None else "requested",
        )
        dated = redated(row, rules)
        planted.append((*facts, dated.state, *dated[3:]))
    connection = await asyncpg.connect(database)
    try:
        await connection.executemany(PLANT, planted)
    finally:
        await connection.close()


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_preview_counts_what_the_one_decision_says_of_every_row(
    runtime: Runtime, database: str, seed: int
) -> None:
    dice = random.Random(seed)
    now = datetime(2026, 6, 1, tzinfo=UTC)
    in_force = (await runtime.retention.policies.in_force()).policy
    before, after = dice.sample(SOME_RULES, 2)
    await scatter(database, OUTPUTS, before, now, seed)
    other = changed(in_force, {OUTPUTS: {"lifetime": after.lifetime, "minimum": after.minimum}})
    rows = await rows_of(database, OUTPUTS)

    found = await runtime.retention.policies.preview(other, now=now)
    await execute(database, "DELETE FROM media_files")

    assert replace(found.categories[OUTPUTS], changes={}) == expected(rows, other.of(OUTPUTS), now)
