"""Deletions in bulk, and what is said of each key that stays."""

import asyncio
import json
from http import HTTPMethod

import pytest

from media_analysis.errors import MarkerMismatch, StoreUnavailable
from media_analysis.storage.marker import MARKER_NAME
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.deleting import BATCH, FEW, find_pieces
from media_analysis.storage.remote.names import piece_name
from media_analysis.storage.remote.store import RemoteStore
from tests.s3 import asking, new_store
from tests.storage.conftest import put
from tests.storage.remote.conftest import names_in
from tests.storage.remote.proxy import Answer, Spoiling, SpoilingProxy, refusing

pytestmark = pytest.mark.s3


async def test_more_keys_than_one_request_names_are_deleted(remote: RemoteStore) -> None:
    keys = [f"clips/{number}.bin" for number in range(BATCH + 1)]
    await remote.put_many([(key, b"") for key in keys], leaving_bytes=0)

    absent = ["clips/never.bin", "clips/of a disk\twhose replica this is"]
    outcome = await remote.delete_many([*keys, *absent])

    assert (list(outcome.gone), outcome.failed) == ([*keys, *absent], {})
    assert await names_in(remote) == []


async def test_a_key_that_cannot_go_is_named_with_its_reason_and_its_neighbours_go(own_bucket: RemoteAddress) -> None:
    """Promise 12."""
    async with new_store(own_bucket) as store:
        keys = [f"clips/{number}.bin" for number in range(5)]
        await store.put_many([(key, b"") for key in keys], leaving_bytes=0)
        denied = f"arn:aws:s3:::{own_bucket.bucket}/{store.bucket.address.prefix}/{keys[2]}"
        statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": [denied]}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]}).encode()
        assert (await asking(own_bucket).send(HTTPMethod.PUT, query={"policy": ""}, content=policy)).is_success

        outcome = await store.delete_many(keys)
        left = await names_in(store)
        alone = await store.delete_many([keys[2]])

        assert list(outcome.gone) == [key for key in keys if key != keys[2]]
        assert outcome.failed == alone.failed == {keys[2]: "the bucket answered AccessDenied"}
        assert left == [keys[2]]
        assert (await asking(own_bucket).send(HTTPMethod.DELETE, query={"policy": ""})).is_success


async def test_a_bucket_that_takes_objects_and_deletes_none_says_which_of_them_it_refuses(
    own_bucket: RemoteAddress,
) -> None:
    async with new_store(own_bucket) as store:
        resources = [f"arn:aws:s3:::{own_bucket.bucket}", f"arn:aws:s3:::{own_bucket.bucket}/*"]
        statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": resources}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]}).encode()
        assert (await asking(own_bucket).send(HTTPMethod.PUT, query={"policy": ""}, content=policy)).is_success

        with pytest.raises(StoreUnavailable, match=r"nothing can be deleted from the store: .* AccessDenied"):
            await store.require_writable()

        assert (await asking(own_bucket).send(HTTPMethod.DELETE, query={"policy": ""})).is_success


@pytest.mark.parametrize("count", [1, FEW + 1])
async def test_pieces_go_with_the_keys_they_are_of(remote: RemoteStore, count: int) -> None:
    # An object may be named as a folder of others is: whoever imports a bucket meets such.
    others = ["clips/0.bin/below.bin", f"clips/{count}.bin"]
    for key in [*(f"clips/{number}.bin" for number in range(count)), *others]:
        writer = await remote.resume(key, size_bytes=0, running=None)
        await writer.write(b"piece")
        await writer.checkpoint()
        writer.close()

    await remote.delete_many([f"clips/{number}.bin" for number in range(count)])

    assert await names_in(remote) == [f".uploads/{key}/{0:020}.0" for key in others]


async def test_pieces_of_others_are_passed_over_where_they_are_many(spoiled: RemoteStore, proxy: SpoilingProxy) -> None:
    pieces = [piece_name(f"clips/{number:02}", 0, 0) for number in range(24)]
    for piece in pieces:
        await spoiled.bucket.create(piece, [b"piece"])
    proxy.seen.clear()

    wanted = [*range(4), *range(16, 21)]
    found = await find_pieces(spoiled.bucket, [f"clips/{number:02}" for number in reversed(wanted)], at_once=3)

    assert found == [pieces[number] for number in wanted]
    listed = [line for line in proxy.seen if b"list-type=2" in line]
    assert len(listed) == 4, "two pages before the gap, and two behind it"


async def test_a_bucket_that_has_too_much_to_do_is_asked_again(spoiled: RemoteStore, proxy: SpoilingProxy) -> None:
    await put(spoiled, "clips/a.bin")
    proxy.spoil(Spoiling.SLOW_DOWN, b"POST", times=3)

    outcome = await spoiled.delete_many(["clips/a.bin"])

    assert (list(outcome.gone), outcome.failed) == (["clips/a.bin"], {})
    assert proxy.times == 0


