"""Replicas on the command line: how they stand, what mends them, and what is refused."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.cli.commands import run
from tests.conftest import StoreFile, fetch
from tests.replication.conftest import Settle, environment, replication_of, second, settle  # noqa: F401 - fixtures
from tests.replication.test_copying import lying, unmount


def spoil(second: Path, lost: str, cut: Path) -> None:  # noqa: F811
    """Lose a copy, cut an object, and leave something that nobody knows."""
    (second / lost).unlink()
    (second / "uploads" / "stranger").write_bytes(b"of nobody")
    cut.write_bytes(b"cut")


@contextmanager
def missing(path: Path) -> Iterator[None]:
    kept = path.rename(path.with_suffix(".kept"))
    yield
    kept.rename(path)


async def test_what_is_missing_on_either_side_is_mended_and_what_nobody_knows_is_named(
    runtime: Runtime,
    store_file: StoreFile,
    settle: Settle,  # noqa: F811
    environment: dict[str, str],  # noqa: F811
    second: Path,  # noqa: F811
) -> None:
    lost, cut = await store_file(b"its copy is lost"), await store_file(b"cut in the primary store")
    await settle()
    primary = Path(replication_of(runtime).store.primary.where(cut.key))
    spoil(second, lost.key, primary)

    repaired = run("replica", "repair", **environment)
    again = run("replica", "repair", "--json", **environment)

    assert repaired.returncode == again.returncode == 2
    assert "compared 2 files: 1 replicas and 1 primaries were missing or of another size" in repaired.stdout
    assert "nobody knows uploads/stranger, beside the replicas" in repaired.stdout
    told = json.loads(again.stdout)
    assert (told["lost_replicas"], told["damaged"], told["unknown_keys"]) == (0, 0, ["uploads/stranger"])
    assert (told["left"]["copied_files"], told["left"]["pending_files"]) == (2, 0)
    stored = {file.key: file.sha256.hex() for file in (lost, cut) if file.sha256}
    assert lying(primary.parents[2]) == stored
    assert lying(second).items() >= stored.items()


async def test_what_has_no_replica_to_be_mended_from_is_left_and_said(
    runtime: Runtime,
    store_file: StoreFile,
    settle: Settle,  # noqa: F811
    environment: dict[str, str],  # noqa: F811
) -> None:
    alone = await store_file(b"has no replica", category=Category.CLIPS)
    await settle()
    with missing(Path(replication_of(runtime).store.primary.where(alone.key))):
        repaired = run("replica", "repair", **environment)
        status = run("replica", "status", **environment)
        told = run("replica", "status", "--json", **environment)

    assert repaired.returncode == 2
    sentence = "1 primaries are damaged or missing, and nothing mends them; media-analysis verify names them"
    assert sentence in repaired.stdout
    assert sentence in status.stdout
    assert (json.loads(told.stdout)["damaged_files"], json.loads(told.stdout)["healing_files"]) == (1, 0)


async def test_a_lost_replica_store_is_away_until_it_is_said_to_be_new(
    runtime: Runtime,
    store_file: StoreFile,
    settle: Settle,  # noqa: F811
    environment: dict[str, str],  # noqa: F811
    second: Path,  # noqa: F811
    database: str,
) -> None:
    file = await store_file(b"copied twice")
    await settle()
    unmount(second)

    away = run("replica", "status", **environment)
    refused = run("replica", "repair", **environment)
    mended = run("replica", "repair", "--new", **environment)
    status = run("replica", "status", "--json", **environment)

    assert away.returncode == 2
    assert "away: the marker is missing; is the volume mounted?" in away.stdout
    assert refused.returncode == 1
    assert lying(second) == {file.key: file.sha256.hex()} if file.sha256 else False
    assert (mended.returncode, status.returncode) == (0, 0)
    told = json.loads(status.stdout)
    assert (told["copied_files"], told["pending_files"], told["away_because"]) == (1, 0, None)
    assert len(await fetch(database, "SELECT * FROM replicas WHERE copied_at IS NOT NULL")) == 1


@pytest.mark.usefixtures("runtime")
async def test_replicas_end_only_when_nothing_names_them(
    environment: dict[str, str],  # noqa: F811
    database: str,
) -> None:
    without = {name: value for name, value in environment.items() if name != "STORAGE_REPLICA_URL"}

    named = run("replica", "end", **environment)
    unnamed = run("sweep", **without)
    forgotten = run("replica", "end", **without)
    nothing = run("replica", "repair", **without)

    assert "STORAGE_REPLICA_URL names a replica; take that away first" in named.stderr
    assert "STORAGE_REPLICA_URL does not name it" in unnamed.stderr
    assert forgotten.returncode == 0
    assert "are left as they are" in forgotten.stdout
    assert "by hand" in forgotten.stdout
    assert "there is no replica: STORAGE_REPLICA_URL says where one lies" in nothing.stderr
    assert await fetch(database, "SELECT * FROM replica_places") == []


async def test_no_store_moves_beside_replicas_that_the_settings_do_not_name(
    runtime: Runtime,
    environment: dict[str, str],  # noqa: F811
    second: Path,  # noqa: F811
) -> None:
    unnamed = {name: value for name, value in environment.items() if name != "STORAGE_REPLICA_URL"}

    moved = run("store", "move", "--to", (second / "below").as_uri(), **unnamed)

    assert moved.returncode != 0
    assert "STORAGE_REPLICA_URL does not name it" in moved.stderr
    assert not (second / "below").exists()
