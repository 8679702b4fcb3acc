"""What every store promises to whoever looks around in it, whatever holds its bytes."""

from datetime import date

from media_analysis.storage.entries import EntryKind
from media_analysis.storage.store import ObjectStore
from tests.storage.conftest import put

KEY = "uploads/2026-01-01/a.bin"


async def test_all_objects_are_found_by_walking_and_by_their_keys(store: ObjectStore) -> None:
    keys = ["uploads/2026-01-01/a.bin", "clips/b.bin", "archives/2026/01/c.tar.gz"]
    for key in keys:
        await put(store, key, key.encode())

    walked = [entry async for entries in store.walk(2) for entry in entries]
    looked = await store.look_up([*keys, "clips/none.bin"])

    assert sorted((entry.name, entry.size_bytes, entry.kind) for entry in walked) == sorted(
        (key, len(key), EntryKind.FILE) for key in keys
    )
    assert [entry and (entry.name, entry.size_bytes) for entry in looked] == [*((key, len(key)) for key in keys), None]


async def test_what_is_set_aside_is_walked_by_its_day_and_ends_with_it(store: ObjectStore) -> None:
    day, kept = date(2026, 1, 31), "clips/kept.bin"
    for key in (KEY, kept):
        await put(store, key, key.encode())

    first = await store.set_aside([KEY, "clips/none.bin"], day=day)
    await put(store, KEY, b"another")
    second = await store.set_aside([KEY], day=day)
    places = [first[KEY], second[KEY]]

    assert [list(first), list(second)] == [[KEY], [KEY]]
    assert [entry.name async for entries in store.walk(10) for entry in entries] == [kept]
    assert list(await store.list_quarantine_days()) == [day]
    found = [entry async for entries in store.walk_quarantine(day, 1) for entry in entries]
    assert {entry.name: entry.size_bytes for entry in found} == dict(zip(places, (len(KEY), 7), strict=True))

    outcome = await store.delete_set_aside(places)
    await store.end_quarantine_day(day)

    assert (sorted(outcome.gone), outcome.failed) == (sorted(places), {})
    assert list(await store.list_quarantine_days()) == []


async def test_that_it_can_be_written_is_proven_by_writing_and_leaves_nothing(store: ObjectStore) -> None:
    await store.require_writable()

    assert [entry async for entries in store.walk(10) for entry in entries] == []
