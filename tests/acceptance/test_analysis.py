"""The contract of an analysis, kept with real videos by the real service and its own worker, by curl alone."""

import json
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from tests.acceptance.service import Service, wait_until
from tests.media import clips

JOBS = "/api/v1/jobs"
ENDED = {"completed", "failed", "cancelled"}
SAMPLES = {
    "bikes": {"duration_seconds": 10.0, "width": 640, "height": 272, "video_codec": "h264", "frame_rate": 25.0},
    "bigbuckbunny": {
        "duration_seconds": 5.312,
        "width": 1280,
        "height": 720,
        "video_codec": "h264",
        "frame_rate": 25.0,
    },
    "carphone_pristine": {
        "duration_seconds": 4.004,
        "width": 176,
        "height": 144,
        "video_codec": "h264",
        "frame_rate": 29.97003,
    },
}


def ask(service: Service, name: str, file_id: str) -> dict[str, Any]:
    """Ask for an analysis as the contract writes it; return the job."""
    asked = {
        "name": name,
        "kind": "analyze",
        "source_file_ids": [file_id],
        "parameters": {"every_seconds": 1.0, "columns": 4},
    }
    answer = service.curl(JOBS, "-H", "Content-Type: application/json", "--data", json.dumps(asked))
    assert answer.status == 202
    job: dict[str, Any] = answer.json()
    return job


def ended(service: Service, job: dict[str, Any]) -> dict[str, Any]:
    """Return the job as soon as it has ended."""
    address = f"{JOBS}/{job['id']}"
    wait_until(lambda: service.curl(address).json()["status"] in ENDED, "the job to end")
    found: dict[str, Any] = service.curl(address).json()
    return found


def listed(service: Service, job: dict[str, Any], what: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = service.curl(f"{JOBS}/{job['id']}/{what}").json()["items"]
    return items


@pytest.mark.parametrize("name", SAMPLES)
def test_a_real_video_gives_facts_frames_a_sheet_and_a_report(service: Service, name: str) -> None:
    path = clips.sample(name)
    source = service.curl(f"/api/v1/files?category=uploads&filename={path.name}", "--data-binary", f"@{path}").json()

    job = ask(service, name, source["id"])
    done = ended(service, job)

    frames, sheets, outputs = (
        listed(service, job, f"files?category={category}") for category in ("frames", "contact_sheets", "outputs")
    )
    (probe,) = [result["data"] for result in listed(service, job, "results") if result["kind"] == "probe"]
    assert (done["status"], done["error"], done["progress"]) == ("completed", None, 1.0)
    assert {fact: probe[fact] for fact in SAMPLES[name]} == pytest.approx(SAMPLES[name])
    seconds = -(-int(1000 * probe["duration_seconds"]) // 1000)
    assert [frame["ordinal"] for frame in frames] == list(range(len(frames)))
    assert len(frames) in {seconds - 1, seconds}
    assert [frame["instant_seconds"] for frame in frames] == pytest.approx(list(range(len(frames))), abs=0.04)
    assert [len(sheets), [output["filename"] for output in outputs]] == [1, ["report.json"]]
    for product in (*frames, *sheets, *outputs):
        assert (product["job_id"], product["parent_id"]) == (job["id"], source["id"])
    for product in (*frames, *sheets):
        assert service.curl(f"/api/v1/files/{product['id']}/content").body.startswith(b"\xff\xd8\xff")
    report = service.curl(f"/api/v1/files/{outputs[0]['id']}/content").json()
    assert report["sources"][0]["probe"] == probe
    assert [entry["instant_seconds"] for entry in report["sources"][0]["taken"]] == [
        frame["instant_seconds"] for frame in frames
    ]


def test_products_lie_in_the_folders_of_their_categories(service: Service) -> None:
    path = clips.sample("bikes")
    source = service.curl("/api/v1/files?category=uploads&filename=bikes.mp4", "--data-binary", f"@{path}").json()

    job = ask(service, "bikes", source["id"])
    ended(service, job)

    day = job["created_at"][:10]
    folders = {str(PurePosixPath(name).parent) for name in service.objects() if Path(name).suffix in {".jpg", ".json"}}
    assert folders == {f"frames/{source['id']}", f"contact-sheets/{day}", f"outputs/{day}/{job['folder_name']}"}
    assert job["folder_name"].endswith(f"_{job['id']}")
    assert [name for name in service.objects() if name.startswith("temp/")] == []


def test_sound_alone_is_probed_and_has_neither_frames_nor_sheet(service: Service) -> None:
    sound = clips.audio("m4a")
    source = service.curl("/api/v1/files?category=uploads&filename=a.m4a", "--data-binary", f"@{sound}").json()
    request = {"name": "n", "kind": "frames", "source_file_ids": [source["id"]]}
    heading = ("-H", "Content-Type: application/json", "--data")

    analysed = ended(service, ask(service, "sound", source["id"]))
    refused = [
        ended(service, service.curl(JOBS, *heading, json.dumps(request | {"kind": kind})).json())
        for kind in ("frames", "contact_sheet")
    ]

    (probe,) = listed(service, analysed, "results")
    assert (analysed["status"], [warning["code"] for warning in analysed["warnings"]]) == ("completed", ["no_pictures"])
    assert (probe["kind"], probe["data"]["kind"], probe["data"]["audio"]["codec"]) == ("probe", "audio", "aac")
    assert [(job["status"], job["error"]["code"], job["attempts"]) for job in refused] == [
        ("failed", "no_pictures", 1)
    ] * 2
