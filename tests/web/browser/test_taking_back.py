"""Many files chosen, dated, swept and taken back, archived runs looked at and restored, and the dialogs that ask."""

from playwright.async_api import expect

from media_analysis.runtime import Runtime
from tests.api.archives import archived_run, work
from tests.conftest import Client, execute
from tests.web.browser.conftest import Visit
from tests.web.browser.stock import picture
from tests.web.browser.visitor import Visitor
from tests.web.showing import DUE

INSIDE = "document.querySelector('dialog[open]').contains(document.activeElement)"


async def require_trap(visitor: Visitor, opener: str) -> None:
    """Open a dialog by keyboard, walk all around in it, and leave by Escape: the focus is where it was."""
    await visitor.button(opener).focus()
    await visitor.page.keyboard.press("Enter")
    await expect(visitor.page.locator("dialog[open]")).to_be_visible()
    fields = await visitor.page.locator("dialog[open]").locator("input:visible, select, button, textarea").count()
    assert await visitor.evaluate(INSIDE)
    for _ in range(fields + 2):
        await visitor.page.keyboard.press("Tab")
        assert await visitor.evaluate(f"document.activeElement === document.body || {INSIDE}")
    await visitor.page.keyboard.press("Escape")
    await expect(visitor.page.locator("dialog[open]")).to_have_count(0)
    await expect(visitor.button(opener)).to_be_focused()


async def test_dialogs_keep_the_focus_and_give_it_back_and_another_end_shows_in_the_life_of_a_file(
    visit: Visit, client: Client
) -> None:
    file = await client.upload(picture(), filename="a.png", ttl_seconds=7200)
    alice = await visit(client.tokens["alice"])
    page = alice.page

    await alice.open(f"/files/{file['id']}")
    await expect(page.locator("#why-title")).to_have_text("It goes in 2 hours")
    for opener in ("Hold", "Keep until", "Delete"):
        await require_trap(alice, opener)
    await alice.button("Keep until").click()
    await page.locator("dialog[open]").get_by_role("button", name="Set", exact=True).click()

    await expect(page.get_by_text("It has another end now.")).to_be_visible()
    await expect(page.locator("#why-title")).to_contain_text("It goes in 30 days")
    await expect(page.locator("#life .moments .past")).to_contain_text(["Stored", "Given another end"])


async def test_many_files_are_chosen_counted_before_they_go_and_taken_back_at_once(
    visit: Visit, client: Client
) -> None:
    for number in range(3):
        await client.upload(bytes(1024), filename=f"{number}.bin")
    alice = await visit(client.tokens["alice"])
    page = alice.page

    await alice.open("/files?view=list")
    await page.get_by_label("Choose 0.bin").check()
    await page.get_by_label("Choose 2.bin").check()
    await expect(page.locator("#chosen")).to_have_text("2 files, 2.0 KiB chosen")
    await alice.button("Delete").click()
    await expect(page.locator("dialog[open] .amount")).to_contain_text("2 files (2.0 KiB) go, into the trash")
    await page.locator("dialog[open]").get_by_role("button", name="Delete").click()
    await expect(page.get_by_text("2 files deleted.")).to_be_visible()
    left = (await client.request("GET", "/api/v1/files")).json()["items"]
    await alice.open("/trash")
    await page.get_by_label("All 2 on this page").check()
    await page.locator("#choice").get_by_role("button", name="Restore").click()
    await page.locator("dialog[open]").get_by_role("button", name="Restore").click()
    await expect(page.get_by_text("The trash is empty")).to_be_visible()

    assert [file["filename"] for file in left] == ["1.bin"]
    assert len((await client.request("GET", "/api/v1/files")).json()["items"]) == 3


async def test_a_sweep_is_rehearsed_run_after_a_question_and_undone(
    visit: Visit, client: Client, database: str
) -> None:
    file = await client.upload(bytes(2048), filename="due.bin")
    await execute(database, DUE)
    admin = await visit(client.tokens["admin"])
    page = admin.page

    await admin.open("/deletions")
    await admin.button("Rehearse a sweep now").click()
    await page.get_by_role("button", name="Delete 1 file (2.0 KiB) now").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete 1 file").click()
    await expect(page.get_by_text("Swept.")).to_be_visible()
    await page.get_by_role("button", name="Bring back 1 file (2.0 KiB)").click()
    await expect(
        page.get_by_text("Nothing of it is in the trash: it is gone for good, or back already")
    ).to_be_visible()

    assert (await client.request("GET", f"/api/v1/files/{file['id']}")).json()["state"] == "stored"


async def test_an_archived_run_is_looked_into_downloaded_and_restored_with_its_progress_shown(
    visit: Visit, client: Client, runtime: Runtime
) -> None:
    contents = {"a.png": picture(), "a.log": b"a line\n" * 99}
    run = await archived_run(client, runtime, contents=contents, name="a run")
    alice = await visit(client.tokens["alice"])
    page, inside = alice.page, alice.page.locator("a[data-preview]")

    await alice.open("/archives")
    await page.get_by_role("link", name="a run").click()
    await inside.filter(has_text="a.png").click()
    await expect(page.locator("#look img")).to_have_js_property("naturalWidth", 320)
    await page.keyboard.press("Escape")
    await inside.filter(has_text="a.log").click()
    await expect(page.locator("#look pre")).to_contain_text("a line")
    await page.locator("#look").get_by_role("button", name="Close").click()
    async with page.expect_download() as found:
        await page.get_by_role("link", name="Download a.log").click()
    assert (await (await found.value).path()).read_bytes() == contents["a.log"]

    await page.get_by_role("button", name="Restore 2 files").click()
    await expect(page.locator("#state [role=status]")).to_contain_text("Restoring, asked for by alice")
    await work(runtime)
    await expect(page.locator("#state h1")).to_contain_text("restored")
    for name, file in run.files.items():
        assert (await client.request("GET", f"/api/v1/files/{file.id}/content")).content == contents[name]
