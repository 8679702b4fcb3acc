"""What may be handed over, checked without a child."""

import math
from dataclasses import replace
from enum import StrEnum
from typing import Any

import pytest

from media_analysis.analysis.child.outputs import (
    MAX_DEPTH,
    checked_product,
    checked_progress,
    checked_result,
    checked_warning,
)
from media_analysis.analysis.child.protocol import MAX_PRODUCT_BYTES, ProgressMade, ResultMade, WarningGiven
from media_analysis.analysis.task import Product
from media_analysis.errors.analysis import OutputRefused
from media_analysis.errors.media import MediaLimitPassed
from media_analysis.storage.category import Category

PRODUCT = Product(
    role="frame",
    ordinal=0,
    category=Category.FRAMES,
    filename="a b.jpg",
    media_type="image/jpeg",
    source=0,
    instant_seconds=1.5,
)


class Codec(StrEnum):
    H264 = "h264"


def test_a_good_product_passes() -> None:
    assert checked_product(PRODUCT, size_bytes=1, sources=1) == PRODUCT


@pytest.mark.parametrize(
    "wrong",
    [
        {"role": ""},
        {"role": "Frame"},
        {"role": "x" * 41},
        {"ordinal": -1},
        {"ordinal": 2**31},
        {"category": Category.UPLOADS},
        {"category": Category.ARCHIVES},
        {"filename": ""},
        {"filename": "a/b"},
        {"filename": "a\0b"},
        {"filename": "a\ud800b"},
        {"filename": "x" * 256},
        {"media_type": "jpeg"},
        {"media_type": "image/jpeg\r\nX: y"},
        {"source": 1},
        {"source": -1},
        {"instant_seconds": math.nan},
        {"instant_seconds": math.inf},
    ],
    ids=str,
)
def test_a_product_that_cannot_be_kept_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(OutputRefused):
        checked_product(replace(PRODUCT, **wrong), size_bytes=1, sources=1)


def test_a_product_larger_than_a_message_is_refused() -> None:
    with pytest.raises(MediaLimitPassed):
        checked_product(PRODUCT, size_bytes=MAX_PRODUCT_BYTES + 1, sources=1)


@pytest.mark.parametrize(
    "value", [math.nan, -math.inf, 2**63, {1}, b"bytes", {1: "key"}, object()], ids=lambda value: type(value).__name__
)
def test_what_is_not_json_is_refused_however_deep_it_lies(value: object) -> None:
    with pytest.raises(OutputRefused):
        checked_result(ResultMade(kind="k", document={"list": [{"value": value}]}), sources=1)


def test_a_document_comes_out_as_plain_json() -> None:
    document = {"codec": Codec.H264, "size": (1, 2), "ti\0tle": "\udfff", "deep": {"none": None, "yes": True}}

    result = checked_result(ResultMade(kind="probe", document=document), sources=1)

    assert result.document == {
        "codec": "h264",
        "size": [1, 2],
        "ti\ufffdtle": "\ufffd",
        "deep": {"none": None, "yes": True},
    }


def test_nesting_ends_at_a_stated_depth() -> None:
    def nested(depth: int) -> dict[str, Any]:
        return {"in": nested(depth - 1)} if depth > 1 else {}

    checked_result(ResultMade(kind="k", document=nested(MAX_DEPTH)), sources=1)

    with pytest.raises(OutputRefused):
        checked_result(ResultMade(kind="k", document=nested(MAX_DEPTH + 1)), sources=1)


@pytest.mark.parametrize(("share", "shown"), [(-1, 0), (0.5, 0.5), (7, 1), (math.nan, 0), (math.inf, 0)])
def test_progress_stays_between_nothing_and_all(share: float, shown: float) -> None:
    assert checked_progress(ProgressMade(share=share, stage="s")).share == shown


def test_counts_no_database_takes_are_left_out() -> None:
    progress = checked_progress(ProgressMade(share=0, stage="x" * 500 + "\0", done=-1, total=2**70))

    assert (progress.done, progress.total, len(progress.stage)) == (None, None, 80)


def test_a_warning_is_cut_and_cleaned() -> None:
    warning = checked_warning(WarningGiven(code="truncated", detail="\0" + "x" * 5_000))

    assert warning.detail.startswith("\ufffdx")
    assert len(warning.detail) == 2_000


def test_a_warning_needs_a_code() -> None:
    with pytest.raises(OutputRefused):
        checked_warning(WarningGiven(code="It is bad", detail=""))