async def test_keys_of_which_nobody_knows_whether_they_went_are_named(
    spoiled: RemoteStore, proxy: SpoilingProxy
) -> None:
    """Promise 17: what is not certainly gone stays in the outbox."""
    keys = ["clips/a.bin", "clips/b.bin"]
    for key in keys:
        await put(spoiled, key)
    proxy.spoil(Spoiling.UNANSWERED, b"POST", times=100)

    outcome = await spoiled.delete_many(keys)

    assert list(outcome.gone) == []
    assert set(outcome.failed) == set(keys)


@pytest.mark.parametrize("overwrite", [False, True])
async def test_nothing_is_deleted_without_the_marker(remote: RemoteStore, *, overwrite: bool) -> None:
    """Law 8: however recently it was there."""
    await put(remote, "clips/a.bin")
    await remote.bucket.delete([MARKER_NAME])

    with pytest.raises(MarkerMismatch, match="is missing"):
        await remote.delete_many(["clips/a.bin"], overwrite=overwrite)
    with pytest.raises(MarkerMismatch):
        await remote.abort(["clips/a.bin"])

    assert await names_in(remote) == ["clips/a.bin"]


def open_here(store: RemoteStore) -> None:
    store.open_file("clips/a.bin", size_bytes=7)


async def test_a_bucket_that_vanished_confirms_no_deletion_and_misses_no_object(own_bucket: RemoteAddress) -> None:
    async with new_store(own_bucket) as store:
        await put(store, "clips/a.bin")
        await store.bucket.delete(["clips/a.bin", MARKER_NAME])
        assert (await asking(own_bucket).send(HTTPMethod.DELETE)).is_success

        for asked in (
            store.delete_many(["clips/a.bin"]),
            store.require_marker(),
            store.require_writable(),
            store.open("clips/a.bin", size_bytes=None),
            store.require("clips/a.bin", size_bytes=7),
            store.read("clips/a.bin", size_bytes=7),
            store.look_up(["clips/a.bin"]),
            store.resume("clips/a.bin", size_bytes=7, running=None),
            asyncio.to_thread(open_here, store),
        ):
            with pytest.raises(StoreUnavailable, match="the bucket does not exist"):
                await asked
        with pytest.raises(StoreUnavailable, match="the bucket does not exist"):
            _ = [page async for page in store.walk(10)]
        assert (await asking(own_bucket).send(HTTPMethod.PUT)).is_success  # for what tidies up


CODES = ("AccessDenied", "InternalError", "SlowDown")


@pytest.mark.parametrize("times", [1, 1_000])
async def test_keys_that_are_refused_in_a_bulk_answer_are_asked_for_again_and_named(
    spoiled: RemoteStore, proxy: SpoilingProxy, times: int
) -> None:
    """Promise 12."""
    keys = [f"clips/{number}.bin" for number in range(5)]
    await spoiled.put_many([(key, b"") for key in keys], leaving_bytes=0)
    refused = list(zip(keys, CODES, strict=False))
    proxy.forge_answers(refusing(*refused), b"POST", times=times)

    outcome = await spoiled.delete_many(keys)

    assert proxy.is_hit
    if times == 1:
        assert (list(outcome.gone), outcome.failed) == (keys, {})
    else:
        assert list(outcome.gone) == keys[3:]
        assert outcome.failed == {key: f"the bucket answered {code}" for key, code in refused}


ERROR = b"<Error><Code>InternalError</Code><Message>We encountered an internal error</Message></Error>"


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((b"200 OK", ERROR), id="an error"),
        pytest.param((b"200 OK", b"<DeleteResult><Deleted><Key>clips"), id="no XML"),
        pytest.param((b"200 OK", b""), id="nothing"),
        pytest.param((b"200 OK", b"<html>hello</html>"), id="of another"),
        pytest.param((b"200 OK", b"<DeleteResult></DeleteResult>"), id="of none"),
    ],
)
async def test_an_answer_that_tells_of_no_key_confirms_none(
    spoiled: RemoteStore, remote: RemoteStore, proxy: SpoilingProxy, answer: Answer, count: int
) -> None:
    """Promise 17: what is not certainly gone stays in the outbox."""
    keys = [f"clips/{number}.bin" for number in range(count)]
    await remote.put_many([(key, b"") for key in keys], leaving_bytes=0)
    proxy.answer(answer, b"POST", times=1_000)

    outcome = await spoiled.delete_many(keys)

    assert len(await names_in(remote)) == count
    assert list(outcome.gone) == []
    assert set(outcome.failed) == set(keys)


@pytest.mark.parametrize("after_bytes", [0, 1])
async def test_an_answer_that_breaks_off_confirms_no_key(
    spoiled: RemoteStore, proxy: SpoilingProxy, after_bytes: int
) -> None:
    keys = [f"clips/{number}.bin" for number in range(3)]
    await spoiled.put_many([(key, b"") for key in keys], leaving_bytes=0)
    proxy.spoil(Spoiling.CUT, b"POST", times=1_000, after_bytes=after_bytes)

    outcome = await spoiled.delete_many(keys)

    assert list(outcome.gone) == []
    assert set(outcome.failed) == set(keys)
