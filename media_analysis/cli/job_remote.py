"""Jobs of a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from media_analysis.cli.remote import open_client
from media_analysis.cli.remote_ids import remote_file_id, remote_job_id
from media_analysis.cli.watch import follow_job
from media_analysis.errors import InvalidRequest

if TYPE_CHECKING:
    from media_analysis.cli.grammar import IdPart
    from media_analysis.cli.remote import Server
    from media_analysis.client.answers import File, Job, JobRemoval, JobResult


@dataclass(frozen=True, slots=True)
class RemoteDesk:
    """Asks a server."""

    server: Server

    def create(self, asked: Mapping[str, Any], *, sources: Sequence[IdPart], owner: str | None) -> Job:
        if owner is not None:
            raise InvalidRequest("--owner", "a server makes jobs for whoever asks; --local makes them for others")
        ttl = asked.get("ttl_seconds")
        with open_client(self.server) as client:
            return client.create_job(
                asked["kind"],
                source_file_ids=[remote_file_id(client, part) for part in sources],
                name=asked["name"],
                parameters=asked["parameters"],
                priority=asked["priority"],
                ttl=None if ttl is None else timedelta(seconds=ttl),
            )

    def list(
        self, *, statuses: Sequence[str], kind: str | None, owner: str | None, limit: int
    ) -> tuple[Sequence[Job], bool]:
        with open_client(self.server) as client:
            found = list(client.jobs(status=statuses, kind=kind, owner=owner, limit=limit + 1))
        return found[:limit], len(found) > limit

    def show(self, job: IdPart) -> Job:
        with open_client(self.server) as client:
            return client.job(remote_job_id(client, job))

    def retry(self, job: IdPart) -> Job:
        with open_client(self.server) as client:
            return client.retry_job(remote_job_id(client, job))

    def cancel(self, job: IdPart) -> Job:
        with open_client(self.server) as client:
            return client.cancel_job(remote_job_id(client, job))

    def cancel_waiting(self, *, kind: str | None, owner: str | None) -> int:
        with open_client(self.server) as client:
            everyone = owner is None and client.session().role == "admin"
            return client.cancel_jobs(kind=kind, owner=owner, everyone=everyone)

    def watch(self, job: IdPart) -> str | None:
        with open_client(self.server) as client:
            return follow_job(client, remote_job_id(client, job))

    def files(self, job: IdPart, *, category: str | None) -> Sequence[File]:
        with open_client(self.server) as client:
            return list(client.job_files(remote_job_id(client, job), category=category))

    def results(self, job: IdPart, *, kind: str | None) -> Sequence[JobResult]:
        with open_client(self.server) as client:
            return list(client.job_results(remote_job_id(client, job), kind=kind))

    def delete(self, job: IdPart, *, reason: str | None, hard: bool, secure: bool, dry_run: bool) -> JobRemoval:
        with open_client(self.server) as client:
            return client.delete_job(
                remote_job_id(client, job),
                reason=reason,
                strategy="hard" if hard else None,
                secure=secure,
                dry_run=dry_run,
            )

    def undo(self, told: JobRemoval) -> str:
        return f"POST {self.server.url}/api/v1/jobs/{told.job_id}/restore"
