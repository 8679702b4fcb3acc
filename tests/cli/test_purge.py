"""Deletions that were given up: listed with their reason, and tried again on demand."""

import json
from pathlib import Path

import pytest

from media_analysis.runtime import Runtime
from tests.asking import delete_file
from tests.cli.commands import run
from tests.conftest import StoreFile, execute, fetch
from tests.disks import disk_of


def poison(path: Path) -> None:
    """Put a directory in the place of an object, which no unlink removes."""
    path.unlink()
    path.mkdir()


@pytest.fixture
async def dead(runtime: Runtime, store_file: StoreFile, database: str) -> Path:
    """The object of a deletion that was given up."""
    file = await store_file()
    path = disk_of(runtime.store).root / file.key
    poison(path)
    await delete_file(runtime, file.id, owner="alice", actor="alice")
    await execute(database, "UPDATE purges SET dead_at = now(), due_at = NULL, attempts = 20 WHERE due_at IS NOT NULL")
    return path


def mend(path: Path) -> None:
    path.rmdir()


async def test_what_was_given_up_is_listed_and_goes_once_its_cause_is_mended(
    dead: Path, database: str, environment: dict[str, str]
) -> None:
    (letter,) = json.loads(run("purge", "list", "--json", **environment).stdout)
    listed = run("purge", "list", **environment)
    mend(dead)

    retried = run("purge", "retry", letter["id"][-12:], **environment)
    run("sweep", **environment)

    assert (letter["files"], letter["attempts"]) == (1, 20)
    assert letter["first_key"] in listed.stdout
    assert (retried.returncode, retried.stdout) == (0, "1 deletions are to be tried again\n")
    assert await fetch(database, "SELECT FROM purges WHERE confirmed_at IS NULL AND tombstone_ids <> '{}'") == []


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("arguments", [(), ("--all", "0123abcd")], ids=["nothing", "both"])
def test_what_is_to_be_tried_again_must_be_said(arguments: tuple[str, ...], environment: dict[str, str]) -> None:
    refused = run("purge", "retry", *arguments, **environment)

    assert (refused.returncode, refused.stderr) == (1, "media-analysis: ID: give the ids of purges, or --all\n")
