"""Pages of a TIFF as clients ask for them."""

from typing import Any

import pytest

from tests.api.jobs import URL, create, read
from tests.conftest import Client, RunJob
from tests.media.images import CASES


async def ended(client: Client, run_job: RunJob, kind: str, **parameters: Any) -> dict[str, Any]:
    file = await client.upload((CASES / "pages.tif").read_bytes(), filename="scan.tif")
    job = await create(client, kind=kind, source_file_ids=[file["id"]], parameters=parameters)
    await run_job(job["id"])
    return await read(client, job["id"])


@pytest.mark.parametrize(
    ("parameters", "pages"), [({}, [1, 2, 3, 4]), ({"pages": [4, 2]}, [2, 4]), ({"count": 1}, [3])]
)
async def test_pages_are_products(
    client: Client, run_job: RunJob, parameters: dict[str, Any], pages: list[int]
) -> None:
    job = await ended(client, run_job, "frames", **parameters)
    products = (await client.request("GET", f"{URL}/{job['id']}/files")).json()["items"]

    assert (job["status"], job["warnings"]) == ("completed", [])
    assert sorted(product["filename"] for product in products) == [
        f"scan-{ordinal:05d}-page{page}.jpg" for ordinal, page in enumerate(pages)
    ]


@pytest.mark.parametrize("kind", ["frames", "contact_sheet", "analyze"])
async def test_a_page_that_is_not_there_fails_in_words_and_leaves_nothing(
    client: Client, run_job: RunJob, kind: str
) -> None:
    job = await ended(client, run_job, kind, pages=[1, 9])

    assert (job["status"], job["attempts"], job["error"]["code"]) == ("failed", 1, "no_such_page")
    assert "the file has no page 9: its pages are 1 to 4" in job["error"]["detail"]
    assert (await client.request("GET", f"{URL}/{job['id']}/files")).json()["items"] == []


async def test_pages_count_from_one(client: Client) -> None:
    file = await client.upload((CASES / "pages.tif").read_bytes(), filename="scan.tif")
    body = {"kind": "frames", "source_file_ids": [file["id"]], "parameters": {"pages": [0]}}

    answer = await client.request("POST", URL, json=body)

    assert answer.status_code == 422
    assert "greater than or equal to 1" in answer.text
