"""What lies in a bucket becomes files of ours by copy, and stays there as it is."""

import hashlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from media_analysis.errors import InvalidRequest, QuotaReached
from media_analysis.errors.operations import SourceUnavailable
from media_analysis.imports.tree import copying
from media_analysis.imports.tree.buckets import BucketTree, open_tree
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from media_analysis.storage.marker import Marker
from media_analysis.storage.remote.address import RemoteAddress
from tests.conftest import execute
from tests.disks import disk_of
from tests.imports.tree.conftest import Importing, rows
from tests.media import clips
from tests.s3 import ENVIRONMENT, asking, new_bucket

pytestmark = pytest.mark.s3
LARGE = os.urandom(9 * 2**20 + 1)
"""More than is read at once."""


@pytest.fixture
async def source(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RemoteAddress]:
    """Somebody's old objects, outside the store, reached by variables of their own."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(f"IMPORT_{name}", value)
    async with new_bucket() as made:
        yield replace(made, prefix="old")
        await asking(made).send("DELETE", query={"policy": ""})


@pytest.fixture
async def tree(source: RemoteAddress, runtime: Runtime) -> AsyncIterator[BucketTree]:
    async with open_tree(source, runtime.settings) as opened:
        yield opened


async def put(address: RemoteAddress, key: str, content: bytes = b"content") -> None:
    answer = await asking(address).send("PUT", key=address.full_key(key), content=content)
    assert answer.status_code == 200, answer.text


async def refuse(address: RemoteAddress, key: str, *others: str) -> None:
    """Let the bucket give nobody an object, and refuse other actions, too."""
    bucket = f"arn:aws:s3:::{address.bucket}"
    resources = [bucket, f"{bucket}/{address.full_key(key)}"]
    statement = {"Effect": "Deny", "Principal": "*", "Action": ["s3:GetObject", *others], "Resource": resources}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]}).encode()
    answer = await asking(replace(address, prefix="")).send("PUT", query={"policy": ""}, content=policy)
    assert answer.is_success, answer.text


async def listed(tree: BucketTree) -> list[tuple[str, int, int]]:
    pages = [page async for page in tree.bucket.pages()]
    return [(entry.name, entry.size_bytes, entry.modified_ns) for page in pages for entry in page]


async def test_objects_are_copied_by_name_time_and_content_and_left_as_they_are(
    importing: Importing, runtime: Runtime, tree: BucketTree, database: str
) -> None:
    wanted = {"a.bin": LARGE, "deep/ü b.txt": b"text", "empty.jpg": b"", "film": clips.h264().read_bytes()}
    for name, content in wanted.items():
        await put(tree.address, name, content)
    await put(tree.address, "folder/", b"")
    await put(replace(tree.address, prefix=""), "older", b"beside the prefix")
    before = await listed(tree)

    report = await importing(tree, category=Category.UPLOADS)

    copied = {row["filename"]: row for row in await rows(database)}
    assert (report.in_place, report.files, report.seen, report.skipped) == (False, 4, 4, {})
    assert set(copied) == {"a.bin", "ü b.txt", "empty.jpg", "film"}
    for name, content in wanted.items():
        row = copied[name.rpartition("/")[2]]
        assert (row["size_bytes"], row["sha256"]) == (len(content), hashlib.sha256(content).digest())
        assert (disk_of(runtime.store).root / row["key"]).read_bytes() == content
    assert copied["film"]["media_type"] == "video/mp4"
    modified = {name: modified_ns for name, _, modified_ns in before}
    assert int(copied["a.bin"]["stored_at"].timestamp() * 1000) == modified["a.bin"] // 10**6
    assert await listed(tree) == before


async def test_the_same_import_again_imports_nothing_twice(importing: Importing, tree: BucketTree) -> None:
    await put(tree.address, "a")
    await put(tree.address, "b/c")
    first = await importing(tree)
    await put(tree.address, "new")

    again = await importing(tree)

    assert (first.files, again.files, again.known) == (2, 1, 2)


async def test_names_that_are_no_path_are_counted_and_left_alone(
    importing: Importing, tree: BucketTree, database: str
) -> None:
    for name in ("a\nb", "c//d", "full/", "plain"):
        await put(tree.address, name)

    report = await importing(tree)

    assert (report.files, report.skipped) == (1, {"unreadable": 3})
    assert [row["filename"] for row in await rows(database)] == ["plain"]


@pytest.mark.parametrize("other", [b"another", b"of another size", None], ids=["replaced", "resized", "deleted"])
async def test_an_object_that_changes_while_it_is_copied_is_not_imported(
    importing: Importing,
    tree: BucketTree,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    other: bytes | None,
) -> None:
    await put(tree.address, "changing")
    pour = copying.pour

    async def poured(source: Any, writer: Any) -> None:
        write = writer.write

        async def writing(chunk: bytes) -> None:
            if other is None:
                await asking(tree.address).send("DELETE", key="old/changing")
            else:
                await put(tree.address, "changing", other)
            await write(chunk)

        monkeypatch.setattr(writer, "write", writing)
        await pour(source, writer)

    monkeypatch.setattr(copying, "pour", poured)
    report = await importing(tree)

    assert (report.files, report.skipped) == (0, {"changed": 1})
    assert await rows(database) == []


async def test_the_store_itself_what_is_in_it_and_what_holds_it_are_refused(
    importing: Importing, runtime: Runtime, tree: BucketTree
) -> None:
    store = replace(tree.address, prefix="old/store")
    await put(store, ".media-analysis", Marker(runtime.store.instance_id).content())
    await put(store, "uploads/a")

    async def refusal(prefix: str) -> str:
        async with open_tree(replace(tree.address, prefix=prefix), runtime.settings) as opened:
            with pytest.raises(InvalidRequest) as refused:
                await importing(opened)
        return refused.value.reason

    assert await refusal("old/store") == "it is the store"
    assert await refusal("old/store/uploads") == "it lies in the store"
    assert await refusal("old") == f"the store lies inside it, at {store}"
    assert await refusal("") == f"the store lies inside it, at {store}"


async def test_a_bucket_beyond_the_quota_is_refused_before_anything_is_done(
    importing: Importing, tree: BucketTree, database: str
) -> None:
    await execute(database, "UPDATE category_policies SET quota_bytes = 1000 WHERE category = 'clips'")
    await put(tree.address, "a", bytes(1001))

    with pytest.raises(QuotaReached):
        await importing(tree, category=Category.CLIPS)

    assert await rows(database) == []


async def test_a_bucket_that_is_not_there_or_refuses_us_is_told_in_a_line_without_secrets(
    importing: Importing, runtime: Runtime, source: RemoteAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refusal(address: RemoteAddress) -> str:
        async with open_tree(address, runtime.settings) as opened:
            with pytest.raises(SourceUnavailable) as refused:
                await importing(opened)
        return str(refused.value)

    nowhere = replace(source, bucket="nobody-made-this-bucket")
    assert await refusal(nowhere) == f"{nowhere} cannot be read: the bucket does not exist"
    monkeypatch.setenv("IMPORT_AWS_SECRET_ACCESS_KEY", "wrong-and-secret")
    told = await refusal(source)
    assert told.startswith(f"{source} cannot be read: the bucket refuses us")
    assert "wrong-and-secret" not in told


async def test_an_object_that_is_refused_is_counted_and_a_bucket_that_is_ends_the_import(
    importing: Importing, tree: BucketTree, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(tree.address, "refused")
    await put(tree.address, "plain")
    await refuse(tree.address, "refused")
    one = await importing(tree)
    pour = copying.pour

    async def poured(source: Any, writer: Any) -> None:
        await refuse(tree.address, "*", "s3:ListBucket")
        await pour(source, writer)

    monkeypatch.setattr(copying, "pour", poured)
    with pytest.raises(SourceUnavailable):
        await importing(tree)

    assert (one.files, one.skipped) == (1, {"unreadable": 1})
    assert [row["filename"] for row in await rows(database)] == ["plain"]
