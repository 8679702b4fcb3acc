"""What happened to a file or a job, in order: from its row or tombstone, and from the audit trail."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from media_analysis.audit import Action, AuditEvent
from media_analysis.files.models import MediaFile, Tombstone
from media_analysis.jobs.models import AnalysisJob, JobAudit
from media_analysis.retention.explain.places import ArchivePlace
from media_analysis.retention.explain.queries import DeletedFile, LivingFile
from media_analysis.states import FileState, RetentionRule

MOST_DETAILS: Final = 20
LONGEST_DETAIL: Final = 500


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One thing that happened."""

    at: datetime
    event: str
    """An audited action, or `created`, `stored`, `expired`, `trashed`, `deleted`, `purged`, `archive_deleted`."""
    actor: str | None = None
    reason: str | None = None
    rule: RetentionRule | None = None
    sweep_id: UUID | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def tell_living(found: LivingFile, events: Sequence[AuditEvent]) -> Sequence[Moment]:
    """Return what happened to a file that has a row."""
    file = found.file
    moments = [*_birth(file.created_at, file.stored_at, file.owner), *_earlier_trash(events)]
    if file.state is FileState.TRASHED and file.trashed_at is not None and file.trash_rule is not None:
        trashed = Moment(
            at=file.trashed_at,
            event=Action.TRASHED,
            actor=file.trashed_by,
            reason=file.trash_reason,
            rule=file.trash_rule,
            sweep_id=file.trash_sweep_id,
        )
        moments += _unless_audited(trashed, events)
    return _in_order([*moments, *_expired(file, found.now), *_told(events)])


def tell_buried(
    found: DeletedFile, events: Sequence[AuditEvent], archive: ArchivePlace | None = None
) -> Sequence[Moment]:
    """Return what happened to a file of which a tombstone stays, and to the `archive` it went into."""
    stone = found.stone
    moments = [*_birth(stone.created_at, None, stone.owner), *_earlier_trash(events)]
    if stone.trashed_at is not None:
        moments += _unless_audited(_ending(stone, Action.TRASHED, stone.trashed_at), events)
    last = Action.DELETED if stone.rule is not RetentionRule.ARCHIVED else Action.ARCHIVED
    moments += _unless_audited(_ending(stone, last, stone.deleted_at), events)
    if archive is not None and archive.gone_at is not None:
        gone = Moment(at=archive.gone_at, event="archive_deleted", actor=archive.gone_by, reason=archive.gone_reason)
        moments.append(gone)
    purged_at = find_purged(found)
    if purged_at is not None:
        kept = {"versions_kept": True} if stone.versions_kept else {}
        moments.append(Moment(at=purged_at, event="purged", details={"method": stone.method.value, **kept}))
    return _in_order([*moments, *_told(events)])


def _ending(stone: Tombstone, event: Action, at: datetime) -> Moment:
    return Moment(
        at=at, event=event, actor=stone.requested_by, reason=stone.reason, rule=stone.rule, sweep_id=stone.sweep_id
    )


def tell_job(job: AnalysisJob, events: Sequence[AuditEvent]) -> Sequence[Moment]:
    """Return what happened to a job as a whole."""
    instants = (
        ("created", job.created_at, job.owner),
        ("started", job.started_at, None),
        (job.status.value, job.completed_at, None),
        ("deleted", job.deleted_at, None),
    )
    born = [Moment(at=at, event=event, actor=actor) for event, at, actor in instants if at is not None]
    if job.archived_at is not None:
        born += _unless_audited(Moment(at=job.archived_at, event=Action.ARCHIVED), events)
    return _in_order([*born, *_told(events)])


def tell_summary(audit: JobAudit, events: Sequence[AuditEvent]) -> Sequence[Moment]:
    """Return what happened to a deleted job, of which a summary stays."""
    instants = (
        ("created", audit.created_at, audit.owner),
        ("started", audit.started_at, None),
        (audit.status, audit.completed_at, None),
    )
    moments = [Moment(at=at, event=event, actor=actor) for event, at, actor in instants if at is not None]
    if audit.archived_at is not None:
        moments += _unless_audited(Moment(at=audit.archived_at, event=Action.ARCHIVED), events)
    if not any(event.action in {Action.DELETED, Action.TRASHED} for event in events):
        moments.append(Moment(at=audit.deleted_at, event=Action.DELETED, actor=audit.deleted_by, reason=audit.reason))
    return _in_order([*moments, *_told(events)])


def find_purged(found: DeletedFile) -> datetime | None:
    """Return when the bytes of a deleted file were gone for sure, None while they may still be there."""
    confirmed_at = None if found.purge is None else found.purge.confirmed_at
    return found.stone.purged_at or confirmed_at


def _birth(created_at: datetime, stored_at: datetime | None, owner: str) -> Iterator[Moment]:
    yield Moment(at=created_at, event="created", actor=owner)
    if stored_at is not None:
        yield Moment(at=stored_at, event="stored", actor=owner)


def _expired(file: MediaFile, now: datetime) -> Iterator[Moment]:
    if file.state is not FileState.PENDING and file.expires_at is not None and file.expires_at <= now:
        rule = RetentionRule.EXPLICIT_EXPIRY if file.expiry_explicit else RetentionRule.CATEGORY_LIFETIME
        yield Moment(at=file.expires_at, event="expired", rule=rule)


def _earlier_trash(events: Sequence[AuditEvent]) -> Iterator[Moment]:
    """A row forgets its time in the trash when it is restored; the restoration remembers it."""
    for event in events:
        told = event.details
        if event.action != Action.RESTORED or "trashed_at" not in told:
            continue
        trashed = Moment(
            at=datetime.fromisoformat(told["trashed_at"]),
            event=Action.TRASHED,
            actor=told.get("trashed_by"),
            reason=told.get("reason"),
            rule=event.rule,
            sweep_id=event.sweep_id,
        )
        yield from _unless_audited(trashed, [other for other in events if other.id < event.id])


def _unless_audited(moment: Moment, events: Iterable[AuditEvent]) -> Iterator[Moment]:
    """What was asked for is in the trail, too, written a moment later by the same transaction."""
    if not any(event.action == moment.event and event.at >= moment.at for event in events):
        yield moment


def _told(events: Sequence[AuditEvent]) -> Iterator[Moment]:
    for event in events:
        yield Moment(
            at=event.at,
            event=event.action,
            actor=event.actor,
            reason=event.reason,
            rule=event.rule,
            sweep_id=event.sweep_id,
            details=_bounded(event.details),
        )


def _bounded(details: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the plain values among details, and none that is long."""
    plain = {
        name: value[:LONGEST_DETAIL] if isinstance(value, str) else value
        for name, value in details.items()
        if value is None or isinstance(value, str | int | float | bool)
    }
    return dict(list(plain.items())[:MOST_DETAILS])


def _in_order(moments: Sequence[Moment]) -> Sequence[Moment]:
    return sorted(moments, key=lambda moment: moment.at)
