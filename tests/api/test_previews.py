"""Previews over HTTP, and in the players and waveforms that pages are made of, which load them unchanged."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from fastapi import FastAPI
from playwright.async_api import Page, Request, Route

from tests.api.raw import served
from tests.browser import find_chromium
from tests.conftest import Client, RunJob
from tests.programs import install_from_npm

FILM = (Path(__file__).parents[2] / "examples/a-day-at-sea.mp4").read_bytes()
PACKAGES = (
    "vidstack@1.15",
    "media-captions@1.0",
    "media-icons@1.1",
    "peaks.js@4.0",
    "konva@9",
    "waveform-data@4.5",
    "wavesurfer.js@7",
)
PAGE = """<!doctype html><meta charset="utf-8">
<div id="zoom" style="width: 600px; height: 80px"></div><div id="wave" style="width: 600px"></div>
<script src="/npm/konva/konva.min.js"></script>
<script src="/npm/waveform-data/dist/waveform-data.min.js"></script>
<script src="/npm/peaks.js/dist/peaks.min.js"></script>
<script type="importmap">{"imports": {"media-captions": "/npm/media-captions/dist/prod.js",
"fscreen": "/npm/fscreen/dist/fscreen.esm.js", "lit-html": "/npm/lit-html/lit-html.js", "lit-html/": "/npm/lit-html/",
"@floating-ui/dom": "/npm/@floating-ui/dom/dist/floating-ui.dom.mjs",
"@floating-ui/core": "/npm/@floating-ui/core/dist/floating-ui.core.mjs",
"@floating-ui/utils": "/npm/@floating-ui/utils/dist/floating-ui.utils.mjs",
"@floating-ui/utils/dom": "/npm/@floating-ui/utils/dist/floating-ui.utils.dom.mjs"}}</script>
<script type="module">
import "/npm/vidstack/prod/define/vidstack-player.js";
import "/npm/vidstack/prod/define/vidstack-player-ui.js";
import WaveSurfer from "/npm/wavesurfer.js/dist/wavesurfer.esm.js";
window.WaveSurfer = WaveSurfer;
window.ready = true;
</script>
<media-player><media-provider></media-provider></media-player>"""
VIDSTACK = """async (list) => {
    const thumbnail = document.createElement("media-thumbnail");
    thumbnail.src = new URL(list, location.href).href;
    document.querySelector("media-player").append(thumbnail);
    thumbnail.time = 4.5;
    document.querySelector("media-player").startLoading();
    const image = () => thumbnail.querySelector("img") || thumbnail.shadowRoot?.querySelector("img");
    while (!thumbnail.$state.activeThumbnail() || !image()?.naturalWidth) await new Promise(requestAnimationFrame);
    const shown = thumbnail.$state.activeThumbnail();
    return {
        address: String(shown.url),
        from: shown.startTime, to: shown.endTime,
        width: shown.width, height: shown.height, x: shown.coords.x, y: shown.coords.y, sprite: image().naturalWidth,
    };
}"""
PEAKS = """async ([waveform, film]) => {
    const player = document.createElement("video");
    player.src = film;
    document.body.append(player);
    const peaks = await new Promise((resolve, reject) => window.peaks.init({
        zoomview: {container: document.getElementById("zoom")}, mediaElement: player, dataUri: {json: waveform},
        zoomLevels: [512, 1024],
    }, (error, made) => error ? reject(error) : resolve(made)));
    const seen = peaks.getWaveformData();
    return {duration: seen.duration, length: seen.length, highest: Math.max(...seen.channel(0).max_array())};
}"""
WAVESURFER = """async (waveform) => {
    const told = await (await fetch(waveform)).json();
    const highest = 2 ** (told.bits - 1), seconds = told.length * told.samples_per_pixel / told.sample_rate;
    const peaks = told.data.map((value) => value / highest);
    const made = window.WaveSurfer.create({container: "#wave", peaks: [peaks], duration: seconds});
    await new Promise((resolve) => made.on("redrawcomplete", resolve));
    return {duration: made.getDuration(), drawn: made.getWrapper().querySelectorAll("canvas").length > 0};
}"""


async def preview(client: Client, run_job: RunJob) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the file, and what was made of it by role; `result` is the document."""
    file = await client.upload(FILM, filename="a day at sea.mp4")
    asked = {"kind": "preview", "name": "n", "source_file_ids": [file["id"]]}
    job = (await client.request("POST", "/api/v1/jobs", json=asked)).json()
    await run_job(job["id"])
    made = (await client.request("GET", f"/api/v1/jobs/{job['id']}/files")).json()["items"]
    results = (await client.request("GET", f"/api/v1/jobs/{job['id']}/results")).json()["items"]
    return file, {each["role"]: each for each in made} | {"result": results[0]["data"]}


