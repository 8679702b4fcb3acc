"""PostgreSQL's own disk is full: changes are refused with that reason, and come in again once there is room."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from media_analysis.db.migrations import migrate
from tests.conftest import Client
from tests.db.embedded.servers import short_home
from tests.db.power import Power
from tests.storage.test_disk_faults import mount

UPLOADS = "/api/v1/files?category=uploads&filename=b"
MOST = 400
"""Uploads after which a table has certainly outgrown the blocks it had."""


@pytest.fixture
def small_disk() -> Iterator[Path]:
    with short_home() as home:
        home.chmod(0o755)
        mount("-t", "tmpfs", "-o", "size=192m,mode=0755", "tmpfs", str(home))
        yield home
        subprocess.run(["umount", "-l", home], check=True)


@pytest.fixture
async def database(small_disk: Path) -> AsyncIterator[str]:
    power = Power(small_disk / "postgres")
    await power.switch_on()
    await migrate(power.url)
    try:
        yield power.url
    finally:
        await power.switch_off()


async def test_a_full_disk_is_the_reason_told_and_a_deletion_or_room_helps(client: Client, small_disk: Path) -> None:
    known = await client.upload()
    filler = small_disk / "filler"
    found = os.statvfs(small_disk)
    filler.write_bytes(bytes(found.f_bavail * found.f_frsize))

    for _ in range(MOST):
        refused = await client.request("POST", UPLOADS, content=b"some bytes")
        if refused.status_code != 201:
            break
    unready = await client.request("GET", "/readyz", by=None)
    deleted = await client.request("DELETE", f"/api/v1/files/{known['id']}")
    filler.unlink()
    async with asyncio.timeout(60):  # should the server have given up meanwhile, it comes back by itself
        while (again := await client.request("POST", UPLOADS, content=b"again")).status_code != 201:  # noqa: ASYNC110 - servers set no Event
            await asyncio.sleep(0.1)

    assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
    assert refused.json()["reason"] == "its disk is full"
    assert (unready.status_code, "its disk is full" in unready.json()["checks"]["database"]) == (503, True)
    assert deleted.status_code == 204 or deleted.json()["reason"] == "its disk is full"
    assert again.status_code == 201
