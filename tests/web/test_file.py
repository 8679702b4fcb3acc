"""One file as a browser is shown it: living, held, in the trash, gone, and somebody else's."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from media_analysis.retention.explain.explanation import Explanation, NextAction, RetentionState, Step
from media_analysis.retention.explain.timeline import Moment
from media_analysis.runtime import Runtime
from media_analysis.states import RetentionRule
from media_analysis.storage.category import Category
from media_analysis.web.file.lifeline import NOW_AT, draw_lifeline
from media_analysis.web.file.waveform import outline
from tests.api.jobs import create, finish
from tests.conftest import Client, RunJob, execute
from tests.web.conftest import OWN, SignIn

EXAMPLES = Path(__file__).parents[2] / "examples"
NAME = '"><script>alert(1)</script>.bin'


@pytest.fixture
async def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"DELETION_STRATEGY": "soft"}


async def test_a_file_is_shown_with_what_keeps_it_what_comes_and_what_can_be_done(
    sign_in: SignIn, client: Client
) -> None:
    file = await client.upload(filename=NAME, label="camera:<b>north</b>")
    path = f"/api/v1/files/{file['id']}"
    await client.request("PUT", f"{path}/hold", json={"reason": "Evidence <17>", "until": "2999-01-01T00:00:00Z"})
    await client.request("POST", f"{path}/links", json={"expires_in": 60})
    visitor = await sign_in("alice")

    page = (await visitor.get(f"/files/{file['id']}")).text

    assert "<script>alert" not in page
    assert "<b>north</b>" not in page.replace("<b>&lt;b&gt;", "")
    assert "Held by alice: Evidence &lt;17&gt;" in page
    assert "What protects it ends (a hold)" in page
    assert "the rule “category lifetime” decides" in page
    assert f'data-method="DELETE" action="{path}/hold"' in page
    assert f'data-method="DELETE" action="{path}"' in page
    assert 'action="/api/v1/links/' in page
    assert "A page cannot show text/plain" in page


async def test_what_belongs_to_others_is_unknown_and_what_was_never_there_too(sign_in: SignIn, client: Client) -> None:
    his = await client.upload(by="bob")
    visitor = await sign_in("alice")

    foreign = await visitor.get(f"/files/{his['id']}")
    unknown = await visitor.get(f"/files/{uuid4()}")

    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.text.partition("<main")[2] == unknown.text.partition("<main")[2]


async def test_what_lies_in_the_trash_says_who_moved_it_there_and_comes_back_by_one_button(
    sign_in: SignIn, client: Client
) -> None:
    file = await client.upload(filename=NAME)
    await client.request("DELETE", f"/api/v1/files/{file['id']}", params={"reason": "no <longer> needed"})
    visitor = await sign_in("alice")

    page = await visitor.get(f"/files/{file['id']}")
    [restore] = re.findall(r'data-method="POST" action="([^"]+/restore)"', page.text)
    restored = await visitor.post(restore, headers=OWN)

    assert page.status_code == 410
    assert "<b>alice</b> moved it to the trash" in page.text
    assert "Why: no &lt;longer&gt; needed" in page.text
    assert "It can be restored until" in page.text
    assert restored.status_code == 200
    assert (await visitor.get(f"/files/{file['id']}")).status_code == 200


async def test_what_is_gone_for_good_is_told_by_its_tombstone(sign_in: SignIn, client: Client, database: str) -> None:
    file = await client.upload()
    gone = await client.request(
        "DELETE", f"/api/v1/files/{file['id']}", by="admin", params={"strategy": "hard", "reason": "by law"}
    )
    visitor = await sign_in("alice")

    page = await visitor.get(f"/files/{file['id']}")
    await execute(database, "UPDATE tombstones SET versions_kept = true")
    kept = await visitor.get(f"/files/{file['id']}")
    listed = await visitor.get("/deletions")

    assert (gone.status_code, page.status_code) == (204, 410)
    assert "Its bytes are gone." in page.text
    assert "Its bucket keeps versions" in kept.text
    assert "kept as a version" in listed.text
    assert "<b>admin</b> deleted it" in page.text
    assert "by the rule “requested”" in page.text
    assert "Why: by law" in page.text
    assert "file.bin" in page.text
    assert "/restore" not in page.text


async def test_a_file_of_a_run_of_very_many_is_told_by_its_run_when_it_is_archived(
    sign_in: SignIn, client: Client, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await create(client)
    await finish(runtime, job)
    file = await client.upload(category="frames", job_id=job["id"], expires_at="2999-01-01T00:00:00Z")
    alice = await sign_in("alice")

    one_of_few = await alice.get(f"/files/{file['id']}")
    monkeypatch.setattr("media_analysis.web.file.page.MOST_SUMMED", 0)
    one_of_many = await alice.get(f"/files/{file['id']}")

    assert "is told by" not in one_of_few.text
    assert f'is told by <a href="/jobs/{job["id"]}">the run</a>' in one_of_many.text


async def test_films_play_by_ranges_with_the_storyboard_and_the_waveform_that_a_preview_made(
    sign_in: SignIn, client: Client, run_job: RunJob
) -> None:
    film = await client.upload((EXAMPLES / "a-day-at-sea.mp4").read_bytes(), filename="film.mp4")
    asked = {"name": "preview", "kind": "preview", "source_file_ids": [film["id"]]}
    await run_job((await client.request("POST", "/api/v1/jobs", json=asked)).json()["id"])
    visitor = await sign_in("alice")

    page = (await visitor.get(f"/files/{film['id']}")).text
    part = await visitor.get(source_of(page, "video"), headers={"Range": "bytes=4-7"})
    storyboard = await visitor.get(source_of(page, "track"))
    sprite = re.findall(r"\.\./([0-9a-f-]{36})/content#xywh=", storyboard.text)[0]

    assert (part.status_code, part.content) == (206, b"ftyp")
    assert (await visitor.get(f"/api/v1/files/{sprite}/content")).headers["content-type"] == "image/jpeg"
    assert '<polygon points="0.0,' in page
    assert "preview</a></th>" in page


def source_of(page: str, element: str) -> str:
    """Where an element of a page has its content from."""
    found: list[str] = re.findall(rf'<{element}[^>]* src="([^"]+)"', page)
    return found[0]


def test_a_waveform_is_drawn_from_its_peaks_and_what_is_none_is_not() -> None:
    drawn = outline(b'{"channels": 1, "bits": 8, "data": [-128, 127, 0, 64]}')

    assert drawn == "0.0,0.4 600.0,25.0 600.0,50.0 0.0,100.0"
    assert outline(b'{"data": []}') is None
    assert outline(b"no json") is None
    assert outline(b'{"channels": 1, "bits": 8, "data": []}') is None


@pytest.mark.parametrize(
    "told",
    [
        b'{"channels": 1, "bits": 100000, "data": [0, 1]}',
        b'{"channels": 1, "bits": -8, "data": [0, 1]}',
        b'{"channels": 1, "bits": 8, "data": 7}',
        b'{"channels": 1, "bits": 8, "data": ["low", "high"]}',
        b'{"channels": 1.5, "bits": 8, "data": [0, 1]}',
        b'{"channels": [], "bits": [], "data": [0, 1]}',
        b"[]",
    ],
)
def test_what_a_program_elsewhere_calls_a_waveform_is_drawn_as_none_unless_it_is_one(told: bytes) -> None:
    """It is read by the process that serves everybody: numbers of its own must not fill that, nor fail the screen."""
    assert outline(told) is None


def test_the_line_of_a_life_has_what_happened_on_its_left_and_what_comes_on_its_right() -> None:
    now = datetime(2026, 11, 30, tzinfo=UTC)
    told = Explanation(
        file_id=uuid4(),
        category=Category.UPLOADS,
        state=RetentionState.STORED,
        action=NextAction.TRASH,
        at=now + timedelta(days=7),
        rule=RetentionRule.CATEGORY_LIFETIME,
        policy_version=None,
        timeline=[
            Moment(at=now - timedelta(hours=2), event="created", actor="alice"),
            Moment(at=now - timedelta(hours=2), event="stored", actor="alice"),
            Moment(at=now - timedelta(hours=1), event="extended", actor="bob"),
        ],
        next_steps=[
            Step("expires", now + timedelta(days=7), RetentionRule.CATEGORY_LIFETIME),
            Step("trash", now + timedelta(days=7), RetentionRule.CATEGORY_LIFETIME),
        ],
    )

    life = draw_lifeline(told, now)

    places = [point.place for point in life.points]
    assert [point.text for point in life.points[:2]] == ["Stored by alice", "Given another end by bob"]
    assert places == sorted(places)
    assert [place < NOW_AT for place in places] == [True, True, False, False]
    assert [point.lane for point in life.points] == [0, 0, 0, 1]
