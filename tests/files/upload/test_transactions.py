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
from media_analysis.files.upload.pending import Registration, add_pending
from media_analysis.files.upload.service import Upload
from media_analysis.files.upload.storing import StoredUpload, WrittenUpload, store_all
from media_analysis.files.upload.transactions import UploadTransactions
from media_analysis.runtime import Runtime
from media_analysis.states import FileState
from media_analysis.storage.category import Category
from tests.conftest import chunks, execute, fetch
from tests.disks import disk_of
from tests.files.conftest import lapse_leases, objects, registration, settlement, sweep
from tests.storage.conftest import open_names

CALLERS = 64


@pytest.fixture
def upload_transactions(runtime: Runtime) -> UploadTransactions:
    return runtime.upload_transactions


async def ledger_of(database: str, owner: str) -> tuple[int, int, int]:
    rows = await fetch(database, "SELECT files, size_bytes, reserved_bytes FROM ledger WHERE owner = $1", owner)
    return tuple(rows[0]) if rows else (0, 0, 0)


async def test_registrations_that_wait_together_share_one_transaction(
    upload_transactions: UploadTransactions, database: str
) -> None:
    asked = [registration(reserved_bytes=number) for number in range(CALLERS)]

    answers = await asyncio.gather(*(upload_transactions.register(item) for item in asked))

    begun = await fetch(database, "SELECT DISTINCT xmin::text FROM media_files")
    assert answers == [True] * CALLERS
    assert len(begun) == 1
    assert await ledger_of(database, "alice") == (0, 0, sum(range(CALLERS)))


async def test_every_step_of_waiting_uploads_is_shared(
    upload_transactions: UploadTransactions, database: str, runtime: Runtime
) -> None:
    asked = [registration(reserved_bytes=7) for _ in range(CALLERS)]
    await asyncio.gather(*(upload_transactions.register(item) for item in asked))

    writers = await asyncio.gather(*(upload_transactions.create(item) for item in asked))
    for writer in writers:
        await writer.write(b"content")
    digests = await asyncio.gather(*(writer.sync() for writer in writers))
    for writer in writers:
        writer.close()
    done = [settlement(item, b"content", digest) for item, digest in zip(asked, digests, strict=True)]
    settled = await asyncio.gather(*(upload_transactions.finish(item) for item in done))

    assert len({(one.created_at, one.stored_at) for one in settled}) == 1
    assert len(objects(disk_of(runtime.store).root)) == CALLERS
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
    upload_transactions: UploadTransactions, database: str, flaw: dict[str, Any], error: type[Exception]
) -> None:
    asked = [registration(reserved_bytes=1) for _ in range(20)]
    bad = registration(reserved_bytes=1, **flaw)

    answers = await asyncio.gather(
        *(upload_transactions.register(item) for item in [*asked[:10], bad, *asked[10:]]), return_exceptions=True
    )

    assert isinstance(answers.pop(10), error)
    assert answers == [True] * 20
    assert await ledger_of(database, "alice") == (0, 0, 20)


async def test_no_name_is_created_once_the_sweep_took_the_row(
    upload_transactions: UploadTransactions, runtime: Runtime, database: str
) -> None:
    stalled, lively = registration(), registration()
    await upload_transactions.register(stalled)
    await lapse_leases(database)
    await upload_transactions.register(lively)

    await sweep(runtime)
    lost, writer = await asyncio.gather(
        upload_transactions.create(stalled), upload_transactions.create(lively), return_exceptions=True
    )

    assert isinstance(lost, UploadLeaseLost)
    assert not isinstance(writer, BaseException)
    writer.close()
    assert objects(disk_of(runtime.store).root) == [lively.key]


async def test_a_fact_is_refused_once_the_sweep_took_the_row(
    upload_transactions: UploadTransactions, runtime: Runtime, database: str
) -> None:
    asked = registration(reserved_bytes=9)
    await upload_transactions.register(asked)
    writer = await upload_transactions.create(asked)
    digest = await writer.sync()
    writer.close()
    await lapse_leases(database)

    await sweep(runtime)
    with pytest.raises(UploadLeaseLost):
        await upload_transactions.finish(settlement(asked, b"", digest))

    assert objects(disk_of(runtime.store).root) == []
    assert await ledger_of(database, "alice") == (0, 0, 0)


