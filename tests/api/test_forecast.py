"""The forecast over REST: its shape, its what-if, and what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from media_analysis.storage.category import Category
from tests.api.answers import problem_in, refusal
from tests.conftest import Client, execute

URL = "/api/v1/storage/forecast"
PROJECTION = {"days", "quota_full_on", "quota_full_category", "disk_full_on"}


async def forecast(client: Client, **query: Any) -> dict[str, Any]:
    answer = await client.request("GET", URL, by="admin", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def due(days: list[dict[str, Any]]) -> list[tuple[int, int, int]]:
    """Return the number of each day on which files fall due, with the files and bytes."""
    return [(number, day["due_files"], day["due_bytes"]) for number, day in enumerate(days) if day["due_files"]]


@pytest.fixture
async def stored(client: Client, database: str) -> None:
    """An upload that ends after three days and a frame stored 20 days ago; nothing came in on any day."""
    await client.upload(b"12345", ttl_seconds=3 * 86_400)
    frame = await client.upload(b"1234567", category="frames", by="bob")
    past = "interval '20 days'"
    await execute(
        database,
        f"UPDATE media_files SET stored_at = stored_at - {past}, expires_at = expires_at - {past},"
        f" due_at = due_at - {past} WHERE id = '{frame['id']}'",
        "DELETE FROM ledger_days",
    )


@pytest.mark.usefixtures("stored")
async def test_the_next_thirty_days_are_told_from_today_on(client: Client) -> None:
    body = await forecast(client)

    today = datetime.now(UTC).date()
    assert body.keys() == PROJECTION | {"category", "policy_version", "past", "leaving", "what_if"}
    assert [day["date"] for day in body["days"]] == [str(today + timedelta(days=number)) for number in range(30)]
    assert [(one["hours"], one["files"], one["size_bytes"]) for one in body["leaving"]] == [
        (24, 0, 0),
        (168, 1, 5),
        (720, 2, 12),
    ]
    assert body["days"][0] == {
        "date": str(today),
        "due_files": 0,
        "due_bytes": 0,
        "ingest_bytes": 0,
        "used_bytes": 12,
    }
    assert due(body["days"]) == [(3, 1, 5), (10, 1, 7)]
    assert [body["days"][number]["used_bytes"] for number in (2, 3, 9, 10)] == [12, 7, 7, 0]
    assert body["category"] is body["quota_full_on"] is body["disk_full_on"] is body["what_if"] is None
    assert body["policy_version"]


@pytest.mark.usefixtures("stored")
async def test_other_lifetimes_are_tried_beside_those_in_force(client: Client) -> None:
    tried = {"lifetime.frames": "22d", "lifetime.uploads": "indefinite", "lifetime.temp": "3600"}

    body = await forecast(client, days=5, **tried)

    what_if = body["what_if"]
    assert what_if.keys() == PROJECTION | {"lifetimes"}
    assert what_if["lifetimes"] == {"frames": "22d", "uploads": "indefinite", "temp": "1h"}
    assert due(body["days"]) == [(3, 1, 5)]
    assert due(what_if["days"]) == [(2, 1, 7), (3, 1, 5)]


@pytest.mark.usefixtures("stored")
async def test_one_category_is_told_alone(client: Client) -> None:
    body = await forecast(client, category="frames", days=1)

    assert body["category"] == "frames"
    assert [day["used_bytes"] for day in body["days"]] == [7]


class TestQuota:
    """A service whose frames may take 200 bytes."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"STORAGE_QUOTA_FRAMES": "200"}

    async def test_the_day_a_quota_is_full_is_told(self, client: Client) -> None:
        await client.upload(bytes(90), category="frames")

        body = await forecast(client, **{"lifetime.frames": "1d"})

        assert (body["quota_full_on"], body["quota_full_category"]) == (body["days"][2]["date"], "frames")
        assert body["what_if"]["quota_full_on"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("days=0", "query.days"),
        ("days=367", "query.days"),
        ("category=tmp", "query.category"),
        ("lifetime.frame=5d", "query.lifetime.frame"),
        ("lifetime.frames=soon", "query.lifetime.frames"),
        ("lifetime.frames=", "query.lifetime.frames"),
        ("lifetime.frames=0", "query.lifetime.frames"),
        ("lifetime.frames=999999d", "query.lifetime.frames"),
        ("frames=5d", "query.frames"),
        ("horizon=3", "query.horizon"),
    ],
)
async def test_what_it_does_not_know_is_refused(client: Client, query: str, field: str) -> None:
    answer = await client.request("GET", f"{URL}?{query}", by="admin")

    assert refusal(answer) == (422, "invalid_request")
    assert [item["field"] for item in problem_in(answer)["errors"]] == [field]


async def test_only_administrators_are_told(client: Client) -> None:
    assert refusal(await client.request("GET", URL)) == (403, "admin_required")
    assert refusal(await client.request("GET", URL, by=None)) == (401, "token_rejected")


async def test_the_document_names_every_lifetime_that_can_be_tried(client: Client) -> None:
    document = (await client.request("GET", "/openapi.json", by=None)).json()
    parameters = {item["name"]: item for item in document["paths"][URL]["get"]["parameters"]}

    assert parameters.keys() == {"days", "category", *(f"lifetime.{category.value}" for category in Category)}
    assert all(item["description"] for item in parameters.values())
