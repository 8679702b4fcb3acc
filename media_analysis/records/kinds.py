"""The kinds of records: where each lies, from when on its life counts, and who must not need it any more.

Each statement looks at one batch by an index, waits for nobody, and reads no table to its end; it ends rows by the part
that the table's package offers for that.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import TextClause, text

from media_analysis.archive.tasks import END_TASKS
from media_analysis.audit import END_EVENTS
from media_analysis.deletion.outbox import END_PURGES
from media_analysis.deletion.pauses import END_PAUSES
from media_analysis.deletion.tombstones import END_TOMBSTONES
from media_analysis.files.ledger import END_DAYS
from media_analysis.files.links.models import END_LINK_KEYS, END_LINKS
from media_analysis.files.resumable.models import END_UPLOADS
from media_analysis.files.upload.idempotency import END_KEYS
from media_analysis.integrity.scrub import END_SCRUBS
from media_analysis.jobs.automatic.models import END_ANALYSES
from media_analysis.jobs.closing import END_JOBS, END_SUMMARIES
from media_analysis.retention.notices.service import END_NOTICES
from media_analysis.retention.plans.queries import END_PLAN_FILES, END_PLANS
from media_analysis.retention.records import END_SWEEPS
from media_analysis.sessions.queries import END_SESSIONS
from media_analysis.webhooks.log import END_DELIVERIES

# Those that stay count for the batch, too: what is not to end is passed over once, not once a batch.
_WALK: Final = """
    WITH seen AS MATERIALIZED (
        SELECT {columns} FROM {table} WHERE {bounds} ORDER BY {columns} LIMIT :limit
    ), over AS (
        SELECT {key} FROM {table} AS record
        WHERE {key} = ANY(ARRAY(SELECT {key} FROM seen)) AND {over_at} < CAST(:before AS timestamptz) AND {free}
        ORDER BY {key} {lock}
    ), ended AS (
        {end} WHERE {key} = ANY(ARRAY(SELECT {key} FROM over)) {returning}
    )
    SELECT (SELECT count(*) FROM ended) AS ended, (SELECT count(*) FROM seen) AS seen, {at} AS at, {key} AS id
    FROM (SELECT {columns} FROM seen ORDER BY {backwards} LIMIT 1) AS last
"""
_TAKE: Final = """
    WITH over AS MATERIALIZED (
        {which}
    ), ended AS (
        {end} WHERE ctid = ANY(ARRAY(SELECT row FROM over)) {returning}
    )
    SELECT count(*) AS ended, count(*) AS seen, NULL::timestamptz AS at, NULL::uuid AS id FROM ended
"""
_BY_INSTANT: Final = """
        SELECT ctid AS row FROM {table} AS record WHERE {over_at} < CAST(:before AS timestamptz)
        ORDER BY {over_at} LIMIT :limit {lock}
"""
_ENDING: Final = {"lock": "FOR UPDATE OF record SKIP LOCKED", "returning": "RETURNING 1"}
_COUNTING: Final = {"lock": "", "returning": ""}
_OLDEST: Final = """
    SELECT CAST({over_at} AS timestamptz) FROM {dated_by} AS record WHERE {over_at} IS NOT NULL
    ORDER BY {columns} LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class RecordKind:
    """Records that share a life."""

    name: str
    table: str
    life: str | None
    """The setting that says how long, `storage.records.<life>`; None is no longer than they are good for."""
    ending: TextClause
    """Ends what may end of a batch `before` an instant; says how many that were, and the place of the last it saw."""
    counting: TextClause
    """Says the same of what would end."""
    oldest: TextClause
    """About when the life of the oldest began to count."""
    is_walked: bool
    """Whether some stay, so that each batch begins behind the one before."""


