"""Programs people upload with: each sends 5 MB in every form it knows, and every byte is there."""

import asyncio
import hashlib
import json
import random
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.api.raw import PATIENCE, served
from tests.conftest import Client, fetch

CONTENT = random.Random(5).randbytes(5_000_000)
HERE = Path(__file__).parent / "clients"
CURL = {
    "data": ["--data-binary", "@{file}", "{raw}"],
    "data, HTTP/2 offered": ["--http2", "--data-binary", "@{file}", "{raw}"],
    "data, HTTP/1.0": ["--http1.0", "--data-binary", "@{file}", "{raw}"],
    "chunked": ["-X", "POST", "-T", "-", "{raw}"],
    "chunked, HTTP/2 offered": ["--http2", "-X", "POST", "-T", "-", "{raw}"],
    "transfer": ["-X", "POST", "-T", "{file}", "{raw}"],
    "transfer without waiting": ["-X", "POST", "-H", "Expect:", "-T", "{file}", "{raw}"],
    "form": ["-F", "category=temp", "-F", "file=@{file}", "{form}"],
    "form with type and name": ["-F", "category=temp", "-F", "file=@{file};type=video/mp4;filename=ä b.mp4", "{form}"],
    "form from a pipe": ["-F", "category=temp", "-F", "file=@-;filename=a.bin", "{form}"],
    "form, HTTP/2 offered": ["--http2", "-F", "category=temp", "-F", "file=@{file}", "{form}"],
}


@dataclass(frozen=True)
class Place:
    """Where to upload, what, and as whom."""

    port: int
    file: Path
    token: str

    def fill(self, text: str) -> str:
        form = f"http://127.0.0.1:{self.port}/api/v1/files"
        return text.format(file=self.file, form=form, raw=f"{form}?category=temp&filename=a.bin")

    async def run(self, *command: str) -> list[str]:
        """Return the lines a program prints that reads the file where it reads its input."""
        with self.file.open("rb") as content:
            running = await asyncio.create_subprocess_exec(
                *map(self.fill, command),
                stdin=content,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            printed, complained = await asyncio.wait_for(running.communicate(), 2 * PATIENCE)
        assert running.returncode == 0, complained.decode()
        return printed.decode().splitlines()


@pytest.fixture
async def place(app: FastAPI, client: Client, tmp_path: Path) -> AsyncIterator[Place]:
    file = tmp_path / "five.bin"
    file.write_bytes(CONTENT)
    async with served(app) as port:
        yield Place(port, file, client.tokens["alice"])


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


async def require_whole(printed: list[str], database: str, forms: int) -> None:
    """What was answered says what was sent, and so does what is stored."""
    digest = hashlib.sha256(CONTENT).hexdigest()
    answers = [json.loads(line) for line in printed]
    rows = await fetch(database, "SELECT size_bytes, encode(sha256, 'hex') AS sha256 FROM media_files")
    expected = [(len(CONTENT), digest)] * forms
    assert [(answer["size_bytes"], answer["sha256"]) for answer in answers] == expected
    assert [(row["size_bytes"], row["sha256"]) for row in rows] == expected


async def test_curl_uploads_every_byte_in_every_form(place: Place, database: str) -> None:
    curl, printed = program("curl"), list[str]()

    for arguments in CURL.values():
        told = ("-sS", "--fail-with-body", "-H", f"Authorization: Bearer {place.token}", "-w", "\\n")
        printed += await place.run(curl, *told, *arguments)

    await require_whole(printed, database, len(CURL))


@pytest.mark.parametrize(
    ("command", "forms"),
    [
        ([sys.executable, f"{HERE}/upload.py", "requests"], 4),
        ([sys.executable, f"{HERE}/upload.py", "httpx"], 4),
        (["node", f"{HERE}/upload.mjs"], 6),
        (["java", f"{HERE}/Upload.java"], 8),
    ],
    ids=["requests", "httpx", "node", "java"],
)
async def test_a_program_uploads_every_byte_in_every_form(
    place: Place, database: str, command: list[str], forms: int
) -> None:
    printed = await place.run(program(command[0]), *command[1:], "{raw}", "{form}", place.token, "{file}")

    await require_whole(printed, database, forms)
