"""Films that are dropped into a browser, on their way to the disk through whatever happens."""

import asyncio
import signal
from hashlib import sha256
from pathlib import Path

import pytest
from playwright.async_api import Request, Route, expect

from tests.conftest import Client
from tests.crash.service import served
from tests.oracle import inspect_everything
from tests.web.browser.conftest import Visit
from tests.web.browser.dropping import MIB, SlowLine, drop, long_film

WRITTEN = "at => new Date(at).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })"


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {
        "DELETION_STRATEGY": "hard",
        "STORAGE_QUOTA_OUTPUTS": "2MiB",
        "STORAGE_CLEANUP_ENABLED": "false",
    }


def offsets(request: Request) -> list[int]:
    told = request.headers.get("upload-offset")
    return [int(told)] if request.method == "PATCH" and told is not None else []


async def test_a_film_that_is_dropped_is_whole_though_the_service_is_killed_in_the_middle(
    visiting: Visit, environment: dict[str, str], database: str, tmp_path: Path
) -> None:
    film = long_film(tmp_path, "sea <b>.mp4", 24)
    sent: list[int] = []
    async with served(environment) as first:
        assert first.http is not None
        address = str(first.http.base_url.copy_with(path="")).rstrip("/")
        token = first.http.headers["Authorization"].removeprefix("Bearer ")
        visitor = await visiting(address, token)
        page = visitor.page
        await visitor.open("/upload")
        line = await SlowLine.of(page, bytes_per_second=MIB)
        page.on("request", lambda request: sent.extend(offsets(request)))

        await drop(page, film)
        with visitor.complaints.expected("net::ERR_"):
            await expect(page.locator("#queue .state")).to_contain_text("of 24.1 MiB")
            await expect(page.locator("#queue progress")).not_to_have_js_property("value", 0)
            first.running.send_signal(signal.SIGKILL)
            await expect(page.locator("#queue .state")).to_contain_text("Tried again in")
            before = len(sent)
            await line.mend()
            async with served(environment, port=str(first.http.base_url.port)) as second:
                assert second.http is not None
                await expect(page.locator("#queue")).to_contain_text("24.1 MiB, stored")
                [file] = (await second.http.get("/files")).json()["items"]
                content = (await second.http.get(f"/files/{file['id']}/content")).content
                assert await page.locator("#queue a").get_attribute("href") == f"/files/{file['id']}"

    assert sha256(content).hexdigest() == file["sha256"] == sha256(film.read_bytes()).hexdigest()
    assert sent[before] >= MIB
    assert await inspect_everything(database, Path(environment["MEDIA_ANALYSIS_DATA_DIR"]) / "store") == []


async def test_a_film_goes_on_where_it_stopped_in_another_tab_and_after_a_pause(
    visit: Visit, client: Client, tmp_path: Path
) -> None:
    film = long_film(tmp_path, "sea.mp4", 24)
    alice = await visit(client.tokens["alice"])
    profile = alice.page.context

    await alice.open("/upload")
    await SlowLine.of(alice.page, bytes_per_second=MIB)
    await drop(alice.page, film)
    await expect(alice.page.locator("#queue progress")).not_to_have_js_property("value", 0)
    await alice.page.close()

    again = await profile.new_page()
    sent: list[int] = []
    again.on("request", lambda request: sent.extend(offsets(request)))
    await again.goto(f"{alice.address}/upload")
    row = again.get_by_role("row", name="sea.mp4")
    await expect(row).to_contain_text("of 24.1 MiB")
    line = await SlowLine.of(again, bytes_per_second=MIB)
    await drop(again, film)
    await expect(again.locator("#queue .state")).to_contain_text("of 24.1 MiB")
    await again.get_by_role("button", name="Pause", exact=True).click()
    await expect(again.locator("#queue .state")).to_have_text("paused")
    await line.mend()
    await again.get_by_role("button", name="Go on").click()
    await expect(again.locator("#queue")).to_contain_text("24.1 MiB, stored")
    [file] = (await client.request("GET", "/api/v1/files")).json()["items"]

    assert min(sent) >= MIB
    assert file["sha256"] == sha256(film.read_bytes()).hexdigest()


async def test_an_upload_is_given_up_while_it_comes_and_in_the_list_of_those_begun(
    visit: Visit, client: Client, tmp_path: Path
) -> None:
    alice = await visit(client.tokens["alice"])
    page = alice.page

    await alice.open("/upload")
    await SlowLine.of(page, bytes_per_second=MIB)
    await drop(page, long_film(tmp_path, "left.mp4", 24))
    await expect(page.locator("#queue .state")).to_contain_text("of 24.1 MiB")
    await page.locator("#queue").get_by_role("button", name="Give up").click()
    await expect(page.locator("#course")).to_be_hidden()
    await expect(page.locator("#notices")).to_be_empty()
    await drop(page, long_film(tmp_path, "kept.mp4", 24))
    await expect(page.locator("#queue .state")).to_contain_text("of 24.1 MiB")
    await page.get_by_role("button", name="Pause all").click()
    await expect(page.locator("#queue .state")).to_have_text("paused")
    await page.reload()
    await page.get_by_role("row", name="kept.mp4").get_by_role("button", name="Give up").click()
    await expect(page.get_by_text("The upload was given up.")).to_be_visible()

    assert (await client.request("GET", "/api/v1/uploads")).json()["items"] == []


async def test_an_upload_that_is_given_up_before_its_address_is_known_is_none(
    visit: Visit, client: Client, tmp_path: Path
) -> None:
    alice = await visit(client.tokens["alice"])
    made, is_given_up, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        answer = await route.fetch()
        made.set()
        await is_given_up.wait()
        await route.fulfill(response=answer)

    await alice.page.route("**/api/v1/uploads", hold)
    alice.page.on("requestfinished", lambda request: ended.set() if request.method == "DELETE" else None)
    await alice.open("/upload")
    await drop(alice.page, long_film(tmp_path, "left.mp4", 1))
    await made.wait()
    await alice.page.locator("#queue").get_by_role("button", name="Give up").click()
    is_given_up.set()
    async with asyncio.timeout(60):
        await ended.wait()

    assert (await client.request("GET", "/api/v1/uploads")).json()["items"] == []


async def test_where_there_is_no_room_the_page_says_when_some_frees_and_goes_on_once_it_has(
    visit: Visit, client: Client, tmp_path: Path
) -> None:
    film = long_film(tmp_path, "sea.mp4", 1)
    first = await client.upload(bytes(MIB), category="outputs", ttl_seconds=7200)
    alice = await visit(client.tokens["alice"])
    page = alice.page
    frees = await alice.evaluate(WRITTEN, first["expires_at"])

    await alice.open("/upload")
    await page.locator("#category").select_option("outputs")
    await page.get_by_label("Labels").fill("camera")
    await drop(page, film)
    await expect(page.get_by_role("alert")).to_contain_text("A label is a key, a colon and a value")
    assert await page.get_by_label("Labels").get_attribute("aria-invalid") == "true"
    await page.get_by_label("Labels").fill("camera:north")
    with alice.complaints.expected("507"):
        await drop(page, film)
        await expect(page.locator("#queue .state")).to_contain_text(f"Room frees by itself {frees}. Delete what is not")
    await expect(page.locator("#amount")).to_contain_text("1 refused")
    assert (await client.request("DELETE", f"/api/v1/files/{first['id']}")).status_code == 204
    await page.get_by_role("button", name="Try again", exact=True).click()

    await expect(page.locator("#queue")).to_contain_text("1.1 MiB, stored")
    await expect(page.locator("#amount")).to_contain_text("1 of 1 file stored")
