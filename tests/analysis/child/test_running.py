"""What a parent hears of its child, and what is left of a child when nobody listens any more."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

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
    KindUnknown,
    OutputRefused,
    TaskFailed,
    may_pass,
)
from media_analysis.errors.media import CorruptMedia, MediaLimitPassed
from media_analysis.media.options import Limits
from tests.analysis.child.conftest import Run, collect


def kinds_of(messages: list[Message]) -> list[type]:
    return [type(message) for message in messages]


def is_gone(process: int) -> bool:
    """Tell whether a process has ended and was reaped."""
    return not Path("/proc", str(process)).exists()


def is_dead(process: int) -> bool:
    """Tell whether a process has ended, whoever may have to reap it."""
    try:
        return Path("/proc", str(process), "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def children() -> list[int]:
    """Return the child processes of this thread, those that nobody reaped included."""
    return [int(child) for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


async def comes_true(condition: Callable[[], bool], *, within_seconds: float) -> bool:
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        await asyncio.sleep(0.01)
    return condition()


async def failure(run: Run, act: str, **orders: object) -> MediaAnalysisError:
    with pytest.raises(MediaAnalysisError) as raised:
        await collect(run(act, **orders))
    return raised.value


async def test_a_task_hands_over_what_it_makes_in_its_order(run: Run) -> None:
    messages = await collect(run("behave"))

    assert kinds_of(messages) == [ProgressMade, WarningGiven, ProductMade, ProductMade, ResultMade, ProgressMade]
    assert [message.content for message in messages if isinstance(message, ProductMade)] == [b"source", b""]
    assert [message.product.ordinal for message in messages if isinstance(message, ProductMade)] == [0, 1]


async def test_of_a_thousand_steps_a_few_are_told_and_always_the_last(run: Run) -> None:
    messages = await collect(run("behave"))

    told = [message for message in messages if isinstance(message, ProgressMade)]
    assert len(told) < 6
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
    assert not may_pass(error)


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
async def test_a_crash_is_named_and_worth_another_try(run: Run, act: str, cause: str) -> None:
    error = await failure(run, act)

    assert isinstance(error, AnalysisCrashed)
    assert error.cause == cause
    assert may_pass(error)


async def test_where_a_codec_crashed_is_told_to_the_log_and_not_to_clients(run: Run) -> None:
    error = await failure(run, "segfault")

    assert "misbehaving.py" in str(error)
    assert error.args[0] == "the analysis crashed: SIGSEGV"
    assert error.facts() == {"cause": "SIGSEGV"}


@pytest.mark.parametrize("act", ["fill_memory", "hoard_memory", "swallow_memory"])
async def test_a_task_that_needs_too_much_memory_fails_for_good(run: Run, act: str) -> None:
    error = await failure(run, act, number=2**31, memory_bytes=2**29)

    assert isinstance(error, AnalysisMemoryPassed)
    assert error.limit_bytes == 2**29
    assert not may_pass(error)


async def test_a_task_out_of_memory_says_so_itself(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    error = await failure(run, "fill_memory", number=2**31, memory_bytes=2**29)

    assert "_output" not in vars(error)
    assert error.args[0] == "the analysis needs more than 536,870,912 bytes of memory"


async def test_a_task_may_use_the_memory_it_has(run: Run) -> None:
    (result,) = await collect(run("fill_memory", number=2**28, memory_bytes=2**30))

    assert isinstance(result, ResultMade)
    assert result.document == {"count": 2**28}


async def test_a_task_that_takes_too_long_is_ended_for_good(run: Run) -> None:
    error = await failure(run, "loop", seconds=0.5)

    assert isinstance(error, AnalysisTimedOut)
    assert not may_pass(error)


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
    assert error.cause.startswith("its words")


async def test_a_product_no_emitter_would_send_is_refused(run: Run) -> None:
    product = {"role": "frame", "ordinal": 0, "category": "uploads", "filename": "../x", "media_type": "image/png"}

    error = await failure(run, "lie", words=[frame({"type": "product", "product": product}).hex()])

    assert isinstance(error, OutputRefused)


async def test_parameters_the_kind_does_not_know_fail_the_task(run: Run) -> None:
    error = await failure(run, "behave", volume=11)

    assert isinstance(error, TaskFailed)
    assert error.code == "invalid_parameters"


async def test_a_kind_of_an_uninstalled_plugin_is_unknown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", sys.path[1:])

    error = await failure(run, "behave")

    assert isinstance(error, KindUnknown)


async def test_a_cancelled_job_stops_at_once(run: Run) -> None:
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def listen() -> None:
        async with run("loop") as messages:
            async for message in messages:
                assert isinstance(message, ResultMade)
                started.set_result(message.document["id"])

    listening = asyncio.create_task(listen())
    process = await started
    cancelled_at = time.monotonic()
    listening.cancel()
    await asyncio.wait([listening])

    assert time.monotonic() - cancelled_at < 1
    assert listening.cancelled()
    assert is_gone(process)


async def test_leaving_in_the_middle_ends_the_child(run: Run) -> None:
    async with run("loop") as messages:
        message = await anext(messages)

    assert isinstance(message, ResultMade)
    assert is_gone(message.document["id"])


async def test_a_child_waits_while_its_parent_stores(run: Run) -> None:
    limits = Limits(max_product_bytes=10**9)

    async with run("overflow", number=10_000_000, limits=limits) as messages:
        await anext(messages)
        child = max(children())

        assert not await comes_true(lambda: is_dead(child), within_seconds=0.5)
        assert len(messages.reader.stream._buffer) < 2_000_000  # type: ignore[attr-defined] # noqa: SLF001


async def test_no_descriptor_and_no_child_is_left(run: Run) -> None:
    await collect(run("behave"))
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208

    for act in ("behave", "segfault", "corrupt"):
        async with run(act) as messages:
            try:
                async for _ in messages:
                    pass
            except MediaAnalysisError:
                pass

    assert await comes_true(lambda: sorted(os.listdir("/proc/self/fd")) == before, within_seconds=1)  # noqa: PTH208
    assert not any(map(is_dead, children()))


async def test_a_child_that_cannot_be_started_is_a_crash(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/program")

    error = await failure(run, "behave")

    assert isinstance(error, AnalysisCrashed)


async def test_the_event_loop_is_not_held_up(run: Run) -> None:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            asked_at = time.monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - asked_at - 0.005)

    watching = asyncio.create_task(watch())
    await collect(run("overflow", number=1_000_000, limits=Limits(max_product_bytes=10**9)))
    await collect(run("large"))
    watching.cancel()

    assert longest < 0.1


def test_a_child_dies_with_its_parent(tmp_path: Path, plugged_in: None) -> None:
    script = f"""
import asyncio, uuid
from pathlib import Path
from tests.analysis.child.conftest import assigned
from media_analysis.analysis.child.confinement import Confinement
from media_analysis.analysis.child.running import run_task
from media_analysis.analysis.task import Source
path = Path({str(tmp_path / "none")!r})
source = Source(position=0, file_id=uuid.uuid4(), path=path, filename="n", media_type="a/b", size_bytes=0)
async def main():
    async with run_task(assigned(source, "loop"), confinement=Confinement()) as messages:
        async for message in messages:
            print(message.document["id"], flush=True)
asyncio.run(main())
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not is_dead(child)

        parent.kill()
        parent.wait()

    assert asyncio.run(comes_true(lambda: is_dead(child), within_seconds=1))
