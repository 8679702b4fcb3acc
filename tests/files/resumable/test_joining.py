"""Parts that become one file, once, and what stands in their way."""

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from uuid import UUID

import pytest
from PIL import Image

from media_analysis.errors import UploadGone
from media_analysis.files.resumable.service import ResumableUploads
from media_analysis.runtime import Runtime
from tests.conftest import fetch
from tests.disks import disk_of
from tests.files.conftest import objects
from tests.files.resumable.conftest import CONTENT, THIRD, UPLOAD, only_pictures, piece, require_stored

WHOLE = replace(UPLOAD, declared_bytes=None)


async def parts_of(uploads: ResumableUploads, content: bytes, *, at: int) -> Sequence[UUID]:
    """Upload two parts that are `content` together."""
    made = []
    for part in (content[:at], content[at:]):
        known = await uploads.create(replace(UPLOAD, declared_bytes=len(part)), metadata="", is_partial=True)
        await uploads.append(known.id, piece(0, part), owner="alice")
        made.append(known.id)
    return made


async def test_parts_that_are_joined_again_are_the_same_file(uploads: ResumableUploads, database: str) -> None:
    parts = await parts_of(uploads, CONTENT, at=THIRD)

    first = await uploads.join(WHOLE, parts, metadata="m", concat="final;a b")
    again = await uploads.join(WHOLE, parts, metadata="m", concat="final;a b")

    assert first.id == again.id
    await require_stored(database, first.id)


async def test_parts_are_not_joined_otherwise_once_they_are_a_file(uploads: ResumableUploads, database: str) -> None:
    first, second = await parts_of(uploads, CONTENT, at=THIRD)
    joined = await uploads.join(WHOLE, [first, second], metadata="m", concat="final;a b")

    with pytest.raises(UploadGone):
        await uploads.join(WHOLE, [second, first], metadata="m", concat="final;b a")
    with pytest.raises(UploadGone):
        await uploads.join(WHOLE, [first], metadata="m", concat="final;a")
    with pytest.raises(UploadGone):
        await uploads.join(WHOLE, [first, second], metadata="n", concat="final;a b")

    await require_stored(database, joined.id)


async def test_a_part_that_goes_while_parts_are_joined_is_gone(uploads: ResumableUploads, runtime: Runtime) -> None:
    parts = await parts_of(uploads, CONTENT, at=THIRD)
    (name,) = (name for name in objects(disk_of(runtime.store).root) if str(parts[1]) in name)
    (disk_of(runtime.store).root / name).unlink()

    with pytest.raises(UploadGone):
        await uploads.join(WHOLE, parts, metadata="m", concat="final;a b")

    for part_id in parts:
        await uploads.terminate(part_id, owner="alice")


async def test_parts_are_judged_together(runtime: Runtime, database: str) -> None:
    uploads = only_pictures(runtime)
    picture = BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    parts = await parts_of(uploads, picture.getvalue(), at=40)

    joined = await uploads.join(WHOLE, parts, metadata="m", concat="final;a b")

    (row,) = await fetch(database, "SELECT media_type, state FROM media_files WHERE id = $1", joined.id)
    assert (row["media_type"], row["state"]) == ("image/png", "stored")
