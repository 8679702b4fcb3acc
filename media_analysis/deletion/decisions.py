"""Locked files of one category sorted by what becomes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from media_analysis.deletion.due import DueFile
from media_analysis.deletion.tombstones import FilesByRule
from media_analysis.policy.decision import CategoryRules, Delete, decide
from media_analysis.states import FileState, RetentionRule


@dataclass(frozen=True, slots=True)
class Decisions:
    """Locked files of one category by what becomes of them."""

    deleted: FilesByRule
    trashed: FilesByRule
    kept: dict[UUID, datetime | None]


def decide_each(files: Sequence[DueFile], rules: CategoryRules, now: datetime, *, trash: bool) -> Decisions:
    """Decide about each file; what goes for good is what nobody could restore: uploads given up, and the trash."""
    deleted: dict[RetentionRule, list[DueFile]] = {}
    trashed: dict[RetentionRule, list[DueFile]] = {}
    kept: dict[UUID, datetime | None] = {}
    for facts in files:
        decision = decide(facts, rules, now)
        if isinstance(decision, Delete):
            goes = trashed if trash and facts.state == FileState.STORED else deleted
            goes.setdefault(decision.rule, []).append(facts)
        else:
            kept[facts.id] = decision.until
    return Decisions(deleted, trashed, kept)
