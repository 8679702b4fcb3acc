"""Links in a real browser: what it may show it shows, and nothing else of the service's comes with it."""

import asyncio
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from PIL import Image
from playwright.async_api import Error, Page

from tests.api.answers import refusal
from tests.api.links import share
from tests.api.raw import PATIENCE, served
from tests.conftest import Client

FILM = (Path(__file__).parents[2] / "examples/a-day-at-sea.mp4").read_bytes()


def picture() -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (64, 48), "navy").save(written, "PNG")
    return written.getvalue()


async def colours(page: Page) -> Sequence[tuple[int, object]]:
    """Return the colours in the middle of what the page shows: scripts do not run there, not even the test's."""
    shown = Image.open(io.BytesIO(await page.screenshot())).convert("RGB")
    width, height = shown.size
    middle = shown.crop((width // 2 - 20, height // 2 - 20, width // 2 + 20, height // 2 + 20))
    return middle.getcolors(1600) or []


def at(port: int, link: dict[str, Any]) -> str:
    return f"http://127.0.0.1:{port}{urlsplit(link['url']).path}"


async def test_pictures_and_films_are_shown_where_the_maker_said_so_and_else_downloaded(
    app: FastAPI, client: Client, page: Page
) -> None:
    still = await client.upload(picture(), filename="sea.png")
    film = await client.upload(FILM, filename="sea.mp4")
    links = [await share(client, file, disposition="inline") for file in (still, film)]
    attached = await share(client, still)

    async with served(app) as port:
        await page.goto(at(port, links[0]))
        assert await colours(page) == [(1600, (0, 0, 128))]
        async with page.expect_response(lambda answer: answer.status == 206) as asked:
            await page.goto(at(port, links[1]), wait_until="commit")
        assert (await asked.value).headers["content-disposition"].startswith("inline;")
        async with asyncio.timeout(PATIENCE):
            while len(await colours(page)) < 100:
                await page.wait_for_timeout(100)
        async with page.expect_download() as downloading:
            with pytest.raises(Error, match="Download is starting"):
                await page.goto(at(port, attached))
        assert (await downloading.value).suggested_filename == "sea.png"


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
        ("a.html", b"<!doctype html><script>alert(1)</script>"),
        ("a.txt", b"text"),
        ("a.pdf", b"%PDF-1.7\n"),
    ],
)
async def test_what_a_browser_could_run_is_not_shown(client: Client, filename: str, content: bytes) -> None:
    file = await client.upload(content, filename=filename, category="outputs")

    refused = await client.request("POST", f"/api/v1/files/{file['id']}/links", json={"disposition": "inline"})
    misspelt = await client.request("POST", f"/api/v1/files/{file['id']}/links", json={"disposition": "shown"})

    assert refusal(refused) == (422, "invalid_request")
    assert "pictures, films and sound" in refused.text
    assert misspelt.status_code == 422
    assert (await share(client, file))["disposition"] == "attachment"
