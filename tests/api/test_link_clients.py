"""Programs that know nothing but an address: rclone and curl read through links, and curl brings a file by one."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI

from tests.api.links import invite, share
from tests.api.raw import PATIENCE, served
from tests.conftest import Client

CONTENT = bytes(range(256)) * 5_000


@pytest.fixture
async def address(app: FastAPI) -> AsyncIterator[str]:
    """Where the application listens."""
    async with served(app) as port:
        yield f"http://127.0.0.1:{port}"
    app.state.draining = False


async def run(name: str, *arguments: str, folder: Path) -> bytes:
    """Return what a program prints, which has to succeed."""
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    running = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        cwd=folder,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complained = await asyncio.wait_for(running.communicate(), 2 * PATIENCE)
    assert running.returncode == 0, complained.decode()
    return printed


async def test_rclone_copies_from_a_link_by_address_and_as_a_remote(
    client: Client, address: str, tmp_path: Path
) -> None:
    link = await share(client, await client.upload(CONTENT, filename="a day.mp4"))
    url = address + urlsplit(link["url"]).path
    remote = ("--http-url", url.rpartition("/")[0], ":http:a day.mp4")

    await run("rclone", "copyurl", url, "copied", "--auto-filename", folder=tmp_path)
    await run("rclone", "copy", *remote, "remote", folder=tmp_path)
    assert (tmp_path / "copied" / "a day.mp4").read_bytes() == CONTENT
    assert (tmp_path / "remote" / "a day.mp4").read_bytes() == CONTENT


async def test_curl_goes_on_where_it_was_and_brings_a_file_once(client: Client, address: str, tmp_path: Path) -> None:
    link = await share(client, await client.upload(CONTENT, filename="a day.mp4"))
    upload = await invite(client, max_bytes=len(CONTENT))
    url, to = (address + urlsplit(one["url"]).path for one in (link, upload))
    (tmp_path / "half").write_bytes(CONTENT[:1000])
    (tmp_path / "b c.mp4").write_bytes(CONTENT)

    await run("curl", "-sSf", "-C", "-", "-o", "half", url, folder=tmp_path)
    await run("curl", "-sSfOJ", url, folder=tmp_path)
    await run("curl", "-sSf", "-T", "b c.mp4", to.removesuffix("unnamed"), folder=tmp_path)
    again = await run("curl", "-sS", "-T", "b c.mp4", "-w", "%{http_code}", "-o", "no", to, folder=tmp_path)

    assert (tmp_path / "half").read_bytes() == CONTENT
    assert (tmp_path / "a day.mp4").read_bytes() == CONTENT
    assert again == b"410"
    assert (await client.request("GET", "/api/v1/files")).json()["items"][0]["filename"] == "b c.mp4"
