"""`media-analysis pressure`: levels and queue in the terminal, relief with an exit code."""

import json
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from media_analysis.runtime import Runtime
from media_analysis.settings import Settings
from tests.cli.commands import run
from tests.retention.conftest import buried, living
from tests.retention.pressure.pressure_stock import CLIPS, KIB, change, judged_runtime, stock


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | CLIPS


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    async with judged_runtime(settings, database) as opened:
        yield opened


@pytest.fixture
async def clips(runtime: Runtime) -> list[UUID]:
    """Too many of them."""
    return await stock(runtime, [30, 30, 30])


async def test_it_shows_levels_and_who_goes_next_and_deletes_nothing(
    clips: list[UUID], environment: dict[str, str], database: str
) -> None:
    shown = run("pressure", "--preview", "2", **environment)

    assert shown.returncode == 0, shown.stderr
    assert "90.0 KiB" in shown.stdout
    assert "30.0 KiB" in shown.stdout
    assert str(clips[1]) in shown.stdout
    assert str(clips[2]) not in shown.stdout
    assert await living(database) == set(clips)


async def test_it_relieves_and_says_what_it_did(clips: list[UUID], environment: dict[str, str], database: str) -> None:
    relieved = run("pressure", "--relieve", **environment)
    again = run("pressure", "--relieve", **environment)

    assert relieved.returncode == 0, relieved.stderr
    assert "category:clips: wanted 30.0 KiB, freed 30.0 KiB (1 files and 0 of the trash)" in relieved.stdout
    assert "nothing is under pressure" in again.stdout
    assert await buried(database) == {clips[0]}


async def test_what_cannot_be_relieved_shows_in_the_exit_code(
    runtime: Runtime, clips: list[UUID], environment: dict[str, str], database: str
) -> None:
    await change(runtime, "held_until = 'infinity'", *clips)

    blocked = run("pressure", "--relieve", "--json", **environment)

    assert blocked.returncode == 2, blocked.stderr
    (outcome,) = json.loads(blocked.stdout)["outcomes"]
    assert (outcome["wanted_bytes"], outcome["freed_bytes"]) == (30 * KIB, 0)
    assert outcome["blocked"]["hold"] == {"files": 3, "bytes": 90 * KIB}
    assert await living(database) == set(clips)


def test_the_json_is_what_the_api_answers(clips: list[UUID], environment: dict[str, str]) -> None:
    shown = run("pressure", "--json", "--category", "clips", **environment)

    told = json.loads(shown.stdout)
    assert list(told) == ["categories", "disk", "next", "blocked"]
    assert [entry["file_id"] for entry in told["next"]] == [str(file_id) for file_id in clips]