def _walked(
    name: str, end: str, over_at: str, *, life: str | None = None, free: str = "true", key: str = "id", by: str = ""
) -> RecordKind:
    """Return records of which some stay, walked by their ids or, where these do not grow with it, by an instant."""
    columns = f"{by}, {key}" if by else key
    parts = {
        "table": _table_of(end),
        "dated_by": _table_of(end),
        "key": key,
        "columns": columns,
        "backwards": columns.replace(",", " DESC,") + " DESC",
        "bounds": f"({by}, {key}) > (:at, :id) AND {by} < :before" if by else f"{key} > :id AND {key} < :newest",
        "at": by or "NULL::timestamptz",
        "over_at": over_at,
        "free": free,
    }
    return _kind(name, life or name, _WALK, end, parts)


def _taken(name: str, end: str, over_at: str, *, life: str | None, which: str = "", dated_by: str = "") -> RecordKind:
    """Return records that nobody needs once they are over."""
    table = _table_of(end)
    by_instant = _BY_INSTANT.replace("{table}", table).replace("{over_at}", over_at)
    parts = {
        "table": table,
        "which": which or by_instant,
        "over_at": over_at,
        "columns": over_at,
        "dated_by": dated_by or table,
    }
    return _kind(name, life, _TAKE, end, parts)


def _kind(name: str, life: str | None, template: str, end: str, parts: dict[str, str]) -> RecordKind:
    count = f"SELECT 1 FROM {_table_of(end)}"  # noqa: S608 - constants
    ending, counting = (
        text(template.format(**{name: part.format(**way) for name, part in parts.items()}, **way))
        for way in (_ENDING | {"end": end}, _COUNTING | {"end": count})
    )
    oldest = text(_OLDEST.format(**parts))
    return RecordKind(name, parts["table"], life, ending, counting, oldest, is_walked=template is _WALK)


def _table_of(end: str) -> str:
    return end.removeprefix("DELETE FROM ")


# Bytes that are still to go belong to it, or an archive does that has the file, or that it was a part of.
_STONE_IS_FREE: Final = """
    NOT EXISTS (SELECT FROM purges WHERE purges.id = record.purge_id AND purges.confirmed_at IS NULL)
    AND NOT EXISTS (SELECT FROM archived_files AS copy WHERE copy.file_id = record.id)
    AND NOT EXISTS (SELECT FROM archived_files AS copy WHERE copy.archive_id = record.id)
"""
# With its time in the trash over, and nothing of it left that would name it.
_JOB_IS_FREE: Final = """
    restorable_until IS NULL
    AND NOT EXISTS (SELECT FROM media_files AS file WHERE file.job_id = record.id)
    AND NOT EXISTS (SELECT FROM analysis_results AS result WHERE result.job_id = record.id)
    AND NOT EXISTS (SELECT FROM archived_files AS copy WHERE copy.job_id = record.id)
"""
# The latest word on policies says which files are still dated by an earlier one.
_EVENT_IS_FREE: Final = """
    CASE WHEN file_id IS NOT NULL THEN
        NOT EXISTS (SELECT FROM media_files AS file WHERE file.id = record.file_id)
        AND NOT EXISTS (SELECT FROM tombstones AS stone WHERE stone.id = record.file_id)
    WHEN job_id IS NOT NULL THEN
        NOT EXISTS (SELECT FROM analysis_jobs AS job WHERE job.id = record.job_id)
        AND NOT EXISTS (SELECT FROM job_audit WHERE job_audit.job_id = record.job_id)
    WHEN action IN ('policy_activated', 'policy_applied') THEN
        EXISTS (SELECT FROM audit_events AS later
            WHERE later.action IN ('policy_activated', 'policy_applied') AND later.id > record.id)
    ELSE true END
"""
_IS_IDLE: Final = """
    status = 'completed' AND files = 0 AND errors = 0 AND plan_id IS NULL AND NOT details ?| ARRAY['results', 'jobs']
    AND NOT jsonb_path_exists(categories, '$.*.files_trashed ? (@ > 0)')
"""
# Its files lie in the trash, from where undoing the sweep brings them back.
_SWEEP_IS_FREE: Final = """
    NOT EXISTS (SELECT FROM media_files AS file WHERE file.trash_sweep_id = record.id AND file.state = 'trashed')
"""
_TASK_IS_FREE: Final = """
    (NOT EXISTS (SELECT FROM analysis_jobs AS job WHERE job.id = record.job_id)
        OR EXISTS (SELECT FROM archive_tasks AS later WHERE later.job_id = record.job_id AND later.id > record.id))
"""
# Of an older key no new link is made.
_KEY_IS_FREE: Final = """
    NOT EXISTS (SELECT FROM links WHERE links.key_id = record.id)
    AND EXISTS (SELECT FROM link_keys AS later WHERE later.id > record.id AND later.ended_at IS NULL)
"""
_PLAN_IS_OVER: Final = "greatest(expires_at, applied_at)"
# A plan may name millions of files; it goes after them.
_FILES_OF_PLANS: Final = f"""
    SELECT record.ctid AS row FROM (
        SELECT id FROM plans WHERE {_PLAN_IS_OVER} < :before ORDER BY id
    ) AS plan JOIN LATERAL (
        SELECT record.ctid FROM plan_files AS record WHERE record.plan_id = plan.id LIMIT :limit {{lock}}
    ) AS record ON true LIMIT :limit
"""  # noqa: S608 - constants
# A date that is still to come is not to be told twice; nor is an alert that holds.
_NOTICE_IS_OVER: Final = """
    CASE WHEN topic LIKE 'expiry:%' THEN greatest(created_at, (payload ->> 'expires_at')::timestamptz)
        WHEN topic NOT LIKE 'alert:%' THEN created_at END
"""

