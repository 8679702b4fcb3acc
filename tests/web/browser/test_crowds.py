"""A screen of very much is there at once, and sums itself up in front of whoever looks."""

import pytest
from playwright.async_api import expect

from media_analysis.runtime import Runtime
from tests.api.jobs import create, finish
from tests.conftest import Client
from tests.web.browser.conftest import Visit


async def test_a_run_of_very_many_files_sums_itself_up_and_is_held_then(
    visit: Visit, client: Client, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media_analysis.web.jobs.job.MOST_SUMMED", 1)
    job = await create(client)
    await finish(runtime, job)
    for number in range(2):
        await client.upload(category="frames", job_id=job["id"], filename=f"{number}.jpg")
    admin = await visit(client.tokens["admin"])

    await admin.open(f"/jobs/{job['id']}")
    await expect(admin.page.locator("#life")).to_contain_text("Now: 2 files")
    await admin.button("Hold…").click()
    dialog = admin.page.locator("dialog[open]")
    await dialog.get_by_label("Why").fill("the harbour wants it")
    await dialog.get_by_role("button", name="Hold 2 files").click()

    await expect(admin.page.locator("#state")).to_contain_text("the harbour wants it")
    await expect(admin.page.locator("#life")).to_contain_text("Now: 2 files")
