"""The screens of archives: which runs are in one, and what is inside, without restoring it."""

import httpx
import pytest

from media_analysis.runtime import Runtime
from tests.api.archives import archived_run, ask_restore, content_url, work
from tests.api.jobs import create
from tests.conftest import Client
from tests.web.conftest import SignIn
from tests.web.showing import AS_TEXT, MARKUP, shown


async def test_an_archived_run_is_listed_and_what_is_inside_is_read_without_restoring_it(
    sign_in: SignIn, client: Client, runtime: Runtime
) -> None:
    alice = await sign_in("alice")
    assert "No run is in an archive" in await shown(alice, "/archives")
    run = await archived_run(client, runtime, name=MARKUP)
    path = f"/archives/{run.id}"

    listed = await shown(alice, "/archives", start_date="2020-01-01", end_date="")
    inside = await shown(alice, path)
    frames = await shown(alice, path, category="frames", limit=1)

    assert AS_TEXT in listed
    assert MARKUP not in listed + inside
    assert path in listed
    for name in run.files:
        assert f'href="{content_url(run, name)}"' in inside
    assert "frames/" in frames
    assert "run.log" not in frames
    assert f"{path}?category=frames&amp;limit=1&amp;cursor=" in frames
    assert f"/api/v1/jobs/{run.id}/archive/download?segment=0" in inside
    assert "Restore 5 files" in inside
    assert "Nothing was archived then" in await shown(alice, "/archives", end_date="2020-01-01")
    assert (await alice.get(content_url(run, "run.log"))).content == run.contents["run.log"]


async def test_an_archive_of_very_many_files_is_shown_at_once_and_its_folders_where_it_says_so(
    sign_in: SignIn, client: Client, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media_analysis.web.archives.page.MOST_SUMMED", 1)
    alice, run = await sign_in("alice"), await archived_run(client, runtime)

    first = await shown(alice, f"/archives/{run.id}")
    summed = await shown(alice, f"/archives/{run.id}", whole=True)

    assert f'data-whole="/archives/{run.id}?whole=true"' in first
    assert "?category=frames" not in first
    assert content_url(run, "run.log") in first
    assert "?category=frames" in summed
    assert "data-whole" not in summed


async def test_a_restore_shows_how_far_it_is_and_then_that_the_run_is_back(
    sign_in: SignIn, client: Client, runtime: Runtime
) -> None:
    alice = await sign_in("alice")
    run = await archived_run(client, runtime)
    await ask_restore(client, run)

    under_way = await shown(alice, f"/archives/{run.id}")
    await work(runtime)
    back = await shown(alice, f"/archives/{run.id}")

    assert "<b>Restoring</b>" in under_way
    assert "data-open" in under_way
    assert "Restore 5 files" not in under_way
    assert "restored" in back
    assert "data-open" not in back


async def test_anothers_archive_is_an_unknown_one_and_a_run_that_has_none_says_so(
    sign_in: SignIn, client: Client, runtime: Runtime, visitor: httpx.AsyncClient
) -> None:
    run = await archived_run(client, runtime)
    job = await create(client, by="bob")
    await sign_in("bob")

    assert "Job not found" in await shown(visitor, f"/archives/{run.id}", code=404)
    assert "not archived" in await shown(visitor, f"/archives/{job['id']}", code=409)
    assert str(run.id) not in await shown(visitor, "/archives")
