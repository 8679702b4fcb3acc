"""`forecast`: exact numbers for programs, a chart for people, and what other lifetimes would do."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from media_analysis.cli.forecast import draw_bar
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.cli.commands import run
from tests.conftest import StoreFile, execute

pytestmark = pytest.mark.usefixtures("served")

TERMINAL = {"FORCE_COLOR": "1", "COLUMNS": "100", "TERM": "xterm-256color"}
KIB = 1024


def plain(printed: str) -> str:
    """Return what is left without colors."""
    return re.sub(r"\x1b\[[0-9;]*m", "", printed)


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Frames may take 6 KiB."""
    return environment | {"STORAGE_QUOTA_FRAMES": "6KiB"}


@pytest.fixture
async def stored(store_file: StoreFile, database: str) -> None:
    """A kibibyte of frames; a kibibyte came in yesterday, too, and today nothing will."""
    await store_file(bytes(KIB), category=Category.FRAMES)
    await execute(database, "UPDATE ledger_days SET day = day - 1")


async def days_of(runtime: Runtime, count: int) -> list[str]:
    today = (await runtime.db.now()).date()
    return [str(today + timedelta(days=number)) for number in range(count)]


@pytest.mark.usefixtures("stored")
async def test_a_program_gets_a_table_of_exact_numbers(runtime: Runtime, environment: dict[str, str]) -> None:
    told = run("forecast", "--days", "3", "--lifetime", "frames=1d", **environment)

    rows = [line.split() for line in told.stdout.splitlines() if re.match(r"\d{4}-\d\d-\d\d ", line)]
    assert told.returncode == 0, told.stderr
    assert re.findall(r"\w+", told.stdout.splitlines()[0])[:5] == [
        "date",
        "due_files",
        "due_bytes",
        "ingest_bytes",
        "used_bytes",
    ]
    assert rows == [
        [day, "0", "0", "1024", str(used), str(due), str(tried)]
        for day, used, due, tried in zip(
            await days_of(runtime, 3), (2048, 3072, 4096), (0, 2048, 1024), (2048, 1024, 1024), strict=True
        )
    ]
    assert "If nothing changes: no quota is passed within 3 days; the disk (" in told.stdout
    assert "What if (frames 1d): no quota is passed within 3 days" in told.stdout


@pytest.mark.usefixtures("stored")
async def test_people_get_a_chart_with_the_quota_across_it(runtime: Runtime, environment: dict[str, str]) -> None:
    told = run("forecast", "--days", "8", "--category", "frames", **environment | TERMINAL)

    lines = plain(told.stdout).splitlines()
    assert told.returncode == 0, told.stderr
    assert lines[0].split() == ["date", "files", "due", "ingest", "used", "┃", "quota"]
    bars = [len(re.findall("[▏▎▍▌▋▊▉█]", line)) for line in lines[1:9]]
    assert bars == sorted(bars)
    assert bars[0] < bars[-1]
    assert all("┃" in line for line in lines[1:9])
    assert re.search(r" 0 +0 B +1\.0 KiB +9\.0 KiB ", lines[8])
    full_on = (await days_of(runtime, 6))[5]
    assert f"the quota of frames (6.0 KiB) is passed on {full_on}" in " ".join(lines)


@pytest.mark.usefixtures("stored")
def test_a_chart_stays_within_the_terminal(environment: dict[str, str]) -> None:
    told = run("forecast", "--lifetime", "frames=3d", **environment | TERMINAL | {"COLUMNS": "80"})

    table = [line for line in plain(told.stdout).splitlines() if "KiB" in line and not line.startswith(("If", "What"))]
    assert len(table) == 30
    assert max(map(len, table)) <= 80
    assert "…" not in told.stdout
    assert "\x1b[" in told.stdout


@pytest.mark.usefixtures("stored")
def test_the_json_is_what_the_api_answers(environment: dict[str, str]) -> None:
    told = run(
        "forecast", "--days", "2", "--lifetime", "frames=1d", "--lifetime", "temp=indefinite", "--json", **environment
    )

    body: dict[str, Any] = json.loads(told.stdout)
    assert body.keys() == {
        "days",
        "leaving",
        "quota_full_on",
        "quota_full_category",
        "disk_full_on",
        "category",
        "policy_version",
        "past",
        "what_if",
    }
    assert [day["used_bytes"] for day in body["days"]] == [2048, 3072]
    assert body["what_if"]["lifetimes"] == {"frames": "1d", "temp": "indefinite"}


@pytest.mark.parametrize("word", ["frames", "frame=5d", "frames=soon", "frames=30", "=5d"])
def test_a_lifetime_nobody_understands_is_refused_with_an_example(word: str, environment: dict[str, str]) -> None:
    told = run("forecast", "--lifetime", word, **environment)

    assert told.returncode == 1
    assert "such as frames=5d" in told.stderr
    assert told.stdout == ""


@pytest.mark.parametrize("days", ["0", "367", "many"])
def test_days_out_of_range_are_refused(days: str, environment: dict[str, str]) -> None:
    assert run("forecast", "--days", days, **environment).returncode == 2


@pytest.mark.parametrize(
    ("size_bytes", "limit_bytes", "drawn"),
    [
        (0, None, "    "),
        (40, None, "████"),
        (15, None, "█▌  "),
        (10, 30, "█  ┃"),
        (40, 20, "██┃█"),
        (0, -5, "┃   "),
        (40, 40, "███┃"),
    ],
)
def test_a_bar_is_crossed_by_its_limit(size_bytes: int, limit_bytes: int | None, drawn: str) -> None:
    assert draw_bar(size_bytes, 40, 4, limit_bytes=limit_bytes).plain == drawn
