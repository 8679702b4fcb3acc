"""Which active jobs have a label: rows that a trigger keeps, so that a list by labels is a range of an index."""

from uuid import UUID

from sqlalchemy import ColumnElement, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base
from media_analysis.files.labelled import LabelLists
from media_analysis.labels import LabelFilter

ACTIVE = ("", "active")
"""What stands for category and state in lists of jobs."""


class JobLabel(Base):
    """A label of a job that is neither archived nor deleted, by key and by key and value (decision 38)."""

    __tablename__ = "job_labels"
    __table_args__ = (
        Index("ix_job_labels_own", "own_list", "job_id"),
        Index("ix_job_labels_any", "any_list", "job_id"),
        Index("ix_job_labels_job", "job_id"),
    )

    own_list: Mapped[int]
    """Of owner and label, as `label_list` hashes them: jobs are looked at again."""
    any_list: Mapped[int]
    """The same whatever the owner."""
    job_id: Mapped[UUID] = mapped_column()
    __mapper_args__ = {"primary_key": ("own_list", "job_id")}  # noqa: RUF012 - as the mapper declares it


def lists_of_jobs(owner: str | None) -> LabelLists:
    """Return the list of active jobs that have a label."""
    return LabelLists("job_labels", owner, [ACTIVE])


def is_listed(wanted: LabelFilter, *, owner: str | None) -> ColumnElement[bool]:
    """Return the condition on a `JobLabel` that its job may have a label; no owner is everybody's."""
    column = JobLabel.any_list if owner is None else JobLabel.own_list
    return column == func.label_list(owner or "", *ACTIVE, wanted.name)
