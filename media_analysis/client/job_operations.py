"""What the API can be asked for of jobs: written once, for both clients."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from media_analysis.client.answers import Event, File, Job, JobRemoval, JobResult
from media_analysis.client.events import follow
from media_analysis.client.requests import (
    API,
    Api,
    Id,
    Labels,
    document_of,
    fetch,
    get,
    label_texts,
    list_all,
    pairs,
    path_id,
    post,
    seconds_of,
)
from media_analysis.client.retrying import ask
from media_analysis.client.steps import Emit, Emitting, Request, Steps


def create_job(
    api: Api,
    kind: str,
    *,
    source_file_ids: Iterable[Id] = (),
    name: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    priority: int = 0,
    ttl: timedelta | None = None,
    labels: Labels | None = None,
) -> Steps[Job]:
    """Queue an analysis of stored files, and return the job.

    Raises:
        Invalid: there is no such kind, or a parameter is not allowed.
        TooMany: as many of one's own wait as may.

    """
    asked: dict[str, Any] = {
        "kind": kind,
        "name": name or kind,
        "source_file_ids": [path_id(one) for one in source_file_ids],
        "priority": priority,
    }
    optional = {"parameters": parameters, "ttl_seconds": seconds_of(ttl), "labels": labels}
    asked |= {key: value for key, value in optional.items() if value is not None}
    return (yield from fetch(Job, post("/jobs", asked), api.patience(), is_safe=False))


def job(api: Api, job_id: Id) -> Steps[Job]:
    """Return a job."""
    return (yield from fetch(Job, get(f"/jobs/{path_id(job_id)}"), api.patience()))


def jobs(
    api: Api,
    *,
    status: Sequence[str] = (),
    kind: str | None = None,
    owner: str | None = None,
    labels: Labels | Iterable[str] | None = None,
    limit: int | None = None,
) -> Emitting[Job]:
    """Iterate over jobs, newest first."""
    query = pairs(status=list(status), kind=kind, owner=owner, label=label_texts(labels))
    return (yield from list_all(Job, "/jobs", api.patience(), query, limit=limit))


def job_files(api: Api, job_id: Id, *, category: str | None = None) -> Emitting[File]:
    """Iterate over the files that a job made, in time order."""
    return (yield from list_all(File, f"/jobs/{path_id(job_id)}/files", api.patience(), pairs(category=category)))


def job_results(api: Api, job_id: Id, *, kind: str | None = None) -> Emitting[JobResult]:
    """Iterate over the documents that a job brought."""
    return (yield from list_all(JobResult, f"/jobs/{path_id(job_id)}/results", api.patience(), pairs(kind=kind)))


def job_events(api: Api, job_id: Id, *, after: str | None = None) -> Emitting[Event]:
    """Iterate over the events of a job up to its end, past ones first; none is missed or told twice."""
    return (yield from follow(f"/jobs/{path_id(job_id)}/events", api.patience(), after=after))


def wait_for_job(api: Api, job_id: Id) -> Steps[Job]:
    """Wait until a job has ended, whichever way, and return it."""
    events = follow(f"/jobs/{path_id(job_id)}/events", api.patience())
    came: Any = None
    while True:
        try:
            step = events.send(came)
        except StopIteration:
            break
        came = None if isinstance(step, Emit) else (yield step)
    return (yield from job(api, job_id))


def cancel_job(api: Api, job_id: Id) -> Steps[Job]:
    """Stop a job that waits or runs, and return it."""
    # Cancelling again changes nothing.
    return (yield from fetch(Job, post(f"/jobs/{path_id(job_id)}/cancel"), api.patience()))


def cancel_jobs(
    api: Api, *, kind: str | None = None, owner: str | None = None, everyone: bool | None = None
) -> Steps[int]:
    """Cancel all jobs that wait and fit, and return how many; administrators say whose are meant."""
    query = pairs(status="pending", kind=kind, owner=owner, everyone=everyone or None)
    answer = yield from ask(Request("DELETE", f"{API}/jobs", query), api.patience(), is_safe=False)
    return int(document_of(answer)["cancelled"])


def retry_job(api: Api, job_id: Id) -> Steps[Job]:
    """Queue a failed job again, and return it."""
    return (yield from fetch(Job, post(f"/jobs/{path_id(job_id)}/retry"), api.patience(), is_safe=False))


def delete_job(
    api: Api,
    job_id: Id,
    *,
    reason: str | None = None,
    strategy: str | None = None,
    secure: bool = False,
    dry_run: bool = False,
) -> Steps[JobRemoval]:
    """Delete a job with its files and results, and return what went; its sources stay."""
    query = pairs(reason=reason, strategy=strategy, secure=secure or None, dry_run=dry_run or None)
    removal = Request("DELETE", f"{API}/jobs/{path_id(job_id)}", query)
    return (yield from fetch(JobRemoval, removal, api.patience(), is_safe=dry_run))
