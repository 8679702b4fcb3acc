"""What `verify --quarantine` set aside ends by its stated life, and nothing that is still wanted does."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from media_analysis.errors import MarkerMismatch
from media_analysis.integrity.verify import VerifyRequest, VerifyService
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import load_settings
from media_analysis.storage.category import Category
from media_analysis.storage.marker import MARKER_NAME
from media_analysis.storage.store import DeleteOutcome
from media_analysis.storage.unlinking import Unlinked, unlink_beneath
from media_analysis.storage.walk import QUARANTINE
from tests.conftest import Client, StoreFile, fetch
from tests.disks import disk_of

SetAside = Callable[..., Path]


@pytest.fixture
def disk_path(tmp_path: Path) -> Path:
    """Where the disk of the archives is mounted."""
    return tmp_path / "archive disk"


@pytest.fixture
def environment(environment: dict[str, str], disk_path: Path) -> dict[str, str]:
    return {**environment, "ARCHIVE_BASE_PATH": str(disk_path)}


@pytest.fixture
async def set_aside(runtime: Runtime) -> SetAside:
    now = await runtime.db.now()

    def lay(key: str, *, days_ago: int = 40) -> Path:
        """Put an object where `verify` would have put it that many days ago."""
        root = disk_of(runtime.store).places.root_of(key)
        path = root / QUARANTINE / f"{now - timedelta(days=days_ago):%Y-%m-%d}" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"stray")
        return path

    return lay


async def test_what_verify_set_aside_ends_thirty_days_later_on_every_disk(
    runtime: Runtime, client: Client, disk_path: Path, database: str
) -> None:
    for path in (disk_of(runtime.store).root / "clips/deep/stray.bin", disk_path / "archives/2026/01/orphan.tar.gz"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"stray")
    now = await runtime.db.now()
    request = VerifyRequest(actor="test", quarantine=True, grace=timedelta())
    moved = await VerifyService(runtime.db, runtime.store).run(request, now=now + timedelta(minutes=1))

    early = (await runtime.records.end(now=now + timedelta(days=30)))["quarantine"]
    rehearsed = (await runtime.records.rehearse(now=now + timedelta(days=31, hours=1)))["quarantine"]
    kept = [path for root in disk_of(runtime.store).places.roots for path in (root / QUARANTINE).rglob("*.*")]
    ended = (await runtime.records.end(now=now + timedelta(days=31, hours=1)))["quarantine"]

    (told,) = [life for life in await runtime.records.list() if life.name == "quarantine"]
    metrics = (await client.request("GET", "/metrics", by=None)).text
    assert (moved.quarantined, early, rehearsed, len(kept), ended) == (2, 0, 2, 2, 2)
    assert [list((root / QUARANTINE).iterdir()) for root in disk_of(runtime.store).places.roots] == [[], []]
    assert (told.setting, told.life, told.ended) == ("storage.records.quarantine", timedelta(days=30), 2)
    assert (told.oldest_at, told.table_bytes) == (None, None)
    assert 'records_ended{kind="quarantine"} 2.0' in metrics
    (row,) = await fetch(database, "SELECT ended_before FROM record_ends WHERE name = 'quarantine'")
    assert row["ended_before"] == told.ended_before


async def test_the_day_of_what_lies_there_longest_is_told(
    runtime: Runtime, client: Client, set_aside: SetAside
) -> None:
    set_aside("archives/2026/01/old.tar.gz", days_ago=20)
    set_aside("clips/new.bin", days_ago=3)

    items = (await client.request("GET", "/api/v1/storage/records", by="admin")).json()["items"]

    (told,) = [item for item in items if item["name"] == "quarantine"]
    day = await runtime.db.now() - timedelta(days=20)
    assert told["oldest_at"] == f"{day:%Y-%m-%d}T00:00:00Z"
    assert (told["table"], told["table_records"], told["life_seconds"]) == (".quarantine", None, 30 * 86_400)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STORAGE_RECORDS_QUARANTINE", "indefinite"),
        ("STORAGE_CLEANUP_ENABLED", "false"),
        ("STORAGE_CLEANUP_DRY_RUN", "true"),
    ],
)
async def test_what_is_set_aside_stays_where_no_stored_byte_is_to_go(
    name: str, value: str, runtime: Runtime, set_aside: SetAside, environment: dict[str, str], database: str
) -> None:
    path = set_aside("clips/stray.bin", days_ago=4_000)
    settings = load_settings(environ={**environment, name: value}).settings

    async with open_runtime(settings, database) as other:
        ended = await other.records.end()

    assert (ended["quarantine"], path.exists()) == (0, True)
    assert (await runtime.records.end())["quarantine"] == 1


async def test_a_pause_keeps_what_lay_in_its_category(runtime: Runtime, set_aside: SetAside) -> None:
    clip, frame, unknown = set_aside("clips/stray.bin"), set_aside("frames/1/stray.bin"), set_aside("else/stray.bin")
    pause = await runtime.deletion.pauses.pause(category=Category.CLIPS, reason="a backup", by="admin")

    rehearsed = (await runtime.records.rehearse())["quarantine"]
    ended = (await runtime.records.end())["quarantine"]
    await runtime.deletion.pauses.resume(pause.id, confirm=0, by="admin")
    set_aside("frames/1/stray.bin")
    everything = await runtime.deletion.pauses.pause(category=None, reason="a backup", by="admin")
    none = (await runtime.records.end())["quarantine"]
    left = (clip.exists(), frame.exists(), unknown.exists())
    await runtime.deletion.pauses.resume(everything.id, confirm=0, by="admin")

    assert (rehearsed, ended, none) == (2, 2, 0)
    assert left == (True, True, False)
    assert (await runtime.records.end())["quarantine"] == 2


async def test_no_transaction_is_open_while_what_was_set_aside_is_deleted(
    runtime: Runtime, set_aside: SetAside, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law 2: a bucket may take longer than a transaction may wait."""
    set_aside("clips/stray.bin")
    delete, waiting = runtime.store.delete_set_aside, list[int]()

    async def look_and_delete(places: Sequence[str]) -> DeleteOutcome:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in %'"
        waiting.append((await fetch(database, query))[0][0])
        return await delete(places)

    monkeypatch.setattr(runtime.store, "delete_set_aside", look_and_delete)

    assert (await runtime.records.end())["quarantine"] == 1
    assert waiting == [0]


