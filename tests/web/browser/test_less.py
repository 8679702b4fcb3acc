"""The page of whoever's session was made for less than all of it."""

from collections.abc import Sequence
from datetime import timedelta

from playwright.async_api import expect

from media_analysis.runtime import Runtime
from media_analysis.sessions.limits import Limit
from media_analysis.sessions.models import Role
from media_analysis.sessions.roles import Scope
from tests.api.jobs import create
from tests.conftest import Client, RunJob
from tests.web.browser.conftest import Visit
from tests.web.browser.stock import FILM


async def test_a_session_made_for_less_sees_its_own_screens_whole_and_is_refused_the_others_in_words(
    visit: Visit, client: Client, runtime: Runtime, run_job: RunJob
) -> None:
    film = await client.upload(FILM, filename="sea.mp4")
    job = await create(client, kind="contact_sheet", source_file_ids=[film["id"]])
    await run_job(job["id"])
    file, run = f"/files/{film['id']}", f"/jobs/{job['id']}"
    sessions: Sequence[tuple[Scope, Limit | None, Sequence[str], str]] = (
        (Scope.FILES_READ, None, [file], run),
        (Scope.FILES_READ, Limit.of(["uploads"], ()), ["/files", file], "/upload"),
        (Scope.JOBS, None, [run, f"/jobs/new?kind=probe&source={film['id']}"], file),
    )
    for scope, limit, own, others in sessions:
        _, token = await runtime.sessions.create(
            owner="alice", role=Role.USER, ttl=timedelta(hours=1), scopes=[scope], limit=limit
        )
        visitor = await visit(token)
        links = await visitor.page.get_by_role("navigation", name="Screens").get_by_role("link").all()

        for path in [*[await link.get_attribute("href") or "" for link in links], *own]:
            await visitor.open(path)
        with visitor.complaints.expected("403"):
            await visitor.open(others, status=403)

        await expect(visitor.page.get_by_text("Your session was not made for this")).to_be_visible()
