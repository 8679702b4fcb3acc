"""What somebody said of a run or a file holds through archiving, restoring and refusals."""

from datetime import timedelta
from uuid import uuid4

from media_analysis.runtime import Runtime
from tests.api.answers import refusal
from tests.api.archives import archive, archived_run, ask_restore, read_archive, work
from tests.api.jobs import URL, read
from tests.archive.archived import make_run
from tests.conftest import Client

LOG = "run.log"
FRAME = "frame-2.jpg"


async def test_a_refused_restore_leaves_a_run_in_the_trash(client: Client, runtime: Runtime) -> None:
    plain, archived = await make_run(runtime), await archived_run(client, runtime)
    for run in (plain, archived):
        gone = await client.request("DELETE", f"{URL}/{run.id}", params={"strategy": "soft"})
        assert gone.status_code == 200

    refused = [
        refusal(await ask_restore(client, plain, file_id=plain.files[LOG].id)),
        refusal(await ask_restore(client, archived, file_id=uuid4())),
    ]

    assert refused == [(410, "job_gone"), (404, "archived_file_not_found")]
    for run in (plain, archived):
        assert (await client.request("GET", f"{URL}/{run.id}")).status_code == 410


async def test_an_end_somebody_asked_for_outlives_archive_and_restore(client: Client, runtime: Runtime) -> None:
    run = await make_run(runtime, lifetime=timedelta(days=10))
    asked_for = (await read(client, str(run.id)))["expires_at"]
    assert asked_for is not None
    await archive(client, runtime, run)
    await ask_restore(client, run)
    await work(runtime)

    restored = await read(client, str(run.id))
    await archive(client, runtime, run)
    again = await read_archive(client, run)

    assert restored["expires_at"] == asked_for
    assert (again["expires_at"], again["files"]) == (asked_for, len(run.files))


async def test_an_end_given_to_an_archived_run_holds_for_all_of_it_once_restored(
    client: Client, runtime: Runtime
) -> None:
    run = await archived_run(client, runtime)
    told = await client.request("PATCH", f"{URL}/{run.id}", json={"ttl_seconds": 3600})
    ends_at = told.json()["expires_at"]

    await ask_restore(client, run)
    await work(runtime)

    files = (await client.request("GET", f"{URL}/{run.id}/files")).json()["items"]
    results = (await client.request("GET", f"{URL}/{run.id}/results")).json()["items"]
    ends = {one["expires_at"] for one in [*files, *results]}
    assert (ends, (await read(client, str(run.id)))["expires_at"]) == ({ends_at}, ends_at)


async def test_what_was_said_of_a_file_between_two_archivings_is_still_true_after_the_second(
    client: Client, runtime: Runtime
) -> None:
    run = await archived_run(client, runtime)
    await ask_restore(client, run)
    await work(runtime)
    url = f"/api/v1/files/{run.files[FRAME].id}"
    changed = await client.request("PATCH", url, json={"filename": "renamed.jpg", "expires_at": None})
    assert changed.status_code == 200

    await archive(client, runtime, run)
    inside = await client.request("HEAD", f"{URL}/{run.id}/archive/files/{run.files[FRAME].id}/content")
    await ask_restore(client, run)
    await work(runtime)

    again = (await client.request("GET", url)).json()
    assert "renamed.jpg" in inside.headers["content-disposition"]
    assert (again["filename"], again["expires_at"]) == ("renamed.jpg", None)


async def test_a_last_day_before_the_first_is_refused(client: Client) -> None:
    query = {"start_date": "2030-01-02", "end_date": "2030-01-01"}

    assert (await client.request("GET", f"{URL}/archived", params=query)).status_code == 422


async def test_an_archive_keeps_the_name_of_its_run(client: Client, runtime: Runtime) -> None:
    run = await archived_run(client, runtime)
    (segment,) = (await client.request("GET", f"{URL}/{run.id}/archive")).json()["segments"]

    refused = await client.request("PATCH", f"/api/v1/files/{segment['id']}", json={"filename": "../../x"})

    assert (refused.status_code, refused.json()["code"]) == (409, "archive_of_job")
