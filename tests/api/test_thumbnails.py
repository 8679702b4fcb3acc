"""Small pictures that stand for files, over HTTP: what they show, and what becomes of those that are kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageStat

from media_analysis.renditions import making
from media_analysis.runtime import Runtime
from media_analysis.storage.disk import DiskStore
from tests.api.answers import refusal
from tests.api.filming import kept, opened, picture, upload
from tests.conftest import Client, fetch
from tests.media import clips, images
from tests.media.pictures import numbered, read_number

FILES = "/api/v1/files"


def black_first(number: int, width: int, height: int) -> Image.Image:
    """Draw nothing for the first half of a film."""
    return numbered(number, width, height) if number >= 25 else Image.new("RGB", (width, height))


async def thumbnail(client: Client, file_id: str, **about: Any) -> Image.Image:
    return opened(await picture(client, file_id, "thumbnail", **about))


async def listed(client: Client, **query: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await client.request("GET", FILES, params=query)).json()["items"]
    return items


async def test_pictures_stand_upright_in_screen_colours_on_white_and_no_larger_than_they_are(client: Client) -> None:
    tall, deep = BytesIO(), Path(__file__).parents[1] / "media" / "cases" / "grey16.tif"
    Image.new("RGBA", (40, 400), (0, 0, 0, 0)).save(tall, "png")
    clear = str((await client.upload(tall.getvalue(), filename="tall.png"))["id"])

    for path in (images.oriented(6), images.oriented(7), images.cmyk_jpeg(), images.webp()):
        assert read_number(await thumbnail(client, await upload(client, path), width=1280)) == images.NUMBER, path.name
    on_white = await thumbnail(client, clear, width=32)
    grey = await thumbnail(client, await upload(client, deep), width=48)

    assert on_white.size == (13, 128), "no taller than four times the width"
    assert on_white.getextrema() == ((255, 255),) * 3
    assert grey.width == 48
    assert ImageStat.Stat(grey.convert("L")).stddev[0] > 40


async def test_a_film_is_shown_by_a_picture_that_shows_something(client: Client) -> None:
    dark = clips.film("dark.mp4", clips.Film(pictures=clips.Pictures(paint=black_first)))

    shown = await thumbnail(client, await upload(client, dark))
    turned = await thumbnail(client, await upload(client, clips.turned(90)), width=64)

    assert read_number(shown) >= 25
    assert turned.size == (64, 96)


async def deletions(client: Client, **query: Any) -> Any:
    return (await client.request("GET", "/api/v1/deletions", params=query)).json()


async def test_sixty_at_once_are_all_answered(client: Client, runtime: Runtime, database: str) -> None:
    file_id = await upload(client, images.jpeg())

    asked = [picture(client, file_id, "thumbnail", width=100 + number) for number in range(60)]
    answers = await asyncio.gather(*asked)

    assert {each.status_code for each in answers} == {200}
    assert len(await kept(runtime, database)) == 60
    assert len(await listed(client)) == 1, "nobody asked for renditions"
    assert len(await listed(client, renditions=True, limit=100)) == 61


async def test_what_is_kept_counts_ends_with_its_file_and_is_no_news(
    client: Client, runtime: Runtime, database: str
) -> None:
    file_id = await upload(client, images.jpeg(), ttl_seconds=3600)
    ends_at = (await client.request("GET", f"{FILES}/{file_id}")).json()["expires_at"]
    await thumbnail(client, file_id)
    (row,) = await kept(runtime, database)
    described = (await client.request("GET", f"{FILES}/{row['id']}")).json()
    explained = await client.request("GET", f"{FILES}/{row['id']}/retention")
    usage = await fetch(database, "SELECT files, size_bytes FROM ledger WHERE owner = 'alice' AND category = 'temp'")

    gone = await client.request("DELETE", f"{FILES}/{file_id}")

    assert (described["parent_id"], described["category"], described["expires_at"]) == (file_id, "temp", ends_at)
    assert explained.status_code == 200
    assert [dict(each) for each in usage] == [{"files": 1, "size_bytes": row["size_bytes"]}]
    assert gone.status_code == 204, "it goes alone, as far as anybody counts"
    assert refusal(await client.request("GET", f"{FILES}/{row['id']}")) == (410, "file_gone")
    assert await kept(runtime, database) == []
    assert await fetch(database, "SELECT type FROM events WHERE category = 'temp'") == []
    deleted = {
        renditions: [each["file_id"] for each in (await deletions(client, renditions=renditions))["items"]]
        for renditions in (False, True)
    }
    assert deleted[False] == [file_id]
    assert set(deleted[True]) == {file_id, str(row["id"])}


async def test_who_waits_too_long_for_the_bytes_of_a_film_is_told_to_ask_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_id = await upload(client, images.jpeg())

    @asynccontextmanager
    async def wait_for_room(_store: DiskStore, _objects: object) -> AsyncIterator[list[Path]]:
        await asyncio.Event().wait()
        yield []

    with monkeypatch.context() as full:
        full.setattr(DiskStore, "local_copies", wait_for_room)
        full.setattr(making, "LONGEST_SECONDS", 0.01)
        told = await client.request("GET", f"{FILES}/{file_id}/thumbnail")
    shown = await picture(client, file_id, "thumbnail")

    assert refusal(told) == (503, "pictures_busy")
    assert told.headers["Retry-After"] == "2"
    assert shown.status_code == 200
