"""Kinds that run by themselves: on what is brought, once each, when there is time and room."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from media_analysis.analysis.kinds import BUILT_IN
from media_analysis.cli.import_ import destination_of
from media_analysis.errors import InvalidSettings, Misconfigured
from media_analysis.imports.tree.service import TreeImportRequest
from media_analysis.jobs.automatic import load
from media_analysis.jobs.automatic.loop import running_automatic
from media_analysis.jobs.automatic.starting import MOST_OF_ONE
from media_analysis.jobs.automatic.suite import chosen_kinds
from media_analysis.jobs.models import JobStatus
from media_analysis.runtime import Runtime
from media_analysis.settings import load_settings
from media_analysis.settings.analysis import OnUpload
from media_analysis.storage.category import Category
from tests.api.forms import END, FORM_TYPE, field, file
from tests.api.tus import TusClient
from tests.conftest import Client, RunJob, StoreFile, execute, fetch
from tests.disks import disk_of
from tests.files.conftest import eventually
from tests.media import clips

JOBS = "SELECT id, owner, kind, name, status::text, priority, labels::text, pinned_until FROM analysis_jobs ORDER BY id"
LATER = "UPDATE upload_analyses SET due_at = now() WHERE due_at IS NOT NULL"


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"ANALYSIS_ON_UPLOAD_UPLOADS": "preview, probe", "ANALYSIS_ON_UPLOAD_TEMP": "frames"}


@pytest.fixture
async def begun(runtime: Runtime) -> Runtime:
    """Services that run things by themselves from now on."""
    await runtime.automatic.noting.begin()
    return runtime


async def noted(runtime: Runtime, database: str, rows: int) -> None:
    """Wait until so many are noted in all; transactions of other tests hold the log back."""

    async def is_noted() -> bool:
        await runtime.automatic.noting.run()
        return bool((await fetch(database, "SELECT count(*) FROM upload_analyses"))[0][0] == rows)

    await eventually(is_noted)


async def told(client: Client, file_id: object) -> list[tuple[str, str, str | None, bool]]:
    """Return what the explanation says of each kind, and whether there is a job."""
    answer = await client.request("GET", f"/api/v1/files/{file_id}/retention")
    assert answer.status_code == 200, answer.text
    return [(one["kind"], one["state"], one["reason"], one["job_id"] is not None) for one in answer.json()["analyses"]]


def film() -> bytes:
    return clips.with_sound().read_bytes()


async def by_form(client: Client) -> str:
    body = field("category", "uploads") + file(film(), filename="form.mp4") + END
    answer = await client.request("POST", "/api/v1/files", content=body, headers={"Content-Type": FORM_TYPE})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def in_pieces(client: Client) -> str:
    tus = TusClient(client)
    path = await tus.start(len(film()), filename="pieces.mp4", category="uploads")
    half = len(film()) // 2
    assert (await tus.patch(path, 0, film()[:half])).status_code == 204
    assert (await tus.patch(path, half, film()[half:])).status_code == 204
    return path.rpartition("/")[2]


def laid(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "old.mp4").write_bytes(film())
    return folder


async def by_import(runtime: Runtime, folder: Path, *, in_place: bool) -> None:
    request = TreeImportRequest(
        directory=folder, category=Category.UPLOADS, owner="alice", actor="admin", in_place=in_place
    )
    assert (await destination_of(runtime).run(request)).files == 1


async def test_every_road_on_which_a_file_comes_leads_to_its_jobs(
    begun: Runtime, client: Client, database: str, tmp_path: Path, run_job: RunJob
) -> None:
    whole = await client.upload(film(), filename="whole.mp4", label="camera:north")
    files = [whole["id"], await by_form(client), await in_pieces(client)]
    await by_import(begun, laid(tmp_path / "tree"), in_place=False)
    await by_import(begun, laid(disk_of(begun.store).root / "uploads" / "2020-01-02"), in_place=True)

    await noted(begun, database, 10)
    assert await begun.automatic.starting.run() == 10

    jobs = await fetch(database, JOBS)
    assert sorted(job["kind"] for job in jobs) == ["preview"] * 5 + ["probe"] * 5
    assert {(job["owner"], job["status"], job["priority"], job["pinned_until"]) for job in jobs} == {
        ("alice", "pending", -50, None)
    }
    names = {job["name"]: job["labels"] for job in jobs}
    assert names["preview of whole.mp4"] == '{"camera": "north"}'
    assert {"probe of form.mp4", "probe of pieces.mp4", "probe of old.mp4"} < set(names)
    for file_id in files:
        assert await told(client, file_id) == [("preview", "made", None, True), ("probe", "made", None, True)]
    for job in jobs[:2]:
        assert await run_job(job["id"]) == JobStatus.COMPLETED
    await client.upload(b"made of it", parent_id=whole["id"])
    await client.upload(b"brought for it", job_id=str(jobs[0]["id"]))
    await client.upload(b"of a category that nothing runs in", category="outputs")
    mark = await client.upload(film(), category="temp")
    await noted(begun, database, 11)
    assert await told(client, mark["id"]) == [("frames", "waiting", None, False)]


async def test_what_a_kind_does_not_read_is_skipped_and_said_so(begun: Runtime, client: Client, database: str) -> None:
    text = await client.upload(b"no film", filename="a.txt")
    sound = await client.upload(clips.audio("wav").read_bytes(), category="temp", filename="a.wav")

    await noted(begun, database, 3)

    unsuitable = "media_type_unsuitable"
    assert await told(client, text["id"]) == [
        ("preview", "skipped", unsuitable, False),
        ("probe", "skipped", unsuitable, False),
    ]
    assert await told(client, sound["id"]) == [("frames", "skipped", unsuitable, False)]
    assert await begun.automatic.starting.run() == 0


async def test_nobody_s_thousand_files_keep_the_one_of_another_waiting(
    begun: Runtime, store_file: StoreFile, database: str
) -> None:
    many = [await store_file(film(), category=Category.TEMP, owner="alice") for _ in range(MOST_OF_ONE + 2)]
    await store_file(film(), category=Category.TEMP, owner="bob")
    await noted(begun, database, len(many) + 1)

    assert await begun.automatic.starting.run() == MOST_OF_ONE + 1

    owners = [job["owner"] for job in await fetch(database, JOBS)]
    assert (owners.count("alice"), owners.count("bob")) == (MOST_OF_ONE, 1)
    assert await begun.automatic.starting.run() == 2
    assert await begun.automatic.starting.run() == 0


async def reasons(runtime: Runtime, client: Client, database: str, file_id: object) -> list[str | None]:
    await execute(database, LATER)
    await runtime.automatic.starting.run()
    return [reason for _, _, reason, _ in await told(client, file_id)]


async def test_what_would_crowd_or_fill_waits_until_there_is_room(
    begun: Runtime, client: Client, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await client.upload(film())
    await noted(begun, database, 2)
    usage = "UPDATE category_policies SET quota_bytes = {} WHERE category = 'frames'"
    file_id = made["id"]

    with monkeypatch.context() as patch:
        patch.setattr(load, "MOST_OF_ALL", 0)
        assert await reasons(begun, client, database, file_id) == ["service_busy"] * 2
    with monkeypatch.context() as patch:
        crowded = replace(begun.automatic.starting, reserve_bytes=2**62)
        patch.setitem(vars(begun.automatic), "starting", crowded)
        assert await reasons(begun, client, database, file_id) == ["disk_full", None]
    await execute(database, usage.format(0))
    assert await reasons(begun, client, database, file_id) == ["no_room", None]
    await execute(database, "UPDATE upload_analyses SET created_at = now() - interval '25 hours'")
    assert await reasons(begun, client, database, file_id) == ["no_room", None]

    assert await told(client, file_id) == [("preview", "skipped", "no_room", False), ("probe", "made", None, True)]
    assert await begun.automatic.starting.run() == 0


async def test_an_owner_s_own_jobs_are_never_refused_for_those_nobody_asked_for(
    begun: Runtime, client: Client, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media_analysis.jobs.automatic.starting.MOST_OF_OWNER", 1)
    made = await client.upload(film())
    await noted(begun, database, 2)

    assert await reasons(begun, client, database, made["id"]) == [None, "queue_full"]

    states = [state for _, state, _, _ in await told(client, made["id"])]
    assert states == ["made", "waiting"]


async def test_a_file_that_went_meanwhile_is_not_analysed(begun: Runtime, client: Client, database: str) -> None:
    made = await client.upload(film())
    await noted(begun, database, 2)
    assert (await client.request("DELETE", f"/api/v1/files/{made['id']}")).status_code == 204

    await begun.automatic.starting.run()

    gone = ("skipped", "file_gone", False)
    assert await told(client, made["id"]) == [("preview", *gone), ("probe", *gone)]
    assert await fetch(database, JOBS) == []


async def test_the_loop_does_it_by_itself_and_only_where_something_is_to_run(
    runtime: Runtime, client: Client, database: str
) -> None:
    async def has_jobs() -> bool:
        return len(await fetch(database, JOBS)) == 2

    async with running_automatic(runtime.automatic, look_seconds=0.02):
        await client.upload(film())
        await eventually(has_jobs)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            {"uploads": "preview,palmistry"},
            "ANALYSIS_ON_UPLOAD_UPLOADS is preview,palmistry: there is no kind palmistry",
        ),
        ({"contact_sheets": "external"}, "ANALYSIS_ON_UPLOAD_CONTACT_SHEETS is external: there is no kind external"),
    ],
)
def test_a_kind_that_is_none_refuses_to_start_and_says_what_is_allowed(said: dict[str, str], reason: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        chosen_kinds(OnUpload.model_validate(said), BUILT_IN)

    assert str(refused.value) == f"{reason}; allowed: analyze, contact_sheet, frames, preview, probe; none"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ANALYSIS_ON_UPLOAD_FILMS", "preview", "ANALYSIS_ON_UPLOAD_FILMS"),
        ("ANALYSIS_ON_UPLOAD_CLIPS", "preview;probe", "allowed: kinds of analysis separated by commas"),
        ("ANALYSIS_ON_UPLOAD_CLIPS", "probe,probe", "each of them once"),
    ],
)
def test_what_is_no_list_of_kinds_or_no_category_is_refused(name: str, value: str, said: str) -> None:
    with pytest.raises(InvalidSettings, match=said):
        load_settings(environ={name: value})


def kinds_of(value: str) -> Sequence[str]:
    return load_settings(environ={"ANALYSIS_ON_UPLOAD_CLIPS": value}).settings.analysis.on_upload.clips


def test_none_is_none() -> None:
    assert (kinds_of("none"), kinds_of(" Probe ")) == ((), ("probe",))
