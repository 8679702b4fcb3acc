"""Group commit of uploads: few transactions, an answer for each, an exact ledger."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.errors import DatabaseUnavailable, InvalidRequest, QuotaPassed, UploadLeaseLost
from media_analysis.files.registrar import Registrar
from media_analysis.files.registration import Registration, add_pending
from media_analysis.files.settlement import Settled, Settlement, settle
from media_analysis.files.uploads import Upload
from media_analysis.runtime import Runtime
from media_analysis.states import FileState
from media_analysis.storage.category import Category
from tests.conftest import chunks, execute, fetch
from tests.files.conftest import lapse_leases, objects, registration, settlement, sweep
from tests.storage.conftest import open_names

CALLERS = 64


@pytest.fixture
def registrar(runtime: Runtime) -> Registrar:
    return runtime.files.uploads.registrar


async def ledger_of(database: str, owner: str) -> tuple[int, int, int]:
    rows = await fetch(database, "SELECT files, size_bytes, reserved_bytes FROM ledger WHERE owner = $1", owner)
    return tuple(rows[0]) if rows else (0, 0, 0)


async def test_registrations_that_wait_together_share_one_transaction(registrar: Registrar, database: str) -> None:
    asked = [registration(reserved_bytes=number) for number in range(CALLERS)]

    answers = await asyncio.gather(*(registrar.register(item) for item in asked))

    begun = await fetch(database, "SELECT DISTINCT xmin::text FROM media_files")
    assert answers == [True] * CALLERS
    assert len(begun) == 1
    assert await ledger_of(database, "alice") == (0, 0, sum(range(CALLERS)))


async def test_every_step_of_waiting_uploads_is_shared(registrar: Registrar, database: str, runtime: Runtime) -> None:
    asked = [registration(reserved_bytes=7) for _ in range(CALLERS)]
    await asyncio.gather(*(registrar.register(item) for item in asked))

    writers = await asyncio.gather(*(registrar.create(item) for item in asked))
    for writer in writers:
        await writer.write(b"content")
    digests = await asyncio.gather(*(writer.sync() for writer in writers))
    for writer in writers:
        writer.close()
    done = [settlement(item, b"content", digest) for item, digest in zip(asked, digests, strict=True)]
    settled = await asyncio.gather(*(registrar.settle(item) for item in done))

    assert len({(one.created_at, one.stored_at) for one in settled}) == 1
    assert len(objects(runtime.store.root)) == CALLERS
    assert await ledger_of(database, "alice") == (CALLERS, CALLERS * 7, 0)


async def test_concurrent_uploads_end_in_few_transactions_with_an_exact_ledger(runtime: Runtime, database: str) -> None:
    contents: dict[str, list[bytes]] = {f"owner{number}": [] for number in range(3)}
    for number in range(CALLERS):
        contents[f"owner{number % 3}"].append(b"x" * number)

    stored = await asyncio.gather(
        *(
            runtime.files.uploads.store_file(
                Upload(owner=owner, category=Category.UPLOADS, filename="a", declared_bytes=len(content)),
                chunks(content),
            )
            for owner, bodies in contents.items()
            for content in bodies
        )
    )

    assert {file.state for file in stored} == {FileState.STORED}
    assert len({file.created_at for file in stored}) < CALLERS / 2
    for owner, bodies in contents.items():
        assert await ledger_of(database, owner) == (len(bodies), sum(map(len, bodies)), 0)


@pytest.mark.parametrize(
    ("flaw", "error"),
    [
        ({"job_id": uuid4()}, InvalidRequest),
        ({"parent_id": uuid4()}, InvalidRequest),
        ({"filename": "a\0b"}, DBAPIError),
        ({"filename": "\ud800"}, DBAPIError),
    ],
    ids=["unknown job", "unknown parent", "NUL", "lone surrogate"],
)
async def test_a_bad_row_fails_alone(
    registrar: Registrar, database: str, flaw: dict[str, Any], error: type[Exception]
) -> None:
    asked = [registration(reserved_bytes=1) for _ in range(20)]
    bad = registration(reserved_bytes=1, **flaw)

    answers = await asyncio.gather(
        *(registrar.register(item) for item in [*asked[:10], bad, *asked[10:]]), return_exceptions=True
    )

    assert isinstance(answers.pop(10), error)
    assert answers == [True] * 20
    assert await ledger_of(database, "alice") == (0, 0, 20)


async def test_no_name_is_created_once_the_sweep_took_the_row(
    registrar: Registrar, runtime: Runtime, database: str
) -> None:
    stalled, lively = registration(), registration()
    await registrar.register(stalled)
    await lapse_leases(database)
    await registrar.register(lively)

    await sweep(runtime)
    lost, writer = await asyncio.gather(registrar.create(stalled), registrar.create(lively), return_exceptions=True)

    assert isinstance(lost, UploadLeaseLost)
    assert not isinstance(writer, BaseException)
    writer.close()
    assert objects(runtime.store.root) == [lively.key]


async def test_a_fact_is_refused_once_the_sweep_took_the_row(
    registrar: Registrar, runtime: Runtime, database: str
) -> None:
    asked = registration(reserved_bytes=9)
    await registrar.register(asked)
    writer = await registrar.create(asked)
    digest = await writer.sync()
    writer.close()
    await lapse_leases(database)

    await sweep(runtime)
    with pytest.raises(UploadLeaseLost):
        await registrar.settle(settlement(asked, b"", digest))

    assert objects(runtime.store.root) == []
    assert await ledger_of(database, "alice") == (0, 0, 0)


async def test_a_caller_that_left_before_its_name_was_made_leaves_no_open_descriptor(
    registrar: Registrar, runtime: Runtime
) -> None:
    asked = registration()
    await registrar.register(asked)

    creating = asyncio.create_task(registrar.create(asked))
    await asyncio.sleep(0)
    creating.cancel()
    await asyncio.gather(creating, return_exceptions=True)
    await registrar.close()

    assert open_names(runtime.store.root) == []
    assert objects(runtime.store.root) == [asked.key]


async def test_settling_twice_counts_once(registrar: Registrar, database: str) -> None:
    asked = registration(reserved_bytes=5)
    await registrar.register(asked)
    writer = await registrar.create(asked)
    await writer.write(b"bytes")
    done = settlement(asked, b"bytes", await writer.sync())
    writer.close()

    first = await registrar.settle(done)
    second = await registrar.settle(done)

    assert first == second
    assert done.sha256 == hashlib.sha256(b"bytes").digest()
    assert await ledger_of(database, "alice") == (1, 5, 0)


FULL = "UPDATE category_policies SET quota_bytes = 10 WHERE category = 'clips'"


async def test_those_who_do_not_fit_hear_of_it_and_all_others_settle_in_one_more_transaction(
    registrar: Registrar, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many they are: nobody waits for each of them to be tried."""
    groups = []

    async def counting(session: AsyncSession, done: Sequence[Settlement]) -> object:
        groups.append(len(done))
        return await settle(session, done)

    monkeypatch.setattr("media_analysis.files.settlement.settle", counting)
    await execute(database, FULL)
    clips = [registration("mallory", category=Category.CLIPS) for _ in range(CALLERS)]
    asked = [*clips, registration("bob", reserved_bytes=5)]
    await asyncio.gather(*(registrar.register(item) for item in asked))
    (await registrar.create(asked[-1])).close()
    done = [settlement(item, bytes(5), b"") for item in clips]
    done.append(settlement(asked[-1], b"", hashlib.sha256(b"").digest()))

    answers = await asyncio.gather(*(registrar.settle(item) for item in done), return_exceptions=True)

    assert groups == [CALLERS + 1, 1]
    assert {type(answer) for answer in answers[:-1]} == {QuotaPassed}
    assert isinstance(answers[-1], Settled)


async def test_what_was_registered_is_told_whatever_becomes_of_its_group(
    registrar: Registrar, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, cut = (registration(category=Category.CLIPS, reserved_bytes=8) for _ in range(2))
    free = registration(category=Category.CLIPS)

    async def losing(session: AsyncSession, asked: Sequence[Registration], *, lease_seconds: float) -> object:
        if list(asked) == [cut]:
            raise DatabaseUnavailable("cut")
        return await add_pending(session, asked, lease_seconds=lease_seconds)

    monkeypatch.setattr("media_analysis.files.registration.add_pending", losing)
    await execute(database, FULL)

    answers = await asyncio.gather(*map(registrar.register, (first, cut, free)), return_exceptions=True)

    pending = await fetch(database, "SELECT id FROM media_files")
    assert (answers[0], type(answers[1]), answers[2]) == (True, DatabaseUnavailable, True)
    assert {row["id"] for row in pending} == {first.id, free.id}
