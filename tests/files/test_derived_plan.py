"""What was made of a file is found by how much of it is shown, however much there is (design law 7)."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from media_analysis.files.derived import MOST_LOOKED_AT, MOST_PREVIEWS, select_derived, select_previews
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from tests.conftest import execute
from tests.plans import as_new, explain

FILM = UUID("01900000-0000-7000-8000-000000000002")
# Twenty thousand frames, which are over but for the hundred oldest, before them one preview, and as many other files.
_FILES = f"""
    INSERT INTO media_files (id, owner, category, state, key, filename, media_type, parent_id, role, size_bytes,
                             reserved_bytes, stored_at, expires_at, expiry_explicit)
    SELECT uuidv7(number * interval '1 millisecond'), 'alice', 'frames', 'stored', 'k' || number, 'f', 'image/jpeg',
        '{FILM}', CASE WHEN number = 1 THEN 'storyboard_vtt' ELSE 'frame' END, 1, 0, now(),
        now() + (100 - number) * interval '1 hour', false
    FROM generate_series(1, 20000) AS number
"""
_OTHERS = _FILES.replace("'k'", "'other'").replace(f"'{FILM}'", "uuidv7()").replace("milli", "")


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    """The services over a film of which very much was made; no oracle, for none has bytes."""
    async with open_runtime(settings, database) as opened:
        await execute(
            database,
            "ALTER TABLE media_files DISABLE TRIGGER USER",
            _FILES,
            _OTHERS,
            "ALTER TABLE media_files ENABLE TRIGGER USER",
            as_new("media_files"),
        )
        yield opened
    await execute(database, "TRUNCATE media_files")  # row by row, as between tests, would take seconds


@pytest.mark.parametrize("owner", [None, "alice"])
async def test_only_so_many_of_the_newest_are_looked_at_and_it_is_said_that_there_are_more(
    runtime: Runtime, owner: str | None
) -> None:
    plan = await explain(runtime, select_derived(FILM, owner=owner, limit=121))

    page = await runtime.files.catalog.list_derived(FILM, owner=owner, limit=120)

    assert plan.indexes == {"ix_media_files_parent"}
    assert plan.rows_read <= 2 * MOST_LOOKED_AT
    assert (list(page.files), page.has_more) == ([], True)


@pytest.mark.parametrize("owner", [None, "alice"])
async def test_a_preview_is_found_behind_all_frames(runtime: Runtime, owner: str | None) -> None:
    plan = await explain(runtime, select_previews(FILM, owner=owner))

    previews = await runtime.files.catalog.list_previews(FILM, owner=owner)

    assert plan.indexes == {"ix_media_files_preview"}
    assert plan.rows_read <= MOST_PREVIEWS
    assert [one.role for one in previews] == ["storyboard_vtt"]
