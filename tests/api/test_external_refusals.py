"""External analysers: claims, leases, fences, products, results, and how a run ends."""

import pytest

from media_analysis.jobs.control import NewJob
from media_analysis.runtime import Runtime
from tests.api.analysers import Analyser, ask
from tests.api.answers import refusal
from tests.claims import claim_job
from tests.conftest import Client, fetch


async def test_cancelling_ends_the_run(client: Client, analyser: Analyser, database: str) -> None:
    job = await ask(client)
    await analyser.claim()
    await analyser.add()

    await client.request("POST", f"/api/v1/jobs/{job['id']}/cancel")

    assert refusal(await analyser.add(ordinal=1)) == (409, "job_fence_lost")
    assert refusal(await analyser.tell("finish")) == (409, "job_fence_lost")
    assert await fetch(database, "SELECT FROM media_files") == []


async def test_a_place_is_taken_once(client: Client, analyser: Analyser) -> None:
    await ask(client)
    await analyser.claim()

    answers = [await analyser.add(), await analyser.add(b"other"), await analyser.add(b"next", ordinal=1)]

    assert [answer.status_code for answer in answers] == [202, 409, 202]
    assert refusal(answers[1]) == (409, "product_exists")


async def test_no_product_passes_for_the_archive_of_its_job(client: Client, analyser: Analyser, database: str) -> None:
    await ask(client)
    await analyser.claim()

    answer = await analyser.add(role="archive", category="archives")

    assert refusal(answer)[0] == 422
    assert await fetch(database, "SELECT FROM media_files") == []


async def test_a_form_is_not_stored_as_if_it_was_a_product(client: Client, analyser: Analyser, database: str) -> None:
    await ask(client)
    await analyser.claim()
    params = {"fence": analyser.run["fence"], "role": "table", "ordinal": 0, "filename": "words.csv"}

    answer = await analyser.send("POST", "/products", params=params, files={"file": ("words.csv", b"a,1\n")})

    assert refusal(answer) == (422, "invalid_request")
    assert await fetch(database, "SELECT FROM media_files") == []


async def test_a_result_is_put_in_place_of_the_earlier_one(client: Client, analyser: Analyser, source: str) -> None:
    job = await ask(client, source)
    await analyser.claim()

    await analyser.put({"try": 1})
    await analyser.put({"try": 2})
    await analyser.put({"try": 3}, source_file_id=source)
    await analyser.tell("finish")

    results = (await client.request("GET", f"/api/v1/jobs/{job['id']}/results")).json()["items"]
    assert sorted(result["data"]["try"] for result in results) == [2, 3]


@pytest.mark.parametrize(
    "body",
    [b"", b"[1]", b"{", b'{"a": NaN}', b'{"a": "\\ud800"}', b'{"a": "\\u0000"}', b'{"a":' * 80 + b"1" + b"}" * 80],
    ids=["empty", "list", "cut", "nan", "surrogate", "nul", "deep"],
)
async def test_a_result_that_is_no_plain_object_is_refused(client: Client, analyser: Analyser, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    await ask(client)
    await analyser.claim()

    answer = await analyser.send("PUT", "/results/words", params={"fence": 1}, content=body, headers=headers)

    assert refusal(answer)[0] == 422


async def test_a_large_result_is_taken_and_a_huge_one_refused(client: Client, analyser: Analyser) -> None:
    await ask(client)
    await analyser.claim()

    assert (await analyser.put({"text": "x" * 3_000_000})).status_code == 204
    assert refusal(await analyser.put({"text": "x" * 5_000_000})) == (413, "body_too_large")


async def test_products_and_results_name_only_sources_of_the_job(
    client: Client, analyser: Analyser, source: str
) -> None:
    await ask(client)
    await analyser.claim()

    assert refusal(await analyser.add(source_file_id=source)) == (422, "source_unusable")
    assert refusal(await analyser.put(source_file_id=source)) == (422, "source_unusable")
    answer = await analyser.send("GET", "/sources/0/content", params={"fence": analyser.run["fence"]})
    assert refusal(answer) == (422, "invalid_request")


async def test_nobody_elsewhere_may_write_to_a_job_of_the_service_itself(
    client: Client, analyser: Analyser, source: str, runtime: Runtime
) -> None:
    asked = NewJob(owner="alice", name="own", kind="probe", source_file_ids=[])
    job = await runtime.jobs.control.create(asked)
    run = await claim_job(runtime, job.id, worker="inside")
    assert run is not None
    analyser.run = {"job_id": str(job.id), "fence": run.fence}

    answers = [await analyser.add(), await analyser.put(), await analyser.tell("finish")]

    assert [refusal(answer) for answer in answers] == [(409, "job_fence_lost")] * 3
