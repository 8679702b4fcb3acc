"""The screens of jobs: what is listed, what one made and found out, and the form that starts one."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from media_analysis.jobs.attempts.attempt import NewResult
from media_analysis.runtime import Runtime
from media_analysis.sessions.roles import Role, Scope
from media_analysis.web.pages import templates
from tests.api.jobs import create, fail, finish
from tests.conftest import Client
from tests.web.conftest import OWN, SignIn
from tests.web.showing import AS_TEXT, MARKUP, shown


@pytest.fixture
async def alice(sign_in: SignIn) -> httpx.AsyncClient:
    """Alice's browser."""
    return await sign_in("alice")


async def test_jobs_are_listed_by_what_the_address_says_and_page_by_page(
    alice: httpx.AsyncClient, client: Client, runtime: Runtime
) -> None:
    waiting = await create(client, name=MARKUP, labels={"camera": "north"})
    failed = await create(client, name="it failed")
    await fail(runtime, failed)
    await create(client, name="not hers", by="bob")

    everything = await shown(alice, "/jobs")
    failures = await shown(alice, "/jobs", status="failed", kind="", label="", created_after="2020-01-01")
    labelled = await shown(alice, "/jobs", label="camera:north", created_before="2999-12-31")
    first = await shown(alice, "/jobs", limit=1, kind="probe")

    assert AS_TEXT in everything
    assert MARKUP not in everything
    assert "not hers" not in everything
    assert "nothing of it can be decoded" in failures
    assert waiting["id"] not in failures
    assert waiting["id"] in labelled
    assert failed["id"] not in labelled
    following = first.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert following.startswith("/jobs?limit=1&kind=probe&cursor=")
    assert waiting["id"] in await shown(alice, following)
    assert "No job is like that" in await shown(alice, "/jobs", kind="frames")
    assert "created_after" in await shown(alice, "/jobs", code=422, created_after="yesterday")


async def test_a_job_is_shown_with_what_it_made_and_found_out_and_how_long_that_is_kept(
    alice: httpx.AsyncClient, client: Client, runtime: Runtime
) -> None:
    source = await client.upload(filename=MARKUP)
    job = await create(client, name=MARKUP, source_file_ids=[source["id"]])
    running = await shown(alice, f"/jobs/{job['id']}")
    data = {"said": MARKUP, "duration_seconds": 6.5, "streams": [{"kind": MARKUP, "size_bytes": 2048}], "none": None}
    await finish(runtime, job, NewResult(kind="words", data=data, file_id=None))
    frame = await client.upload(category="frames", filename="a.jpg", job_id=job["id"])

    page = await shown(alice, f"/jobs/{job['id']}")

    assert f"/api/v1/jobs/{job['id']}/cancel" in running
    assert "jobs/watch.js" in running
    assert "jobs/watch.js" not in page
    assert MARKUP not in page
    assert f"/files/{source['id']}" in page
    assert f"/files/{frame['id']}" in page
    assert "6.5 s" in page
    assert "2.0 KiB" in page
    assert "Delete 1 file (10 B)" in page
    assert "Completed" in page


