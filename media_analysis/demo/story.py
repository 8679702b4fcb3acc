"""What the demonstration shows, step by step."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

from media_analysis.api import API_PATH as API
from media_analysis.demo.client import Client, DemoFailed
from media_analysis.runtime import Runtime
from media_analysis.storage.furnishing import README_NAME
from media_analysis.storage.marker import MARKER_NAME
from media_analysis.units import format_instant, round_size

PARAMETERS: Final = {"count": 16, "columns": 4}
LATE_SECONDS: Final = 0.1
"""After that what has ended is gone to everybody's clock."""
CONTAINER_TAGS: Final = frozenset({"encoder", "major_brand", "minor_version", "compatible_brands"})


class Progress(Protocol):
    """Shows the events of one job."""

    status: str | None
    """The last one told."""

    def tell(self, kind: str, said: Mapping[str, Any], at: datetime) -> None:
        """Show one event."""


class Screen(Protocol):
    """Shows what the story says."""

    def head(self, title: str) -> None:
        """Begin a chapter."""

    def say(self, sentence: str) -> None:
        """Show a sentence."""

    def fact(self, name: str, text: str) -> None:
        """Show one of several named facts."""

    def table(self, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        """Show rows under their names."""

    def progress(self) -> AbstractContextManager[Progress]:
        """Yield what shows a job's events while the block runs."""


@dataclass
class Story:
    """One video from its upload to the last of its bytes."""

    client: Client
    runtime: Runtime
    address: str
    screen: Screen
    job_id: str = ""
    files: list[dict[str, Any]] = field(default_factory=list)
    """The upload and the job's products."""

    async def upload(self, video: Path) -> None:
        """Store the video."""
        self.screen.head("A video is uploaded")
        stored = await self.client.upload(video)
        self.files.append(stored)
        self.screen.say(
            f"POST {API}/files → 201: {stored['filename']}, {stored['media_type']}, {round_size(stored['size_bytes'])}"
        )
        self.screen.say(f"sha256 {stored['sha256']}")

    async def analyze(self) -> None:
        """Have it analysed, following every event."""
        self.screen.head("It is analysed")
        sources = [self.files[0]["id"]]
        asked = {"name": "demo", "kind": "analyze", "source_file_ids": sources, "parameters": PARAMETERS}
        job = (await self.client.call("POST", "/jobs", 202, json=asked)).json()
        self.job_id = job["id"]
        self.screen.say(f"POST {API}/jobs → 202; progress from {API}/jobs/{self.job_id}/events")
        with self.screen.progress() as display:
            async for told in self.client.events(self.job_id):
                display.tell(told.kind, told.said, datetime.fromisoformat(told.said["at"]))
        if display.status != "completed":
            error = (await self.client.get(f"/jobs/{self.job_id}"))["error"] or {"detail": "it did not end"}
            raise DemoFailed(f"the job ended {display.status}: {error['detail']}")

    async def show_facts(self) -> None:
        """Print what the probe found."""
        self.screen.head("What it is")
        found = await self.client.get(f"/jobs/{self.job_id}/results", kind="probe")
        for name, text in _facts(found["items"][0]["data"]):
            self.screen.fact(name, text)

    async def show_retention(self) -> None:
        """Print what there is now, how long each category of it is kept, and by which rule."""
        self.screen.head("What there is now, and for how long")
        self.files += await self._products()
        rows = []
        for category, same in _by_category(self.files).items():
            told = await self.client.get(f"/files/{same[0]['id']}/retention")
            size_bytes = sum(file["size_bytes"] for file in same)
            rows.append((category, str(len(same)), round_size(size_bytes), _instant(told["at"]), told["rule"]))
        told = (await self.client.get(f"/jobs/{self.job_id}/retention"))["results"]
        rows.append(("(results)", str(told["count"]), "", _instant(told["latest"]), ""))
        self.screen.table(("category", "files", "bytes", "expires (UTC)", "rule"), rows)
        self.screen.say(f"GET {API}/files/ID/retention says it of every file, /jobs/{self.job_id}/retention of all")

    async def show_sheet(self, copy: Path | None, token_file: Path) -> None:
        """Say where the contact sheet is."""
        sheet = next((file for file in self.files if file["role"] == "contact_sheet"), None)
        if sheet is None:
            return  # there was nothing to see
        self.screen.head("The contact sheet")
        row = await self.runtime.files.catalog.get(UUID(sheet["id"]), owner=None)
        self.screen.say(f"file  {self.runtime.store.where(row.key)}")
        self.screen.say(
            f'get   curl -H "Authorization: Bearer $(cat {token_file})" '
            f"-o sheet.jpg {self.address}{API}/files/{sheet['id']}/content"
        )
        if copy is None:
            self.screen.say("copy  none; --sheet FILE makes one that stays")
            return
        content = (await self.client.call("GET", f"/files/{sheet['id']}/content", 200)).content
        try:
            await asyncio.to_thread(copy.write_bytes, content)
        except OSError as error:
            raise DemoFailed(f"the contact sheet cannot be saved as {copy}: {error.strerror}") from error
        self.screen.say(f"copy  {copy}")

    async def let_all_end(self, seconds: int) -> None:
        """Let all of it end in so many seconds, and sweep."""
        self.screen.head("It expires")
        ends_at = await self._give_one_end(seconds)
        await asyncio.sleep(max((ends_at - datetime.now(UTC)).total_seconds() + LATE_SECONDS, 0))
        gone = (await self.client.call("GET", f"/files/{self.files[0]['id']}/content", 410)).json()
        self.screen.say(f"GET {API}/files/{self.files[0]['id']}/content → 410: {gone['code']}, {gone['rule']}")
        outcome = (await self.client.call("POST", "/storage/cleanup", 200, params={"dry_run": "false"})).json()
        self.screen.say(f"POST {API}/storage/cleanup?dry_run=false → 200: the sweep is {outcome['status']}")
        tallies = [(name, tally) for name, tally in outcome["categories"].items() if tally["files_removed"]]
        self.screen.table(
            ("category", "files removed", "bytes freed"),
            [(name, str(tally["files_removed"]), round_size(tally["bytes_freed"])) for name, tally in tallies],
        )
        await self._show_what_stays()

    async def _give_one_end(self, seconds: int) -> datetime:
        """Give the job, its products and its source one new end."""
        ends_at = datetime.now(UTC) + timedelta(seconds=seconds)
        change = {"expires_at": ends_at.isoformat()}
        await self.client.call("PATCH", f"/jobs/{self.job_id}", 200, json=change)
        await self.client.call("PATCH", f"/files/{self.files[0]['id']}", 200, json=change)
        self.screen.say(f"PATCH {API}/jobs/{self.job_id} and its source → 200: all of it ends in {seconds} s")
        return ends_at

    async def _products(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {"limit": 1_000}
        while True:
            page = await self.client.get(f"/jobs/{self.job_id}/files", **query)
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            query["cursor"] = page["next_cursor"]

    async def _show_what_stays(self) -> None:
        left = await asyncio.to_thread(_objects, self.runtime.settings.store_path)
        deletions = (await self.client.get("/deletions", limit=1_000))["items"]
        gone = {deletion["file_id"]: deletion for deletion in deletions}
        if missing := [file["filename"] for file in self.files if file["id"] not in gone]:
            raise DemoFailed(f"not deleted: {', '.join(missing)}")
        if left != [MARKER_NAME, README_NAME]:
            raise DemoFailed(f"left in the store: {', '.join(left)}")
        if results := (await self.client.get("/results", job_id=self.job_id))["items"]:
            raise DemoFailed(f"{len(results)} results did not expire")
        rules = sorted({gone[file["id"]]["rule"] for file in self.files})
        self.screen.say(f"{len(self.files)} tombstones say when and why ({', '.join(rules)}): GET {API}/deletions")
        self.screen.say(
            f"no result is left, and in {self.runtime.settings.store_path} only {MARKER_NAME}, "
            f"which says whose store it is, and {README_NAME}"
        )


def _objects(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def _by_category(files: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    categories = dict.fromkeys(file["category"] for file in files)
    return {category: [file for file in files if file["category"] == category] for category in categories}


def _facts(probe: Mapping[str, Any]) -> list[tuple[str, str]]:
    audio = probe["audio"] or {}
    colours = "HDR" if probe["hdr"] else "SDR"
    told = [
        ("container", f"{probe['format']}, {round_size(probe['size_bytes'])}, {_rate(probe['bit_rate'])}"),
        ("duration", "" if probe["duration_seconds"] is None else f"{probe['duration_seconds']:.2f} s"),
        (
            "video",
            f"{probe['video_codec']} {probe['video_profile'] or ''}, {probe['width']} x {probe['height']}, "
            f"{probe['frame_rate']:g} frames/s, {probe['frames']} frames, {probe['pixel_format']}, {colours}"
            if probe["video_codec"]
            else "",
        ),
        ("picture", f"{probe['width']} x {probe['height']}" if probe["image"] else ""),
        ("audio", ", ".join(str(audio[name]) for name in ("codec", "layout", "sample_rate") if audio.get(name))),
        ("metadata", ", ".join(f"{name}: {value}" for name, value in _tags(probe["metadata"]))),
    ]
    return [(name, text) for name, text in told if text]


def _tags(metadata: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in metadata.items() if name not in CONTAINER_TAGS]


def _rate(bits: int | None) -> str:
    return "bit rate unknown" if bits is None else f"{bits / 1e6:.2f} Mbit/s"


def _instant(at: str | None) -> str:
    return "never" if at is None else format_instant(datetime.fromisoformat(at))
