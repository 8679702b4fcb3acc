"""What a parent hears of its child, and what is left of a child when nobody listens any more."""

import time

import pytest

from media_analysis.analysis.child import running
from media_analysis.analysis.child.main import PROGRESS_SECONDS
from media_analysis.analysis.child.protocol import (
    HEAD,
    Message,
    ProductMade,
    ProgressMade,
    ResultMade,
    WarningGiven,
    frame,
)
from media_analysis.errors import MediaAnalysisError
from media_analysis.errors.analysis import (
    AnalysisCrashed,
    AnalysisMemoryPassed,
    AnalysisTimedOut,
    OutputRefused,
    TaskFailed,
)
from media_analysis.errors.kinds import Unavailable
from media_analysis.errors.media import CorruptMedia, MediaLimitPassed
from media_analysis.media.options import Limits
from tests.analysis.child.conftest import Run, collect

PATIENCE_SECONDS = 60.0
"""With a child that has ended, until its end is heard of."""


def kinds_of(messages: list[Message]) -> list[type]:
    return [type(message) for message in messages]


async def failure(run: Run, act: str, **orders: object) -> MediaAnalysisError:
    with pytest.raises(MediaAnalysisError) as raised:
        await collect(run(act, **orders))
    return raised.value


async def test_a_task_hands_over_what_it_makes_in_its_order(run: Run) -> None:
    messages = await collect(run("behave"))

    assert kinds_of(messages)[:5] == [ProgressMade, WarningGiven, ProductMade, ProductMade, ResultMade]
    assert set(kinds_of(messages)[5:]) == {ProgressMade}  # one, or more where the machine stood still meanwhile
    assert [message.content for message in messages if isinstance(message, ProductMade)] == [b"source", b""]
    assert [message.product.ordinal for message in messages if isinstance(message, ProductMade)] == [0, 1]


async def test_of_a_thousand_steps_a_few_are_told_and_always_the_last(run: Run) -> None:
    began = time.monotonic()
    messages = await collect(run("behave"))
    most = 2 + (time.monotonic() - began) / PROGRESS_SECONDS  # the first, the last, and so many between

    told = [message for message in messages if isinstance(message, ProgressMade)]
    assert len(told) <= most
    assert told[-1] == ProgressMade(share=1, stage="done", done=2, total=2)


async def test_text_that_no_database_takes_is_cleaned(run: Run) -> None:
    messages = await collect(run("behave"))

    (result,) = [message for message in messages if isinstance(message, ResultMade)]
    assert result.document == {"title": "a\ufffdb\ufffdc", "numbers": [1, 2.5, None, True]}


async def test_a_product_of_many_megabytes_arrives_whole(run: Run) -> None:
    messages = await collect(run("overflow", number=30_000_000, limits=Limits(max_product_bytes=10**9)))

    assert [len(message.content) for message in messages if isinstance(message, ProductMade)] == [30_000_000] * 10


async def test_a_large_document_arrives_whole(run: Run) -> None:
    (result,) = await collect(run("large"))

    assert isinstance(result, ResultMade)
    assert result.document["value"] == ["x" * 1_000] * 3_000


@pytest.mark.parametrize(
    ("act", "kind", "code", "detail"),
    [
        ("corrupt", CorruptMedia, "corrupt_media", "nothing of it decodes"),
        (
            "too_long",
            MediaLimitPassed,
            "media_limit_passed",
            "90,000 duration seconds are more than the 86,400 allowed",
        ),
        ("own_error", TaskFailed, "out_of_tune", "the strings are loose"),
        ("not_a_number", OutputRefused, "output_refused", "a number of a result is not finite"),
        ("not_json", OutputRefused, "output_refused", "a result holds a set, which JSON has not"),
        ("too_deep", OutputRefused, "output_refused", "a result is nested too deeply"),
        ("too_large", OutputRefused, "output_refused", "a result is larger than 4,194,304 bytes"),
    ],
)
async def test_what_a_task_raises_arrives_as_it_was_and_is_not_tried_again(
    run: Run, act: str, kind: type[MediaAnalysisError], code: str, detail: str
) -> None:
    error = await failure(run, act)

    assert type(error) is kind
    assert (error.code, error.args[0]) == (code, detail)
    assert not isinstance(error, Unavailable)  # it would be tried again


