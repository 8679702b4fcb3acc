"""A store is moved by commands, beside a service and after it."""

import json
from pathlib import Path

from media_analysis.runtime import Runtime
from tests.cli.commands import run
from tests.conftest import StoreFile, fetch


async def test_a_store_is_moved_switched_and_what_is_left_deleted(
    environment: dict[str, str], runtime: Runtime, store_file: StoreFile, tmp_path: Path, database: str
) -> None:
    file = await store_file(b"kept")
    await store_file(b"more")
    old, new = runtime.settings.store_path, tmp_path / "new"
    nothing = run("store", "status", **environment)
    moved = run("store", "move", "--to", new.as_uri(), **environment)
    under_way = json.loads(run("store", "status", "--json", **environment).stdout)
    again = run("store", "move", "--to", (tmp_path / "elsewhere").as_uri(), **environment)
    cancelled = run("store", "cancel", **environment)
    moved_again = run("store", "move", "--to", new.as_uri(), "--rate", "10MiB", **environment)
    switched = run("store", "switch", **environment)
    refused = run("status", **environment)
    there = environment | {"STORAGE_URL": new.as_uri()}
    counted = run("store", "delete-old", **there)
    mistyped = run("store", "delete-old", "--yes", new.as_uri(), **there)
    assert (old / file.key).exists()
    deleted = run("store", "delete-old", "--yes", old.as_uri(), **there)
    listed = run("store", "status", **there)
    verified = run("verify", "--hash", **there)

    assert nothing.stdout == "nothing was ever moved\n"
    assert moved.stdout == "copied 2 objects, 8 B, and deleted 0 that are gone\n"
    assert [(each["state"], each["copied"], each["to_copy"]["objects"]) for each in under_way] == [
        ("under way", {"objects": 2, "size_bytes": 8}, 0)
    ]
    assert (again.returncode, "end it by switch or cancel" in again.stderr) == (1, True)
    assert cancelled.stdout.startswith("all objects stay at")
    assert (moved_again.returncode, switched.returncode) == (0, 0)
    assert "start the service with STORAGE_URL=" in switched.stderr
    assert refused.returncode == 1
    assert "moved to" in refused.stderr
    assert counted.stdout == ""
    assert "2 objects, 8 B, are left" in counted.stderr
    assert (mistyped.returncode, deleted.returncode, deleted.stdout) == (1, 0, "deleted 2 objects, 8 B\n")
    assert "switched, nothing is left" in listed.stdout
    assert verified.returncode == 0, verified.stdout
    assert not (old / file.key).exists()
    assert (new / file.key).read_bytes() == b"kept"
    assert {
        row["actor"] for row in await fetch(database, "SELECT actor FROM audit_events WHERE action ~ '^move_'")
    } == {"command line"}
    for path in new.rglob("uploads/*/*"):  # what inspects the store of this test looks where it was
        (old / path.relative_to(new)).parent.mkdir(parents=True, exist_ok=True)
        path.rename(old / path.relative_to(new))