def content(file: dict[str, Any]) -> str:
    return f"/api/v1/files/{file['id']}/content"


async def test_lists_lead_to_the_sprites_from_where_they_are_themselves(client: Client, run_job: RunJob) -> None:
    film, made = await preview(client, run_job)

    assert set(made) == {"storyboard", "storyboard_vtt", "storyboard_json", "poster", "hover", "waveform", "result"}
    assert {made[role]["parent_id"] for role in made if role != "result"} == {film["id"]}
    assert {made[role]["category"] for role in made if role != "result"} == {"frames"}
    assert [made[role]["media_type"] for role in ("storyboard", "storyboard_vtt", "hover", "waveform")] == [
        "image/jpeg",
        "text/vtt",
        "image/webp",
        "application/json",
    ]
    listed = await client.request("GET", content(made["storyboard_vtt"]))
    sprite = await client.request("GET", content(made["storyboard"]))
    addresses = set(re.findall(r"^(\S+)#xywh=", listed.text, re.MULTILINE))
    assert {urljoin(f"/below/a/proxy{content(made['storyboard_vtt'])}", address) for address in addresses} == {
        f"/below/a/proxy{content(made['storyboard'])}"
    }
    board = json.loads((await client.request("GET", content(made["storyboard_json"]))).content)
    assert {urljoin(content(made["storyboard_json"]), tile["sprite"]) for tile in board["tiles"]} == {
        content(made["storyboard"])
    }
    assert len(sprite.content) == made["result"]["storyboard"]["size_bytes"]


@pytest.fixture
async def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the players are, as npm installs them."""
    find_chromium()
    folder = await install_from_npm(tmp_path_factory, "players", PACKAGES)
    return folder / "node_modules"


def serving(packages: Path) -> Callable[[Route, Request], Any]:
    async def answer(route: Route, request: Request) -> None:
        if request.url.endswith("/page.html"):
            await route.fulfill(body=PAGE, content_type="text/html")
        elif "/npm/" in request.url:
            await route.fulfill(path=packages / request.url.split("/npm/")[1], content_type="text/javascript")
        else:
            await route.continue_()

    return answer


async def test_vidstack_peaks_and_wavesurfer_load_them_unchanged(
    app: FastAPI, client: Client, run_job: RunJob, packages: Path, page: Page
) -> None:
    film, made = await preview(client, run_job)
    told = made["result"]
    await page.route("**/*", serving(packages))
    await page.set_extra_http_headers({"Authorization": f"Bearer {client.tokens['alice']}"})

    async with served(app) as port:
        await page.goto(f"http://127.0.0.1:{port}/page.html")
        await page.wait_for_function("window.ready")
        shown = await page.evaluate(VIDSTACK, content(made["storyboard_vtt"]))
        peaks = await page.evaluate(PEAKS, [content(made["waveform"]), content(film)])
        waves = await page.evaluate(WAVESURFER, content(made["waveform"]))

        address = f"http://127.0.0.1:{port}{content(made['storyboard'])}"
    board = told["storyboard"]
    assert shown["address"] == address
    assert shown["from"] <= 4.5 < shown["to"]
    assert (shown["width"], shown["height"]) == (board["tile_width"], board["tile_height"])
    assert (shown["x"], shown["y"]) == (4 * board["tile_width"], 0)
    assert shown["sprite"] == board["tiles"] * board["tile_width"]
    assert peaks["length"] == told["waveform"]["length"]
    assert (peaks["duration"], waves["duration"]) == (pytest.approx(6.02, abs=0.05),) * 2
    assert peaks["highest"] > 20
    assert waves["drawn"]