@pytest.mark.parametrize(
    ("act", "cause"),
    [
        ("segfault", "SIGSEGV"),
        ("abort", "SIGABRT"),
        ("exit", "exit status 3"),
        ("sys_exit", "SystemExit"),
        ("divide", "ZeroDivisionError"),
    ],
)
async def test_a_crash_is_named_and_worth_another_try(
    run: Run, monkeypatch: pytest.MonkeyPatch, act: str, cause: str
) -> None:
    monkeypatch.setattr(running, "GRACE_SECONDS", PATIENCE_SECONDS)
    error = await failure(run, act)

    assert isinstance(error, AnalysisCrashed)
    assert error.cause == cause
    assert isinstance(error, Unavailable)  # it is tried again


async def test_where_a_codec_crashed_is_told_to_the_log_and_not_to_clients(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "GRACE_SECONDS", PATIENCE_SECONDS)
    error = await failure(run, "segfault")

    assert "misbehaving.py" in str(error)
    assert error.args[0] == "the analysis crashed: SIGSEGV"
    assert error.facts() == {"cause": "SIGSEGV"}


@pytest.mark.parametrize("act", ["fill_memory", "hoard_memory", "swallow_memory"])
async def test_a_task_that_needs_too_much_memory_fails_for_good(
    run: Run, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    monkeypatch.setattr(running, "GRACE_SECONDS", PATIENCE_SECONDS)
    error = await failure(run, act, number=2**31, memory_bytes=2**29)

    assert isinstance(error, AnalysisMemoryPassed)
    assert error.limit_bytes == 2**29
    assert not isinstance(error, Unavailable)  # it would be tried again


async def test_a_task_may_use_the_memory_it_has(run: Run) -> None:
    (result,) = await collect(run("fill_memory", number=2**28, memory_bytes=2**30))

    assert isinstance(result, ResultMade)
    assert result.document == {"count": 2**28}


async def test_a_task_that_takes_too_long_is_ended_for_good(run: Run) -> None:
    error = await failure(run, "loop", seconds=0.5)

    assert isinstance(error, AnalysisTimedOut)
    assert not isinstance(error, Unavailable)  # it would be tried again


async def test_products_beyond_the_limit_are_not_taken(run: Run) -> None:
    limits = Limits(max_product_bytes=2_500)

    async with run("overflow", number=1_000, limits=limits) as messages:
        taken = [await anext(messages), await anext(messages)]
        with pytest.raises(MediaLimitPassed, match="3,000 bytes of products are more than the 2,500 allowed"):
            await anext(messages)

    assert kinds_of(taken) == [ProductMade, ProductMade]


async def test_megabytes_of_chatter_neither_block_a_task_nor_stay(run: Run) -> None:
    (result,) = await collect(run("chatter"))
    error = await failure(run, "chatter", number=7)

    assert isinstance(result, ResultMade)
    assert result.document == {"lines": 200_000}
    assert "line 199999" in str(error)
    assert len(str(error)) < 5_000


@pytest.mark.parametrize(
    "words",
    [
        b"\xff" * 64,
        frame({"type": "product"}),
        frame({"type": "no such thing"}),
        frame({"type": "progress", "share": "much"}),
        HEAD.pack(4, 0) + b"[[[[",
        HEAD.pack(30, 2**32 - 1) + b'{"type": "product"           }',
        frame({"type": "result", "kind": "k", "source": None}, b"xx") + b"\xff\xff",
    ],
)
async def test_a_child_that_was_taken_over_is_not_believed(run: Run, words: bytes) -> None:
    error = await failure(run, "lie", words=[words.hex()])

    assert isinstance(error, AnalysisCrashed)
    assert error.cause.startswith("the child's words")


async def test_a_product_no_emitter_would_send_is_refused(run: Run) -> None:
    product = {"role": "frame", "ordinal": 0, "category": "uploads", "filename": "../x", "media_type": "image/png"}

    error = await failure(run, "lie", words=[frame({"type": "product", "product": product}).hex()])

    assert isinstance(error, OutputRefused)


async def test_parameters_the_kind_does_not_know_fail_the_task(run: Run) -> None:
    error = await failure(run, "behave", volume=11)

    assert isinstance(error, TaskFailed)
    assert error.code == "invalid_parameters"
