"""Locked files of one category sorted by what becomes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from media_analysis.files.models import FileState, RetentionRule
from media_analysis.retention.burial import Doomed
from media_analysis.retention.due import DueFile
from media_analysis.retention.policy import CategoryRules, Delete, decide


@dataclass(frozen=True, slots=True)
class Sorted:
    """Locked files of one category by what becomes of them."""

    buried: Doomed
    trashed: Doomed
    kept: dict[UUID, datetime | None]


def sort_out(files: Sequence[DueFile], rules: CategoryRules, now: datetime, *, trash: bool) -> Sorted:
    """Decide about each file; what goes for good is what nobody could restore: uploads given up, and the trash."""
    buried: dict[RetentionRule, list[DueFile]] = {}
    trashed: dict[RetentionRule, list[DueFile]] = {}
    kept: dict[UUID, datetime | None] = {}
    for facts in files:
        decision = decide(facts, rules, now)
        if isinstance(decision, Delete):
            goes = trashed if trash and facts.state == FileState.STORED else buried
            goes.setdefault(decision.rule, []).append(facts)
        else:
            kept[facts.id] = decision.until
    return Sorted(buried, trashed, kept)
