"""Jobs on the page: asked for by a form, watched, broken off and tried again."""

import re
from typing import Any
from uuid import UUID

from playwright.async_api import Page, expect

from media_analysis.runtime import Runtime
from tests.api.jobs import create, fail
from tests.claims import claim_job
from tests.conftest import Client
from tests.web.browser.conftest import Visit
from tests.web.browser.stock import FILM

ONE = re.compile(r"/jobs/[0-9a-f-]{36}$")
ALIVE = "window.alive = true"


def job_of(page: Page) -> str:
    return page.url.rpartition("/")[2]


async def test_a_job_is_asked_for_by_a_form_and_shows_how_far_it_is_and_what_it_made_by_itself(
    visit: Visit, client: Client, runtime: Runtime
) -> None:
    film = await client.upload(FILM, filename="sea.mp4")
    alice = await visit(client.tokens["alice"])
    page = alice.page
    refusal = page.locator("form.action output")

    await alice.open(f"/files/{film['id']}")
    await page.get_by_role("link", name="Start a job").click()
    await page.get_by_role("region", name="Kinds of jobs").get_by_role("link", name="Analyze").click()
    with alice.complaints.expected("422"):
        await page.get_by_label("Instants").fill("1, two")
        await alice.button("Start").click()
        await expect(refusal).to_contain_text("Instants: Input should be a valid number")
        await expect(page.get_by_label("Instants")).to_be_focused()
    with alice.complaints.expected("422"):
        await page.get_by_label("Instants").fill("1, 2")
        await page.get_by_label("Count").fill("3")
        await alice.button("Start").click()
        await expect(refusal).to_contain_text("give one of every_seconds, count, instants")
    await page.get_by_label("Count").fill("")
    await alice.button("Start").click()
    await page.wait_for_url(ONE)
    await alice.evaluate(ALIVE)
    attempt = await claim_job(runtime, UUID(job_of(page)))
    assert attempt is not None

    await runtime.jobs.attempts.tell_progress(
        attempt.job_id, fence=attempt.fence, share=0.4, stage="decoding", done=2, total=5
    )
    await expect(page.locator("#state .course")).to_contain_text("40 % · decoding 2 of 5")
    await runtime.jobs.execution.run(attempt)
    await expect(page.locator("#made .film li")).to_have_text(["0:01.00", "0:02.00", "report.json"])
    await expect(page.locator("#made .sheet img")).to_have_js_property("complete", True)
    assert await page.locator("#made .sheet img").evaluate("one => one.naturalWidth") > 0
    await expect(page.locator("#state h1")).to_contain_text("completed")
    assert await alice.evaluate("window.alive")


async def test_a_job_that_failed_is_tried_again_cancelled_after_a_question_and_asked_for_anew(
    visit: Visit, client: Client, runtime: Runtime
) -> None:
    film = await client.upload(FILM, filename="sea.mp4")
    about: dict[str, Any] = {"kind": "frames", "parameters": {"count": 3}, "labels": {"camera": "north"}}
    job = await create(client, name="three of it", source_file_ids=[film["id"]], **about)
    alice = await visit(client.tokens["alice"])
    page = alice.page

    await alice.open("/jobs")
    row = page.locator("#jobs tbody tr")
    await row.get_by_role("link", name="three of it").focus()
    async with page.expect_response(f"{alice.address}/jobs"):
        await fail(runtime, job)
    await expect(row.get_by_role("link", name="three of it")).to_be_focused()
    await row.get_by_role("link").last.focus()
    await page.keyboard.press("Tab")
    await expect(row).to_contain_text("failed")
    await row.get_by_role("link", name="three of it").click()
    await expect(page.get_by_text("nothing of it can be decoded")).to_be_visible()
    await alice.button("Try again").click()
    await expect(page.get_by_text("It waits for a worker again.")).to_be_visible()
    await alice.button("Cancel").click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel").last.click()
    await expect(page.locator("#state h1")).to_contain_text("cancelled")
    await page.get_by_role("link", name="Start another like it").click()

    assert await page.get_by_label("Count").input_value() == "3"
    assert await page.get_by_label("Name", exact=True).input_value() == "three of it"
    await alice.button("Start").click()
    await page.wait_for_url(ONE)
    again = (await client.request("GET", f"/api/v1/jobs/{job_of(page)}")).json()
    assert (again["parameters"]["count"], again["labels"], again["status"]) == (3, {"camera": "north"}, "pending")
