"""A store is moved by commands, beside a service and after it."""

import json
from pathlib import Path

from media_analysis.runtime import Runtime
from tests.cli.commands import run
from tests.conftest import StoreFile, fetch


async def test_a_store_is_copied_and_how_far_that_is_told(
    environment: dict[str, str], runtime: Runtime, store_file: StoreFile, tmp_path: Path
) -> None:
    await store_file(b"kept")
    await store_file(b"more")
    nothing = run("store", "status", **environment)
    moved = run("store", "move", "--to", (tmp_path / "new").as_uri(), **environment)
    under_way = json.loads(run("store", "status", "--json", **environment).stdout)
    again = run("store", "move", "--to", (tmp_path / "elsewhere").as_uri(), **environment)
    shown = run("status", **environment)
    cancelled = run("store", "cancel", **environment)
    slowly = run("store", "move", "--to", (tmp_path / "new").as_uri(), "--rate", "10MiB", **environment)

    assert nothing.stdout == "nothing was ever moved\n"
    assert moved.stdout == "copied 2 objects, 8 B, and deleted 0 that are gone\n"
    assert [(each["state"], each["copied"], each["to_copy"]["objects"]) for each in under_way] == [
        ("under way", {"objects": 2, "size_bytes": 8}, 0)
    ]
    assert f"move 1     to {(tmp_path / 'new').as_uri()}, 2 objects copied, 0 to copy\n" in shown.stdout
    assert (again.returncode, "end it by switch or cancel" in again.stderr) == (1, True)
    assert cancelled.stdout.startswith("all objects stay at")
    assert slowly.returncode == 0


async def test_a_store_is_switched_and_what_is_left_deleted_once_its_address_is_repeated(
    environment: dict[str, str], runtime: Runtime, store_file: StoreFile, tmp_path: Path, database: str
) -> None:
    file = await store_file(b"kept")
    old, new = runtime.settings.store_path, tmp_path / "new"
    run("store", "move", "--to", new.as_uri(), **environment)
    switched, refused = run("store", "switch", **environment), run("status", **environment)
    there = environment | {"STORAGE_URL": new.as_uri()}
    counted = run("store", "delete-old", **there)
    mistyped = run("store", "delete-old", "--yes", new.as_uri(), **there)
    assert (old / file.key).exists()
    deleted = run("store", "delete-old", "--yes", old.as_uri(), **there)
    listed, verified = run("store", "status", **there), run("verify", "--hash", **there)

    assert "start the service with STORAGE_URL=" in switched.stderr
    assert (refused.returncode, "moved to" in refused.stderr) == (1, True)
    assert (counted.stdout, "1 objects, 4 B, are left" in counted.stderr) == ("", True)
    assert (mistyped.returncode, deleted.stdout) == (1, "deleted 1 objects, 4 B\n")
    assert "nothing is left" in listed.stdout
    assert verified.returncode == 0, verified.stdout
    actors = await fetch(database, "SELECT actor FROM audit_events WHERE starts_with(action, 'move_')")
    assert [row["actor"] for row in actors] == ["command line"] * 3
    (old / file.key).parent.mkdir(parents=True)  # what inspects the store of this test looks where it was
    (new / file.key).rename(old / file.key)