async def test_a_caller_that_left_before_its_name_was_made_leaves_no_open_descriptor(
    upload_transactions: UploadTransactions, runtime: Runtime
) -> None:
    asked = registration()
    await upload_transactions.register(asked)

    creating = asyncio.create_task(upload_transactions.create(asked))
    await asyncio.sleep(0)
    creating.cancel()
    await asyncio.gather(creating, return_exceptions=True)
    await upload_transactions.close()

    assert open_names(disk_of(runtime.store).root) == []
    assert objects(disk_of(runtime.store).root) == [asked.key]


async def test_settling_twice_counts_once(upload_transactions: UploadTransactions, database: str) -> None:
    asked = registration(reserved_bytes=5)
    await upload_transactions.register(asked)
    writer = await upload_transactions.create(asked)
    await writer.write(b"bytes")
    done = settlement(asked, b"bytes", await writer.sync())
    writer.close()

    first = await upload_transactions.finish(done)
    second = await upload_transactions.finish(done)

    assert first == second
    assert done.sha256 == hashlib.sha256(b"bytes").digest()
    assert await ledger_of(database, "alice") == (1, 5, 0)


FULL = "UPDATE category_policies SET quota_bytes = 10 WHERE category = 'clips'"


async def test_those_who_do_not_fit_hear_of_it_and_all_others_settle_in_one_more_transaction(
    upload_transactions: UploadTransactions, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many they are: nobody waits for each of them to be tried."""
    groups = []

    async def counting(session: AsyncSession, done: Sequence[WrittenUpload], *, jobs: str) -> object:
        groups.append(len(done))
        return await store_all(session, done, jobs=jobs)

    monkeypatch.setattr("media_analysis.files.upload.storing.store_all", counting)
    await execute(database, FULL)
    clips = [registration("mallory", category=Category.CLIPS) for _ in range(CALLERS)]
    asked = [*clips, registration("bob", reserved_bytes=5)]
    await asyncio.gather(*(upload_transactions.register(item) for item in asked))
    (await upload_transactions.create(asked[-1])).close()
    done = [settlement(item, bytes(5), b"") for item in clips]
    done.append(settlement(asked[-1], b"", hashlib.sha256(b"").digest()))

    answers = await asyncio.gather(*(upload_transactions.finish(item) for item in done), return_exceptions=True)

    assert groups == [CALLERS + 1, 1]
    assert {type(answer) for answer in answers[:-1]} == {QuotaPassed}
    assert isinstance(answers[-1], StoredUpload)


async def test_a_product_that_does_not_fit_fails_no_labelled_upload_beside_it(
    upload_transactions: UploadTransactions, database: str
) -> None:
    await execute(database, FULL)
    asked = [registration(labels={"event": "evt42"}), registration(category=Category.CLIPS, reserved_bytes=11)]

    answers = await asyncio.gather(*(upload_transactions.register(item) for item in asked), return_exceptions=True)

    assert answers[0] is True
    assert isinstance(answers[1], QuotaPassed)


async def test_what_was_registered_is_told_whatever_becomes_of_its_group(
    upload_transactions: UploadTransactions, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, cut = (registration(category=Category.CLIPS, reserved_bytes=8) for _ in range(2))
    free = registration(category=Category.CLIPS)

    async def losing(session: AsyncSession, asked: Sequence[Registration], **terms: Any) -> object:
        if list(asked) == [cut]:
            raise DatabaseUnavailable("cut")
        return await add_pending(session, asked, **terms)

    monkeypatch.setattr("media_analysis.files.upload.pending.add_pending", losing)
    await execute(database, FULL)

    answers = await asyncio.gather(*map(upload_transactions.register, (first, cut, free)), return_exceptions=True)

    pending = await fetch(database, "SELECT id FROM media_files")
    assert (answers[0], type(answers[1]), answers[2]) == (True, DatabaseUnavailable, True)
    assert {row["id"] for row in pending} == {first.id, free.id}
