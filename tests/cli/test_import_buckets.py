"""`import` from a bucket into a store in the same one: killed, asked for again, and complete."""

import asyncio
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from media_analysis.failpoints import KILL_VARIABLE
from media_analysis.runtime import open_runtime
from media_analysis.settings import load_settings
from tests.cli.commands import armed, run
from tests.conftest import fetch
from tests.oracle import inspect_everything
from tests.s3 import ENVIRONMENT, asking, mirror, new_bucket

pytestmark = pytest.mark.s3
NAMES = [f"{number}.bin" for number in range(9)]


async def test_an_import_from_the_bucket_of_the_store_that_is_killed_goes_on_when_asked_for_again(
    environment: dict[str, str], database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    async with new_bucket() as bucket:
        old, store = replace(bucket, prefix="old"), replace(bucket, prefix="store")
        for name in NAMES:
            await asking(bucket).send("PUT", key=f"old/{name}", content=name.encode())
        variables = environment | ENVIRONMENT | {"STORAGE_URL": str(store)}
        async with open_runtime(load_settings(environ=variables).settings, database):
            pass

        for moment in ("import.named:1", "import.storing:1", "import.stored:1", None):
            arms = {} if moment is None else armed(KILL_VARIABLE, moment)
            done = await asyncio.to_thread(run, "import", str(old), "--category", "uploads", **variables, **arms)

            assert done.returncode == (0 if moment is None else -signal.SIGKILL), done.stderr
        around = await asyncio.to_thread(run, "import", str(bucket), "--category", "uploads", **variables)

        rows = await fetch(database, "SELECT filename FROM media_files WHERE state = 'stored' ORDER BY filename")
        assert [row["filename"] for row in rows] == NAMES
        assert around.returncode == 1
        assert f"the store lies inside it, at {store}" in around.stderr
        left = await mirror(old, tmp_path / "left")
        assert {path.name: path.read_bytes() for path in left.iterdir()} == {name: name.encode() for name in NAMES}
        assert await inspect_everything(database, await mirror(store, tmp_path / "store")) == []
