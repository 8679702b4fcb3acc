"""A second place without room: copies wait, and whoever asks hears why."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from media_analysis.runtime import Runtime
from tests.conftest import StoreFile, execute
from tests.replication.conftest import Settle, replication_of
from tests.replication.test_copying import LARGE, lying
from tests.storage.test_disk_faults import small_disk


@pytest.fixture
def second(tmp_path: Path) -> Iterator[Path]:
    """A disk that takes one large file and not two."""
    with small_disk(tmp_path / "second", mebibytes=4) as root:
        yield root


async def test_what_has_no_room_waits_and_the_status_says_why(
    runtime: Runtime, store_file: StoreFile, settle: Settle, second: Path, database: str
) -> None:
    services = replication_of(runtime)
    await settle()
    (second / "filler").write_bytes(bytes(3 * 2**20))
    file = await store_file(LARGE)
    while await services.noting.run():
        pass
    await services.replicas.run(is_large=True)

    status = await services.status.read()
    assert status is not None
    assert status.failing == [(file.key, "no room is left where it is copied to")]
    (second / "filler").unlink()
    await execute(database, "UPDATE replicas SET due_at = now() WHERE due_at IS NOT NULL")
    await settle()
    assert lying(second).keys() == {file.key}
