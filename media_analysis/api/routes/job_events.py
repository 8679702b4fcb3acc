"""A job's progress as it happens."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Caller, Serving, Streaming
from media_analysis.api.errors import problems
from media_analysis.api.event_streams import (
    HEADERS,
    KEEP_ALIVE_SECONDS,
    LONGEST_SECONDS,
    RECONNECT_MILLISECONDS,
    EventStream,
    stream_of,
)
from media_analysis.jobs.events import JobEvent
from media_analysis.jobs.watching import WatchService
from media_analysis.sessions.admission import Admitted

EXAMPLE: Final = (
    "retry: 2000\n\n"
    'event: status\ndata: {"status": "running", "attempt": 1, "at": "2026-11-21T10:00:00+00:00"}\nid: 2\n\n'
    'event: progress\ndata: {"progress": 0.5, "stage": "frames", "done": 5, "total": 10, "at": "…"}\nid: 3\n\n'
)
STREAM: Final[dict[int | str, dict[str, Any]]] = {
    **stream_of("Events as they happen, each with its number; the stream ends with the job", EXAMPLE),
    204: {"description": "The job has ended and every event was read: there is nothing to reconnect for"},
}
LARGEST: Final = 2**63 - 1
LastEventId = Annotated[
    int | None, Header(ge=0, le=LARGEST, alias="Last-Event-ID", description="Number of the last event read")
]
FirstAfter = Annotated[
    int, Query(ge=0, le=LARGEST, alias="last_event_id", description="The same, where no header can be sent")
]

router = APIRouter(prefix=f"{API_PATH}/jobs", tags=["jobs"], responses=problems(errors.DatabaseUnavailable))


@router.get(
    "/{job_id}/events",
    response_class=Response,
    responses=STREAM
    | problems(errors.TokenRejected, errors.TooManyAtOnce, errors.JobNotFound, errors.JobGone, errors.InvalidRequest),
)
async def watch_job(
    job_id: UUID,
    services: Serving,
    caller: Caller,
    admitted: Streaming,
    last_event_id: LastEventId = None,
    first_after: FirstAfter = 0,
) -> Response:
    """Tell a job's events behind a number, past ones at once and others as they happen, until the job has ended.

    Numbers have no gaps: a client that comes back with the last one it read misses nothing and gets nothing twice.
    The stream ends with its token, and an owner may have so many open at once (`SERVER_MAX_STREAMS_PER_OWNER`).
    """
    job, _ = await services.jobs.catalog.get(job_id, owner=caller.scope)
    after = first_after if last_event_id is None else last_event_id
    if job.status.is_over and after >= job.last_event:
        return Response(status_code=204)
    if after > job.last_event:
        raise errors.InvalidRequest("Last-Event-ID", "the job has no event of that number yet")
    return EventStream(_tell(services.jobs.watches, admitted, job_id, after), headers=HEADERS)


async def _tell(watches: WatchService, admitted: Admitted, job_id: UUID, after: int) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + LONGEST_SECONDS
    yield format_sse_event(retry=RECONNECT_MILLISECONDS)
    async with watches.watch(job_id, after=after) as watch:
        admitted.at_rejection(partial(watch.ring, last=True))
        while not watch.over and loop.time() < ends_at:
            events = await watch.next(within=KEEP_ALIVE_SECONDS)
            yield b"".join(map(_format, events)) or KEEPALIVE_COMMENT


def _format(event: JobEvent) -> bytes:
    told = json.dumps({**event.data, "at": event.at.isoformat()}, ensure_ascii=False)
    return format_sse_event(data_str=told, event=event.kind, id=str(event.number))
