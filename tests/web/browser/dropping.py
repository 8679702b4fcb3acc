"""Files of the disk that are dropped into a page, as a file manager drops them, and a line that is slow."""

from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page

FILM: Final = Path(__file__).parents[3] / "examples/a-day-at-sea.mp4"
MIB: Final = 2**20


def long_film(folder: Path, name: str, mebibytes: int) -> Path:
    """Return a film that plays as the example does, and is followed by so much of what players skip (ISO 14496-12)."""
    room = mebibytes * MIB
    path = folder / name
    path.write_bytes(FILM.read_bytes() + (room + 8).to_bytes(4) + b"free" + bytes(range(256)) * (room // 256))
    return path


async def drop(page: Page, *files: Path) -> None:
    """Drop files where the page says so."""
    place = await page.locator("#drop").bounding_box()
    assert place is not None
    at = {"x": place["x"] + place["width"] / 2, "y": place["y"] + 5}
    carried = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
    tools = await page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        await tools.send("Input.dispatchDragEvent", {"type": kind, **at, "data": carried})
    await tools.detach()


class SlowLine:
    """What a page sends at no more than so many bytes a second, until it is mended."""

    def __init__(self, tools: Any) -> None:
        self._tools = tools

    @classmethod
    async def of(cls, page: Page, *, bytes_per_second: int) -> "SlowLine":
        made = cls(await page.context.new_cdp_session(page))
        await made._limit(bytes_per_second)
        return made

    async def mend(self) -> None:
        await self._limit(-1)

    async def _limit(self, bytes_per_second: int) -> None:
        rates = {"downloadThroughput": -1, "uploadThroughput": bytes_per_second}
        await self._tools.send("Network.emulateNetworkConditions", {"offline": False, "latency": 0, **rates})
