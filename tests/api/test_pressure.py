"""`/storage/pressure`: how full everything is, who goes next and why, and relief on demand."""

from collections.abc import AsyncIterator

import pytest

from media_analysis.runtime import Runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from tests.conftest import Client
from tests.retention.conftest import buried, living
from tests.retention.pressure.pressure_stock import CLIPS, KIB, change, judged_runtime, stock, throw_away

PATH = "/api/v1/storage/pressure"


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | CLIPS


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    async with judged_runtime(settings, database) as opened:
        yield opened


async def test_levels_tell_what_is_under_pressure(runtime: Runtime, client: Client) -> None:
    await stock(runtime, [45, 45])

    told = (await client.request("GET", PATH, by="admin")).json()

    assert told["categories"]["clips"] == {
        "used_bytes": 90 * KIB,
        "high_water_bytes": 80 * KIB,
        "low_water_bytes": 60 * KIB,
        "quota_bytes": 100 * KIB,
        "eviction_priority": 2,
        "under_pressure": True,
        "wanted_bytes": 30 * KIB,
    }
    assert set(told["categories"]) == set(Category)
    assert told["categories"]["outputs"]["eviction_priority"] is None
    assert not told["categories"]["uploads"]["under_pressure"]
    assert (told["disk"]["under_pressure"], told["disk"]["high_percent"]) == (False, 100)
    assert told["disk"]["total_bytes"] > told["disk"]["free_bytes"] > 0


async def test_the_queue_says_who_goes_next_and_why(runtime: Runtime, client: Client) -> None:
    outputs = await stock(runtime, [1, 1], category=Category.OUTPUTS, owner="bob")
    uploads = await stock(runtime, [1], category=Category.UPLOADS)
    clips = await stock(runtime, [3, 3])
    await throw_away(runtime, outputs[0])
    await change(runtime, "held_until = 'infinity'", clips[0])

    told = (await client.request("GET", PATH, by="admin")).json()

    following = told["next"]
    assert [entry["file_id"] for entry in following] == [str(outputs[0]), str(clips[1]), str(uploads[0])]
    assert [entry["rank"] for entry in following] == [1, 2, 3]
    assert [entry["state"] for entry in following] == ["trashed", "stored", "stored"]
    assert [entry["rule"] for entry in following] == ["requested", "pressure", "pressure"]
    assert [(entry["owner"], entry["size_bytes"]) for entry in following[:2]] == [("bob", KIB), ("alice", 3 * KIB)]
    assert "trash" in following[0]["why"]
    assert "eviction priority 2" in following[1]["why"]
    assert told["blocked"]["hold"] == {"files": 1, "bytes": 3 * KIB}
    assert told["blocked"]["not_evictable"] == {"files": 1, "bytes": KIB}


async def test_what_the_queue_names_is_what_a_relief_takes(runtime: Runtime, client: Client, database: str) -> None:
    clips = await stock(runtime, [15] * 6)
    await throw_away(runtime, clips[4])
    await change(runtime, "min_retain_until = now() + interval '1 h'", clips[0])
    named = (await client.request("GET", PATH, by="admin", params={"category": "clips", "preview": 2})).json()["next"]

    told = (await client.request("POST", f"{PATH}/relieve", by="admin")).json()

    (outcome,) = told["outcomes"]
    assert (outcome["scope"], outcome["wanted_bytes"], outcome["freed_bytes"]) == ("category:clips", *[30 * KIB] * 2)
    assert (outcome["files"], outcome["trash_files"], outcome["relieved"]) == (1, 1, True)
    assert {entry["file_id"] for entry in named} == {str(file_id) for file_id in await buried(database)}
    sweep = (await client.request("GET", f"/api/v1/storage/sweeps/{outcome['sweep_id']}", by="admin")).json()
    assert (sweep["status"], sweep["total_files_removed"]) == ("completed", 2)


async def test_a_preview_deletes_nothing_and_is_as_long_as_asked(
    runtime: Runtime, client: Client, database: str
) -> None:
    clips = await stock(runtime, [10] * 9)

    told = (await client.request("GET", PATH, by="admin", params={"preview": 4, "category": "clips"})).json()

    assert [entry["file_id"] for entry in told["next"]] == [str(file_id) for file_id in clips[:4]]
    assert await living(database) == set(clips)


async def test_a_relief_without_pressure_does_nothing(runtime: Runtime, client: Client) -> None:
    await stock(runtime, [10])

    answer = await client.request("POST", f"{PATH}/relieve", by="admin")

    assert (answer.status_code, answer.json()) == (200, {"outcomes": []})
    assert (await client.request("GET", "/api/v1/storage/sweeps", by="admin")).json()["items"] == []


@pytest.mark.parametrize(("method", "path"), [("GET", PATH), ("POST", f"{PATH}/relieve")])
async def test_pressure_is_for_administrators(client: Client, method: str, path: str) -> None:
    assert (await client.request(method, path, by="alice")).status_code == 403
    assert (await client.request(method, path, by=None)).status_code == 401


@pytest.mark.parametrize("query", [{"preview": 0}, {"preview": 501}, {"category": "films"}, {"previw": 5}])
async def test_a_question_that_means_nothing_is_refused(client: Client, query: dict[str, object]) -> None:
    assert (await client.request("GET", PATH, by="admin", params=query)).status_code == 422


async def test_metrics_tell_wanted_freed_and_what_could_not_be(runtime: Runtime, client: Client) -> None:
    clips = await stock(runtime, [45, 45])
    await change(runtime, "held_until = 'infinity'", *clips)
    await client.request("POST", f"{PATH}/relieve", by="admin")
    held = (await client.request("GET", "/metrics", by=None)).text
    await change(runtime, "held_until = NULL", *clips)

    await client.request("POST", f"{PATH}/relieve", by="admin")

    relieved = (await client.request("GET", "/metrics", by=None)).text
    assert f'pressure_unrelieved{{scope="clips"}} {30 * KIB}.0' in held
    assert 'pressure_unrelieved{scope="clips"} 0.0' in relieved
    assert f'pressure_wanted_bytes_total{{scope="clips"}} {60 * KIB}.0' in relieved
    assert f'pressure_freed_bytes_total{{scope="clips"}} {45 * KIB}.0' in relieved
