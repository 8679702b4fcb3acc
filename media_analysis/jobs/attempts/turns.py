"""Whose job is begun next: owners take turns, and each has its own most urgent job begun (docs/decisions/0030)."""

from typing import Final

from sqlalchemy import TextClause, text

from media_analysis.jobs.models import DUE, LINE

EXTERNAL: Final = "external"
"""The kind that programs elsewhere claim over REST, each for the analysers it names."""


def line_of(analyser: str) -> str:
    """Return the line in which external jobs for an analyser wait; jobs of other kinds wait in that of their kind."""
    return f"{EXTERNAL}:{analyser}"


# What waits, and what a worker that fell silent holds: an attempt is due again when its lease ends.
_OPEN: Final = "status IN ('pending', 'running') AND deleted_at IS NULL"
_NOW: Final = "CAST(:now AS timestamptz)"
_KINDS: Final = "CAST(:kinds AS text[])"
_READ: Final = f"""
            SELECT {LINE} AS line, owner, NOT lifted AS ordinary, -priority AS rank, attempts = 0 AS fresh,
                {DUE} AS due, {DUE} <= {_NOW} AS is_due, id
            FROM analysis_jobs WHERE {_OPEN}
"""  # noqa: S608 - constants
_LINES: Final = f"{LINE}, owner, (NOT lifted), (-priority), (attempts = 0)"
_HEAD: Final = "head.line, head.owner, head.ordinary, head.rank, head.fresh"
_OWNED: Final = f"({LINE}, owner) BETWEEN ({{line}}, CAST(:owner AS text)) AND ({{line}}, CAST(:owner AS text))"
_BY: Final = f"ORDER BY {_LINES}, {DUE}, id LIMIT 1"
_URGENCY: Final = "ordinary, CASE WHEN NOT ordinary THEN rank END"
# What is equal is asked for as a range, and an owner behind its line: statistics of other days, of few jobs or of
# owners with one each, promise that few are equal, and then all are read and sorted, or found by the owners' index.
# One step reads one row: the head of a line, which are an owner's jobs of one kind and urgency by when they are due.
# The look at an owner ends once enough lines have a head that is due. Jobs of those whose turn it is are locked last,
# where nobody else took them.
_CHOOSE: Final = f"""
    WITH RECURSIVE head AS (
        SELECT head.*, head.is_due::int AS lines FROM unnest({_KINDS}) AS asked(kind) CROSS JOIN LATERAL (
            {_READ} AND {{first}} {_BY}
        ) AS head
        UNION ALL
        SELECT next.*, CASE WHEN next.owner = head.owner THEN head.lines ELSE 0 END + next.is_due::int
        FROM head CROSS JOIN LATERAL (
            {_READ} AND {{further}} AND ({_LINES}) > (
                head.line,
                head.owner,
                head.ordinary OR head.lines >= :lines,
                CASE WHEN head.lines >= :lines THEN 9223372036854775807 ELSE head.rank END,
                head.fresh OR head.lines >= :lines
            ) {_BY}
        ) AS next
    ), running AS (
        SELECT owner, count(*) AS jobs FROM analysis_jobs
        WHERE status = 'running' AND leased_until > {_NOW} AND {LINE} = ANY({_KINDS}) GROUP BY owner
    ), first AS (
        SELECT DISTINCT ON (owner) * FROM head WHERE is_due ORDER BY owner, ordinary, rank, fresh, due, id
    ), turn AS MATERIALIZED (
        SELECT first.owner, coalesce(running.jobs, 0) AS running, served.at
        FROM first LEFT JOIN running ON running.owner = first.owner LEFT JOIN LATERAL (
            SELECT max(last.begun_at) AS at FROM unnest({_KINDS}) AS asked(kind) CROSS JOIN LATERAL (
                SELECT begun_at FROM analysis_jobs
                WHERE ({LINE}, '' || owner) BETWEEN (asked.kind, first.owner) AND (asked.kind, first.owner)
                    AND begun_at IS NOT NULL
                ORDER BY {LINE} DESC, '' || owner DESC, begun_at DESC LIMIT 1
            ) AS last
        ) AS served ON true
        ORDER BY {_URGENCY}, coalesce(running.jobs, 0), served.at NULLS FIRST, due, id LIMIT :look
    ), place AS MATERIALIZED (
        SELECT head.ordinary, head.rank, waiting.due, waiting.id, turn.running, turn.at, row_number() OVER (
            PARTITION BY head.owner ORDER BY head.ordinary, head.rank, head.fresh, waiting.due, waiting.id
        ) AS number
        FROM turn JOIN head ON head.owner = turn.owner AND head.is_due CROSS JOIN LATERAL (
            SELECT {DUE} AS due, id FROM analysis_jobs
            WHERE {_OPEN} AND ({_LINES}, {DUE}) BETWEEN
                ({_HEAD}, CAST('-infinity' AS timestamptz)) AND ({_HEAD}, {_NOW})
            ORDER BY {_LINES}, {DUE}, id LIMIT :look
        ) AS waiting
    ), chosen AS MATERIALIZED (
        SELECT job.id FROM (
            SELECT * FROM place ORDER BY {_URGENCY}, running + number, number, at NULLS FIRST, due, id
        ) AS place CROSS JOIN LATERAL (
            SELECT id FROM analysis_jobs
            WHERE id = place.id AND {_OPEN} AND {DUE} <= {_NOW} FOR UPDATE SKIP LOCKED
        ) AS job LIMIT :limit
    )
    SELECT ARRAY(SELECT id FROM chosen) AS ids, (SELECT count(*) FROM place) AS looked,
        (SELECT min(due) FROM head WHERE NOT is_due) - {_NOW} AS due_in
"""  # noqa: S608 - as above

CHOOSE: Final[TextClause] = text(
    _CHOOSE.format(first=f"{LINE} BETWEEN asked.kind AND asked.kind", further=f"{LINE} <= head.line")
)
"""Locks up to `limit` due jobs of some `kinds`, those whose turn it is, and returns their ids.

First goes what is lifted, the most urgent of all; then the owner with the fewest jobs running, and of those the one
whose last began longest ago. Several at once are those that would be begun one after the other.

Rows read grow with the owners that wait, not with their jobs: the look at an owner ends after so many `lines` with a
job that is due, and only the first `look` owners, and jobs of each line, are considered, `looked` in all: some may be
locked by others. `due_in` says when the next of the other jobs is due.
"""
CHOOSE_OF_OWNER: Final[TextClause] = text(
    _CHOOSE.format(first=_OWNED.format(line="asked.kind"), further=_OWNED.format(line="head.line"))
)
"""The same of one owner's jobs."""