async def test_a_pause_waits_for_what_is_being_unlinked(
    runtime: Runtime, set_aside: SetAside, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = set_aside("clips/stray.bin")
    require_marker = runtime.store.require_marker

    async def pause_meanwhile() -> None:
        """Pause between the look at the pauses and the unlinking."""
        impatient = replace(runtime.deletion.pauses, settle_seconds=0.2)
        await impatient.pause(category=Category.CLIPS, reason="a backup", by="admin")
        await require_marker()

    monkeypatch.setattr(runtime.store, "require_marker", pause_meanwhile)
    ended = (await runtime.records.end())["quarantine"]
    during = capsys.readouterr()
    await runtime.deletion.pauses.pause(category=None, reason="another", by="admin")
    after = capsys.readouterr()

    assert (ended, path.exists()) == (1, False)
    assert "pause.unsettled" in during.out + during.err
    assert "pause.unsettled" not in after.out + after.err


async def test_what_a_row_names_stays_and_is_told(
    runtime: Runtime, set_aside: SetAside, store_file: StoreFile, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a database is restored from a backup, a row may come back whose bytes were set aside without it."""
    rows = [await store_file(category=Category.CLIPS) for _ in range(3)]
    plain, numbered = set_aside(rows[0].key), set_aside(f"{rows[1].key}.1")
    other = set_aside("clips/stray.bin")

    ended = (await runtime.records.end())["quarantine"]

    assert (ended, plain.exists(), numbered.exists(), other.exists()) == (1, True, True, False)
    assert all((disk_of(runtime.store).root / row.key).exists() for row in rows)
    told = capsys.readouterr()
    assert "quarantine.kept" in told.out + told.err
    assert rows[0].key in told.out + told.err


async def test_no_link_is_followed(runtime: Runtime, set_aside: SetAside, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "2001-01-01" / "clips").mkdir(parents=True)
    (elsewhere / "2001-01-01" / "clips" / "precious").write_bytes(b"not ours")
    stray = set_aside("clips/stray.bin")
    (stray.parent / "folder").symlink_to(elsewhere / "2001-01-01")
    (stray.parents[2] / "2001-01-02").symlink_to(elsewhere / "2001-01-01")
    archives = disk_of(runtime.store).places.root_of("archives/x") / QUARANTINE
    archives.symlink_to(elsewhere)

    ended = (await runtime.records.end())["quarantine"]
    archives.unlink()

    assert ended == 2, "the object and the link beside it"
    assert (elsewhere / "2001-01-01" / "clips" / "precious").read_bytes() == b"not ours"
    assert [path.name for path in (disk_of(runtime.store).root / QUARANTINE).iterdir()] == ["2001-01-02"]


async def test_names_are_unlinked_in_batches_and_one_that_cannot_go_delays_no_other(
    runtime: Runtime, set_aside: SetAside, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [set_aside(f"clips/{number}/stray.bin") for number in range(5)]
    batches: list[int] = []

    def poisoned(root: Path, names: Sequence[str]) -> Unlinked:
        batches.append(len(names))
        outcome = unlink_beneath(root, [name for name in names if "/2/" not in name])
        outcome.failed.update({name: "EIO" for name in names if "/2/" in name})
        return outcome

    monkeypatch.setattr("media_analysis.storage.tree.unlink_beneath", poisoned)
    service = replace(runtime.records, quarantine=replace(runtime.records.quarantine, at_once=2))
    ended = (await service.end())["quarantine"]

    assert (ended, batches) == (4, [2, 2, 2, 2, 1, 1])  # below both roots
    assert [path.exists() for path in paths] == [False, False, True, False, False]


async def test_nothing_goes_while_a_disk_is_away(runtime: Runtime, set_aside: SetAside, disk_path: Path) -> None:
    path = set_aside("clips/stray.bin")
    (disk_path / MARKER_NAME).rename(disk_path / "away")

    with pytest.raises(MarkerMismatch):
        await runtime.records.end()
    (disk_path / "away").rename(disk_path / MARKER_NAME)

    assert path.exists()