KINDS: Final = (
    _taken("idempotency_keys", END_KEYS, "expires_at", life=None),
    _taken("resumable_uploads", END_UPLOADS, "ends_at", life=None),
    _walked("purges", END_PURGES, "confirmed_at"),
    _walked("tombstones", END_TOMBSTONES, "deleted_at", free=_STONE_IS_FREE, by="deleted_at"),
    _walked("deleted_jobs", END_JOBS, "deleted_at", life="jobs", free=_JOB_IS_FREE, by="deleted_at"),
    _walked(
        "jobs",
        END_SUMMARIES,
        "deleted_at",
        free="NOT EXISTS (SELECT FROM analysis_jobs AS job WHERE job.id = record.job_id)",
        key="job_id",
        by="deleted_at",
    ),
    _walked("audit", END_EVENTS, "record.at", free=_EVENT_IS_FREE),
    _walked("idle_sweeps", END_SWEEPS, f"CASE WHEN {_IS_IDLE} THEN started_at END", free=_SWEEP_IS_FREE),
    _walked("sweeps", END_SWEEPS, "CASE WHEN status <> 'running' THEN started_at END", free=_SWEEP_IS_FREE),
    _taken("plan_files", END_PLAN_FILES, _PLAN_IS_OVER, life="plans", which=_FILES_OF_PLANS, dated_by="plans"),
    _walked(
        "plans",
        END_PLANS,
        _PLAN_IS_OVER,
        free="NOT EXISTS (SELECT FROM plan_files WHERE plan_files.plan_id = record.id)",
    ),
    _walked("archive_tasks", END_TASKS, "ended_at", free=_TASK_IS_FREE),
    # The first token is in a file, and would be good again.
    _walked("sessions", END_SESSIONS, "least(expires_at, revoked_at)", free="owner <> 'admin'"),
    _walked("links", END_LINKS, "least(expires_at, revoked_at, used_at)"),
    _walked("link_keys", END_LINK_KEYS, "created_at", life="links", free=_KEY_IS_FREE),
    _walked("notices", END_NOTICES, _NOTICE_IS_OVER, free="coalesce(due_at < CAST(:before AS timestamptz), true)"),
    _walked("pauses", END_PAUSES, "resumed_at"),
    _walked("scrubs", END_SCRUBS, "ended_at", free="EXISTS (SELECT FROM scrubs AS later WHERE later.id > record.id)"),
    _taken("webhook_deliveries", END_DELIVERIES, "ended_at", life="webhook_deliveries"),
    _taken("upload_analyses", END_ANALYSES, "coalesce(ended_at, created_at)", life="upload_analyses"),
    _taken("ledger_days", END_DAYS, "day", life="ledger_days"),
)
"""In the order in which they end: what is named goes before what names it has a reason to stay."""
