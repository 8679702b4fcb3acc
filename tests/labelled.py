"""Labels, and the rows by which lists find them."""

import asyncpg

_LISTED = """
    WITH made AS (
        SELECT label_list(owner, {kind}, named.name) AS own_list, label_list('', {kind}, named.name) AS any_list,
            id, {instant}
        FROM {table}, jsonb_each_text(labels) AS label, LATERAL (
            VALUES (label.key), (label.key || ':' || label.value)
        ) AS named(name)
        WHERE {listed}
    )
    SELECT id::text FROM (({index} EXCEPT ALL TABLE made) UNION ALL (TABLE made EXCEPT ALL {index}))
        AS different(own_list, any_list, id, instant)
"""
_MISLISTED = (
    _LISTED.format(
        index="TABLE file_labels",
        table="media_files",
        kind="category::text, state::text",
        instant="coalesce(expires_at, 'infinity')",
        listed="state <> 'pending'",
    ),
    _LISTED.format(
        index="TABLE tombstone_labels", table="tombstones", kind="'', 'deleted'", instant="deleted_at", listed="true"
    ),
    _LISTED.format(
        index="(SELECT own_list, any_list, job_id, now() FROM job_labels)",
        table="analysis_jobs",
        kind="'', 'active'",
        instant="now()",
        listed="archived_at IS NULL AND deleted_at IS NULL",
    ),
)
"""What labels are, and the rows by which lists find them, as they differ."""


async def find_mislisted(connection: asyncpg.Connection) -> list[str]:
    """Return what is not in the lists of just its labels, a sentence each."""
    found = [row[0] for query in _MISLISTED for row in await connection.fetch(query)]
    return [f"{row_id} is not in the lists of just its labels" for row_id in found]
