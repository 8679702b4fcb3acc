"""Setting aside in a bucket: copied first, deleted last, and nothing lost in between."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from media_analysis.errors import DatabaseUnavailable, MarkerMismatch, StoreUnavailable
from media_analysis.integrity.inspection import Problem
from media_analysis.integrity.verify import VerifyRequest, VerifyService
from media_analysis.runtime import Runtime
from media_analysis.storage.marker import MARKER_NAME
from media_analysis.storage.remote.bucket import LONGEST_KEY_BYTES
from media_analysis.storage.remote.store import RemoteStore
from tests.conftest import fetch
from tests.s3 import ENVIRONMENT, options_for
from tests.storage.conftest import put
from tests.storage.remote.conftest import names_in
from tests.storage.remote.proxy import Spoiling, SpoilingProxy

pytestmark = pytest.mark.s3
KEY, DAY = "clips/a.bin", date(2026, 1, 31)


@pytest.mark.parametrize(
    ("part", "spoiling"),
    [
        (b"HEAD ", Spoiling.UNASKED),
        (b".quarantine", Spoiling.UNASKED),
        (b"PUT ", Spoiling.UNANSWERED),
        (b"POST ", Spoiling.UNASKED),
        (b"POST ", Spoiling.UNANSWERED),
        (KEY.encode(), Spoiling.NO_BUCKET),
    ],
)
async def test_a_bucket_that_stops_answering_on_the_way_loses_nothing(
    remote: RemoteStore, proxy: SpoilingProxy, part: bytes, spoiling: Spoiling
) -> None:
    await put(remote, KEY, b"kept")
    options = options_for({**ENVIRONMENT, "AWS_ENDPOINT_URL": proxy.url}, retry_seconds=0.3)
    store = RemoteStore.at(remote.bucket.address, remote.instance_id, options)
    proxy.spoil(spoiling, part, times=1_000_000)

    with pytest.raises(StoreUnavailable):
        await store.set_aside([KEY], day=DAY)

    left = await names_in(remote)
    place = f".quarantine/2026-01-31/{KEY}"
    assert left in ([KEY], [place, KEY], [place])
    assert [await remote.read(name, size_bytes=4) for name in left] == [b"kept"] * len(left)
    if left == [place, KEY]:  # once more, beside what is there
        assert await remote.set_aside([KEY], day=DAY) == {KEY: f"{place}.1"}


async def test_nothing_is_set_aside_without_the_marker(remote: RemoteStore) -> None:
    await put(remote, KEY)
    await remote.bucket.delete([MARKER_NAME])

    with pytest.raises(MarkerMismatch):
        await remote.set_aside([KEY], day=DAY)

    assert await names_in(remote) == [KEY]


async def test_what_somebody_else_may_have_taken_meanwhile_stays_where_it_is(remote: RemoteStore) -> None:
    await put(remote, KEY, b"kept")

    async def lost() -> None:
        assert len(await names_in(remote)) == 2  # its copy is there by then, which took time
        raise DatabaseUnavailable("the connection that held a lock was lost")

    with pytest.raises(DatabaseUnavailable):
        await remote.set_aside([KEY], day=DAY, require_held=lost)

    assert await remote.read(KEY, size_bytes=4) == b"kept"


async def test_what_is_set_aside_together_takes_no_place_twice(remote: RemoteStore) -> None:
    first, second = f".quarantine/2026-01-31/{KEY}", f".quarantine/2026-01-31/{KEY}.1"
    for name, content in ((first, b"older"), (KEY, b"again"), (f"{KEY}.1", b"other")):
        await remote.bucket.create(name, [content])

    places = await remote.set_aside([KEY, f"{KEY}.1"], day=DAY)

    assert sorted(places.values()) in ([second, f"{second}.1"], [second, f"{first}.2"])
    assert [await remote.read(places[key], size_bytes=5) for key in (KEY, f"{KEY}.1")] == [b"again", b"other"]


async def test_no_transaction_is_open_while_a_bucket_copies_what_is_set_aside(
    runtime: Runtime, database: str, remote: RemoteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law 2: what is large takes longer than a transaction may wait."""
    await put(remote, "clips/stray.bin", b"stray")
    too_long = "clips/".ljust(LONGEST_KEY_BYTES - len(remote.bucket.address.full_key("")), "a")
    await put(remote, too_long)  # there is no place in quarantine for such a name
    aside, waiting = RemoteStore.set_aside, list[int]()

    async def look_and_set_aside(store: RemoteStore, keys: Sequence[str], **how: Any) -> Mapping[str, str]:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in %'"
        waiting.append((await fetch(database, query))[0][0])
        return await aside(store, keys, **how)

    monkeypatch.setattr(RemoteStore, "set_aside", look_and_set_aside)
    request = VerifyRequest(actor="test", quarantine=True, grace=timedelta(days=-1))
    report = await VerifyService(runtime.db, remote).run(request)

    assert (waiting, report.quarantined, report.problems[Problem.UNTRACKED]) == ([0], 1, 2)
    assert too_long in await names_in(remote)
    rows = await fetch(database, "SELECT details->>'key' AS key FROM audit_events WHERE action = 'quarantined'")
    assert [row["key"] for row in rows] == ["clips/stray.bin"]
