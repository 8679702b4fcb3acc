"""Where objects lie."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analysis.storage.category import Category
from media_analysis.storage.keys import object_key

FILE, PARENT, JOB = UUID(int=1), UUID(int=2), UUID(int=3)
DAY = datetime(2026, 3, 4, 23, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("category", "folder"),
    [
        (Category.UPLOADS, "uploads/2026-03-04"),
        (Category.FRAMES, f"frames/{PARENT}"),
        (Category.CONTACT_SHEETS, "contact-sheets/2026-03-04"),
        (Category.OUTPUTS, "outputs/2026-03-04"),
        (Category.TEMP, f"temp/{JOB}"),
        (Category.CLIPS, "clips"),
        (Category.ARCHIVES, "archives/2026/03"),
    ],
)
def test_every_category_has_its_folder(category: Category, folder: str) -> None:
    key = object_key(category, FILE, extension="mp4", day=DAY, parent_id=PARENT, job_id=JOB)

    assert key == f"{folder}/{FILE}.mp4"


@pytest.mark.parametrize("category", [Category.FRAMES, Category.TEMP])
def test_files_without_video_or_job_share_the_folder_of_their_day(category: Category) -> None:
    key = object_key(category, FILE, extension="png", day=DAY, parent_id=None, job_id=None)

    assert key == f"{category.value}/2026-03-04/{FILE}.png"


@given(extension=st.text(max_size=12))
def test_an_extension_is_short_and_plain_or_replaced(extension: str) -> None:
    key = object_key(Category.CLIPS, FILE, extension=extension, day=DAY, parent_id=None, job_id=None)

    suffix = key.removeprefix(f"clips/{FILE}.")
    assert suffix in {extension, "bin"}
    assert suffix.isascii()
    assert suffix.isalnum()
