"""A film looked through by its storyboard, with a mouse and without."""

import re
from typing import NamedTuple

from playwright.async_api import Page, expect

from tests.api.jobs import create
from tests.conftest import Client, RunJob
from tests.web.browser.conftest import Visit
from tests.web.browser.stock import FILM

CUE = re.compile(r"([\d:.]+) --> ([\d:.]+)\n.*?([0-9a-f-]{36})/content#xywh=(\d+),(\d+),(\d+),(\d+)")
SHOWN = """tile => ({
    hidden: tile.hidden, image: tile.style.backgroundImage, at: tile.style.backgroundPosition,
    size: [tile.offsetWidth, tile.offsetHeight], middle: tile.getBoundingClientRect().left + tile.offsetWidth / 2,
})"""
FETCHED = "part => performance.getEntries().filter(one => one.name.includes(part)).map(one => one.responseStatus)"


class Cue(NamedTuple):
    """The tile that a storyboard has for a while."""

    start: float
    end: float
    sprite: str
    x: int
    y: int
    width: int
    height: int


def seconds(written: str) -> float:
    hours, minutes, rest = written.split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(rest)


def cues(storyboard: str) -> list[Cue]:
    return [
        Cue(seconds(start), seconds(end), sprite, *map(int, place))
        for start, end, sprite, *place in CUE.findall(storyboard)
    ]


async def require_tile(page: Page, cue: Cue) -> None:
    """Wait until the tile of a moment stands above the slider, and no other."""
    tile = page.locator(".scrub .tile")
    await expect(tile).to_have_css("background-position", f"{-cue.x}px {-cue.y}px")
    shown = await tile.evaluate(SHOWN)
    assert (shown["hidden"], shown["size"]) == (False, [cue.width, cue.height])
    assert cue.sprite in shown["image"]


async def test_the_slider_shows_the_tile_of_each_moment_by_mouse_and_by_keyboard_and_leads_there(
    visit: Visit, client: Client, run_job: RunJob
) -> None:
    film = await client.upload(FILM, filename="sea.mp4")
    job = await create(client, kind="preview", source_file_ids=[film["id"]], parameters={"every_seconds": 0.5})
    await run_job(job["id"])
    made = (await client.request("GET", f"/api/v1/jobs/{job['id']}/files?role=storyboard_vtt")).json()["items"]
    board = cues((await client.request("GET", f"/api/v1/files/{made[0]['id']}/content")).text)
    length = board[-1].end
    alice = await visit(client.tokens["alice"])
    page, slider = alice.page, alice.page.get_by_label("Look through the film")
    assert len(board) > 3

    await alice.open(f"/files/{film['id']}")
    await page.wait_for_function("document.querySelector('video').textTracks[0].cues?.length > 0")
    await slider.scroll_into_view_if_needed()
    box = await slider.bounding_box()
    assert box is not None
    for cue in (board[0], board[len(board) // 2], board[-1]):
        middle = box["x"] + box["width"] * (cue.start + cue.end) / 2 / length
        await page.mouse.move(middle, box["y"] + box["height"] / 2)
        await require_tile(page, cue)
    await page.wait_for_function(f"part => ({FETCHED})(part).length > 0", arg=board[0].sprite)
    assert await alice.evaluate(FETCHED, board[0].sprite) == [200]
    await page.mouse.move(0, 0)
    await expect(page.locator(".scrub .tile")).to_be_hidden()

    await slider.focus()
    await page.keyboard.press("Home")
    for pages in range(1, 6):
        await page.keyboard.press("PageUp")
        at = pages / 10 * length
        await require_tile(page, next(cue for cue in board if cue.start <= at < cue.end))
    await page.wait_for_function(
        "at => Math.abs(document.querySelector('video').currentTime - at) < .2", arg=length / 2
    )
    assert await slider.get_attribute("aria-valuetext") == f"0:0{int(length / 2)}"
    await page.keyboard.press("Tab")
    await expect(page.locator(".scrub .tile")).to_be_hidden()