async def test_a_run_of_very_many_files_is_shown_at_once_and_summed_up_where_it_says_so(
    alice: httpx.AsyncClient, client: Client, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media_analysis.web.jobs.job.MOST_SUMMED", 1)
    job = await create(client)
    await finish(runtime, job)
    frames = [await client.upload(category="frames", job_id=job["id"], filename=f"{n}.jpg") for n in range(2)]

    first = await shown(alice, f"/jobs/{job['id']}", category="frames", limit=1)
    whole = first.partition('data-whole="')[2].partition('"')[0].replace("&amp;", "&")
    all_of_it = await shown(alice, whole)

    assert "It has more than 1 files" in first
    assert "Delete " not in first
    assert [f"/files/{frame['id']}" in first for frame in frames].count(True) == 1
    assert whole == f"/jobs/{job['id']}?category=frames&limit=1&whole=true"
    assert "Delete 2 files (20 B)" in all_of_it
    assert "Now: 2 files" in all_of_it
    assert "data-whole" not in all_of_it


async def test_a_failed_job_says_why_and_is_tried_again_or_started_anew_as_it_was(
    alice: httpx.AsyncClient, client: Client, runtime: Runtime
) -> None:
    parameters = {"every_seconds": 2.5, "keyframes": False, "format": "webp"}
    job = await create(client, kind="frames", parameters=parameters, labels={"camera": "north"})
    await fail(runtime, job)

    page = await shown(alice, f"/jobs/{job['id']}")
    form = await shown(alice, "/jobs/new", again=job["id"])

    assert "nothing of it can be decoded" in page
    assert f"/api/v1/jobs/{job['id']}/retry" in page
    assert f'name="source_file_ids" value="{job["source_file_ids"][0]}" checked' in form
    assert 'value="2.5"' in form
    assert '<option value="false" selected>' in form
    assert "<option selected>webp</option>" in form
    assert 'value="camera:north"' in form


async def test_the_form_of_a_kind_is_made_of_its_schema(alice: httpx.AsyncClient, client: Client) -> None:
    file = await client.upload(filename="film.mp4")

    choice = await shown(alice, "/jobs/new", source=file["id"])
    form = await shown(alice, "/jobs/new", source=file["id"], kind="analyze")
    external = await shown(alice, "/jobs/new", kind="external")

    assert f"/jobs/new?kind=frames&amp;source={file['id']}" in choice
    assert 'name="parameters.quality" type="number" data-type="number" step="1" min="1" max="100"' in form
    assert 'name="parameters.instants" type="text" data-type="numbers"' in form
    assert '<option value="">Yes (default)</option>' in form
    assert 'name="parameters.analyser" type="text"' in external
    assert 'data-type="json"' in external
    assert "nonsense" in await shown(alice, "/jobs/new", code=422, kind="nonsense")


async def test_anothers_job_is_an_unknown_one_and_a_deleted_one_tells_what_stays_of_it(
    alice: httpx.AsyncClient, client: Client
) -> None:
    hers = await create(client, name="gone soon")
    others = await create(client, by="bob")
    deletion = {"strategy": "soft", "reason": MARKUP}
    await alice.delete(f"/api/v1/jobs/{hers['id']}", params=deletion, headers=OWN)

    foreign = await shown(alice, f"/jobs/{others['id']}", code=404)
    unknown = await shown(alice, f"/jobs/{uuid4()}", code=404)
    gone = await shown(alice, f"/jobs/{hers['id']}", code=410)

    assert foreign == unknown
    assert await shown(alice, "/jobs/new", code=404, again=others["id"]) == unknown
    assert "gone soon was deleted" in gone
    assert AS_TEXT in gone
    assert f"/api/v1/jobs/{hers['id']}/restore" in gone


async def test_whoever_may_not_use_jobs_sees_none(
    client: Client, runtime: Runtime, sign_in: SignIn, visitor: httpx.AsyncClient
) -> None:
    ttl = timedelta(hours=1)
    _, client.tokens["reader"] = await runtime.sessions.create(
        owner="alice", role=Role.USER, scopes=[Scope.FILES_READ], ttl=ttl
    )
    await sign_in("reader")

    for path in ("/jobs", "/jobs/new", f"/jobs/{uuid4()}"):
        assert "Your session was not made for this" in await shown(visitor, path, code=403)


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({"found": [{"name": "<b>cat"}, 2]}, ("&lt;b&gt;cat", "1 more are in the JSON")),
        ({"found": [{"number": number} for number in range(60)]}, ("10 more are in the JSON",)),
        ({"instant_seconds": 1e308}, ("1e+308 s",)),
        ({"deep": {"deeper": {"deepest": {"still": {"more": 1}}}}}, ("It is in the JSON",)),
    ],
)
def test_whatever_a_program_elsewhere_found_is_shown_as_far_as_it_is_readable(
    told: dict[str, Any], shown: tuple[str, ...]
) -> None:
    facts = templates().get_template("jobs/document.html").make_module().facts  # type: ignore[attr-defined]

    page = str(facts(told))

    assert all(words in page for words in shown)
    assert "<b>cat" not in page
