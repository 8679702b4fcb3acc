"""A client of a deployment: what it was promised, and containers that are killed under its hands."""

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from tests.acceptance.service import wait_until
from tests.containers.deployment import Deployment
from tests.docs.pages import ROOT

FILM: Final = (ROOT / "examples" / "a-day-at-sea.mp4").read_bytes()
FIRST_BYTES: Final = 3_000_000
ENDED: Final = frozenset({"cancelled", "completed", "failed"})


@dataclass
class Life:
    """Uploads and jobs of a client, whichever version answers."""

    deployment: Deployment
    acknowledged: dict[str, str] = field(default_factory=dict)
    """SHA-256 in hexadecimal by id, of every file answered 201."""
    jobs: list[str] = field(default_factory=list)

    def upload(self, content: bytes, filename: str = "file.bin") -> str:
        with self.deployment.client() as client:
            answer = client.post("/files", params={"category": "uploads", "filename": filename}, content=content)
        assert answer.status_code == 201, answer.text
        file_id: str = answer.json()["id"]
        self.acknowledged[file_id] = hashlib.sha256(content).hexdigest()
        return file_id

    def start_job(self) -> str:
        """Upload the film, have it analysed, and return the job's id."""
        asked = {
            "name": "sea",
            "kind": "analyze",
            "source_file_ids": [self.upload(FILM, "sea.mp4")],
            "parameters": {"every_seconds": 0.1},
        }
        with self.deployment.client() as client:
            answer = client.post("/jobs", json=asked)
        assert answer.is_success, answer.text
        self.jobs.append(answer.json()["id"])
        return self.jobs[-1]

    def job(self, job_id: str) -> dict[str, object]:
        with self.deployment.client() as client:
            told: dict[str, object] = client.get(f"/jobs/{job_id}").raise_for_status().json()
        return told

    def kill_service_in_an_upload(self) -> None:
        """Kill the service when half of a body has reached the disk; the client is told nothing good."""
        sent, go_on, answers = threading.Event(), threading.Event(), list[int]()

        def body() -> Iterator[bytes]:
            yield os.urandom(FIRST_BYTES)
            sent.set()
            go_on.wait()
            yield b"the end"

        def send() -> None:
            try:
                with self.deployment.client() as client:
                    query = {"category": "uploads", "filename": "cut.bin"}
                    answers.append(client.post("/files", params=query, content=body()).status_code)
            except httpx.HTTPError:
                pass

        sending = threading.Thread(target=send)
        before = _bytes_below(self.deployment.store())
        sending.start()
        try:
            sent.wait()
            wait_until(lambda: _bytes_below(self.deployment.store()) > before, "the body's beginning to be on disk")
            self.deployment.kill("service")
        finally:
            go_on.set()
            sending.join()
        assert answers == []

    def kill_worker_in_a_job(self) -> None:
        """Kill the worker while one of its jobs runs."""
        started = [self.start_job() for _ in range(5)]
        wait_until(lambda: any(self.job(job)["status"] == "running" for job in started), "a job to run")
        self.deployment.kill("worker")
        assert [job for job in started if self.job(job)["status"] == "running"]

    def require_jobs_to_end_well(self) -> None:
        wait_until(lambda: all(self.job(job)["status"] in ENDED for job in self.jobs), "all jobs to end")
        assert [self.job(job) for job in self.jobs if self.job(job)["status"] != "completed"] == []

    def require_files_to_be_as_they_were(self) -> None:
        with self.deployment.client() as client:
            read = {
                file_id: hashlib.sha256(client.get(f"/files/{file_id}/content").raise_for_status().content).hexdigest()
                for file_id in self.acknowledged
            }
        assert read == self.acknowledged


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "uploads").rglob("*") if path.is_file())
