"""Labels, and the rows by which lists find them."""

import asyncpg

_LISTED = """
    WITH made AS (
        SELECT label_list(owner, {kind}, name) AS own_list, label_list('', {kind}, name) AS any_list, id, {instant}
        FROM {table}, jsonb_each_text(labels) AS label, LATERAL (
            VALUES (label.key), (label.key || ':' || label.value)
        ) AS named(name)
        WHERE {listed}
    )
    SELECT id::text FROM ((TABLE {index} EXCEPT ALL TABLE made) UNION ALL (TABLE made EXCEPT ALL TABLE {index}))
        AS different(own_list, any_list, id, instant)
"""
_MISLISTED = (
    _LISTED.format(
        index="file_labels",
        table="media_files",
        kind="category::text, state::text",
        instant="coalesce(expires_at, 'infinity')",
        listed="state <> 'pending'",
    ),
    _LISTED.format(
        index="tombstone_labels", table="tombstones", kind="'', 'deleted'", instant="deleted_at", listed="true"
    ),
)
"""What labels are, and the rows by which lists find them, as they differ."""


async def find_mislisted(connection: asyncpg.Connection) -> list[str]:
    """Return what is not in the lists of just its labels, a sentence each."""
    found = [row[0] for query in _MISLISTED for row in await connection.fetch(query)]
    return [f"{row_id} is not in the lists of just its labels" for row_id in found]
