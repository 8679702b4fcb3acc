"""Every screen as all people have to be able to use it: by eye, by keyboard, read aloud, at any width."""

from media_analysis.runtime import Runtime
from tests.conftest import Client, RunJob
from tests.web.browser.conftest import Visit
from tests.web.browser.looking import become_markup, findings, unreachable
from tests.web.browser.stock import screens, stocked


async def test_every_full_screen_is_for_everybody_and_names_are_text_in_it(
    visit: Visit, client: Client, runtime: Runtime, run_job: RunJob, axe: str
) -> None:
    stock = await stocked(client, runtime, run_job)
    admin = await visit(client.tokens["admin"])

    found: dict[str, list[str]] = {}
    for path in stock.screens():
        await admin.resize(1280)
        await admin.open(path)
        found[path] = [*await unreachable(admin), *await findings(admin, axe), *await become_markup(admin)]

    assert {path: wrong for path, wrong in found.items() if wrong} == {}


async def test_every_empty_screen_is_for_everybody(visit: Visit, client: Client, axe: str) -> None:
    visitor = await visit()
    await visitor.open("/")
    found = {"signed out": [*await unreachable(visitor), *await findings(visitor, axe)]}

    await visitor.sign_in(client.tokens["admin"])
    for path in [screen.path for screen in screens() if "{" not in screen.path]:
        await visitor.resize(1280)
        await visitor.open(path)
        found[path] = await findings(visitor, axe)

    assert {path: wrong for path, wrong in found.items() if wrong} == {}
