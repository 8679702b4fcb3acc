"""Which files, and which deleted ones, have a label: rows that triggers keep, so that lists by labels are ranges."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Index, SQLColumnExpression, Text, not_, text
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base, Until
from media_analysis.db.driver import Reads
from media_analysis.labels import LabelFilter
from media_analysis.states import FileState
from media_analysis.storage.category import Category

PROBED: Final = 1_001
"""How many files of each label are counted, to begin with the label that fewest have."""
DELETED: Final = ("", "deleted")
"""What stands for category and state in lists of deleted files."""
_ENDING: Final = text("ends_at < 'infinity'::timestamp with time zone")
Number = Callable[[object], str]
"""Returns where a statement has a value."""


class FileLabel(Base):
    """A label of a stored or trashed file, by key and by key and value, in the lists that it narrows."""

    __tablename__ = "file_labels"
    __table_args__ = (
        Index("ix_file_labels_own", "own_list", "file_id", "ends_at"),
        Index("ix_file_labels_any", "any_list", "file_id", "ends_at"),
        Index("ix_file_labels_own_end", "own_list", "ends_at", "file_id", postgresql_where=_ENDING),
        Index("ix_file_labels_any_end", "any_list", "ends_at", "file_id", postgresql_where=_ENDING),
    )

    own_list: Mapped[int]
    """Of owner, category, state and label, as `label_list` hashes them: rows are looked at again."""
    any_list: Mapped[int]
    """The same whatever the owner."""
    file_id: Mapped[UUID]
    ends_at: Mapped[datetime] = mapped_column(Until)
    """`infinity` where it has no end."""
    __mapper_args__ = {"primary_key": ("own_list", "file_id")}  # noqa: RUF012 - as the mapper declares it


class TombstoneLabel(Base):
    """A label of a deleted file, as above."""

    __tablename__ = "tombstone_labels"
    __table_args__ = (
        Index("ix_tombstone_labels_own", "own_list", "deleted_at", "tombstone_id"),
        Index("ix_tombstone_labels_any", "any_list", "deleted_at", "tombstone_id"),
    )

    own_list: Mapped[int]
    any_list: Mapped[int]
    tombstone_id: Mapped[UUID]
    deleted_at: Mapped[datetime]
    __mapper_args__ = {"primary_key": ("own_list", "tombstone_id")}  # noqa: RUF012 - as above


def numbering(given: list[object]) -> Number:
    """Return what adds a value to those `given` and returns its number in the statement."""

    def number(value: object) -> str:
        given.append(value)
        return f"${len(given)}"

    return number


def list_of(owner: str | None, category: str, state: str, wanted: LabelFilter, number: Number) -> str:
    """Return the SQL of the list of what has a label; no owner is everybody's."""
    whose = "''" if owner is None else f"CAST({number(owner)} AS text)"
    return f"label_list({whose}, '{category}', '{state}', CAST({number(wanted.name)} AS text))"


def leading(labels: Sequence[LabelFilter]) -> LabelFilter | None:
    """Return the label along which a list is read, if there is one that is wanted."""
    return next((wanted for wanted in labels if wanted.wanted), None)


def meets(labels: SQLColumnExpression[Any], wanted: LabelFilter) -> ColumnElement[bool]:
    """Return the same as `LabelFilter.condition` as an expression."""
    value = labels.op("->>", return_type=Text())(wanted.key)
    has_it = value.is_not(None) if wanted.value is None else value.is_not_distinct_from(wanted.value)
    return has_it if wanted.wanted else not_(has_it)


@dataclass(frozen=True, slots=True)
class LabelLists:
    """The lists of what has a label: of files by category and state, or of all deleted ones."""

    table: str
    owner: str | None
    kinds: Sequence[tuple[str, str]]
    """Categories and states."""

    @property
    def column(self) -> str:
        return f"{'any' if self.owner is None else 'own'}_list"

    async def rarest_first(self, reads: Reads, labels: Sequence[LabelFilter]) -> tuple[LabelFilter, ...]:
        """Return the filters with the one first that fewest have: what two labels find is read along one of them."""
        wanted = [one for one in labels if one.wanted]
        if len(wanted) < 2:  # noqa: PLR2004 - there is nothing to choose
            return tuple(labels)
        given: list[object] = []
        number = numbering(given)
        (row,) = await reads.fetch(f"SELECT {', '.join(self._count(one, number) for one in wanted)}", *given)
        rarest = min(zip(row.values(), range(len(wanted)), strict=True))[1]
        return (wanted[rarest], *(one for one in labels if one is not wanted[rarest]))

    def _count(self, wanted: LabelFilter, number: Number) -> str:
        lists = [list_of(self.owner, *kind, wanted, number) for kind in self.kinds]
        rows = [f"(SELECT FROM {self.table} WHERE {self.column} = {of} LIMIT {PROBED})" for of in lists]
        return f"(SELECT count(*) FROM ({' UNION ALL '.join(rows)}) AS rows)"  # noqa: S608 - as above


def lists_of_files(owner: str | None, categories: Iterable[Category], *states: FileState) -> LabelLists:
    """Return the lists of stored files, and of trashed ones."""
    return LabelLists("file_labels", owner, [(kind.value, state.value) for kind in categories for state in states])


def lists_of_deleted(owner: str | None) -> LabelLists:
    """Return the list of deleted files."""
    return LabelLists("tombstone_labels", owner, [DELETED])


def ids_by_label(lists: LabelLists, wanted: LabelFilter, number: Number) -> str:
    """Return the query for the ids of files that have a label, or nearly: what it finds is to be looked at."""
    among = ", ".join(list_of(lists.owner, *kind, wanted, number) for kind in lists.kinds)
    return f"SELECT file_id FROM file_labels WHERE {lists.column} IN ({among})"  # noqa: S608 - fragments of ours


async def count_labelled(
    reads: Reads, labels: Sequence[LabelFilter], *, owner: str | None
) -> Mapping[Category, tuple[int, int]]:
    """Return how many files meet filters, of which one is wanted, and their bytes, by category; the trash is part."""
    lists = lists_of_files(owner, Category, FileState.STORED, FileState.TRASHED)
    first, *others = await lists.rarest_first(reads, sorted(labels, key=lambda one: not one.wanted))
    given: list[object] = []
    number = numbering(given)
    met = " AND ".join(one.condition(number) for one in (first, *others))
    whose = "true" if owner is None else f"owner = {number(owner)}"
    rows = await reads.fetch(
        f"SELECT category::text, count(*), coalesce(sum(size_bytes), 0)::bigint FROM media_files "  # noqa: S608 - fragments of ours
        f"WHERE id = ANY(ARRAY({ids_by_label(lists, first, number)})) AND state <> 'pending' AND {whose} AND {met} "
        "GROUP BY category",
        *given,
    )
    return {Category(category): (files, size_bytes) for category, files, size_bytes in rows}
