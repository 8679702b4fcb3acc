"""What happens to files and jobs, as it happens or page by page."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse
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
from media_analysis.api.schemas.events import EventId, FeedEventList, FeedQuery
from media_analysis.feed.events import EventPlace, EventSelection, ToldEvent
from media_analysis.feed.service import FeedService, Follower
from media_analysis.sessions.admission import Admitted
from media_analysis.sessions.roles import Scope

JSON: Final = "application/json"
STREAM: Final = "text/event-stream"
EXAMPLE: Final = (
    'retry: 2000\n\nevent: file.stored\ndata: {"id": "17-1", "type": "file.stored", "at": "2026-11-21T10:00:00Z", '
    '"owner": "alice", "file_id": "…", "job_id": null, "category": "uploads", "labels": {}, '
    '"data": {"filename": "a.mp4", "media_type": "video/mp4", "size_bytes": 9}}\nid: 17-1\n\n'
)
LastEventId = Annotated[
    EventId | None, Header(alias="Last-Event-ID", description="The last event that was read, before the query's")
]

router = APIRouter(prefix=f"{API_PATH}/events", tags=["events"], responses=problems(errors.DatabaseUnavailable))


@router.get(
    "",
    response_class=Response,
    responses={
        **problems(errors.TokenRejected, errors.TooManyAtOnce, errors.EventsEnded, errors.InvalidRequest),
        200: {
            "description": "Events as they happen, or, where `application/json` is accepted rather, a page of them",
            "model": FeedEventList,
            "content": stream_of("", EXAMPLE)[200]["content"],
        },
    },
)
async def watch_events(
    request: Request,
    services: Serving,
    caller: Caller,
    admitted: Streaming,
    query: Annotated[FeedQuery, Query()],
    last_event_id: LastEventId = None,
) -> Response:
    """Tell what happens to the caller's files and jobs behind an event, or from now on: none twice, none left out.

    An administrator is told of everybody's, or of one `owner`'s. Jobs are told of to sessions with that scope. Events
    are kept for `EVENTS_KEEP` and up to `EVENTS_MAX_ROWS`: who comes later than that with the id of an event is told so
    by an event `reset`, or with 410 where pages are asked for, and goes on with what is left.
    """
    wanted = query.wanted(scope=caller.scope, of_jobs=caller.may(Scope.JOBS))
    told = last_event_id or query.last_event_id
    after = await services.feed.now() if told is None else EventPlace.parse(told)
    if not await services.feed.knows(after):
        raise errors.InvalidRequest("Last-Event-ID", "the log has no event of that id yet")
    if _prefers_pages(request):
        page = await services.feed.page(wanted, after, limit=query.limit)
        document = FeedEventList.from_page(page).model_dump(mode="json")
        return JSONResponse(document, headers={"Cache-Control": "no-store", "Vary": "Accept"})
    seconds = LONGEST_SECONDS if query.timeout is None else min(query.timeout, LONGEST_SECONDS)
    stream = _tell(services.feed, admitted, wanted, after, seconds)
    return EventStream(stream, headers={**HEADERS, "Vary": "Accept"})


def _prefers_pages(request: Request) -> bool:
    """Say whether documents are accepted, and streams are not said to be (RFC 9110 section 12.5.1, without weights)."""
    accepted = ",".join(request.headers.getlist("accept")).lower()
    return JSON in accepted and STREAM not in accepted


async def _tell(
    feed: FeedService, admitted: Admitted, wanted: EventSelection, after: EventPlace, seconds: float
) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + seconds
    yield format_sse_event(retry=RECONNECT_MILLISECONDS)
    if seconds == 0:
        await feed.settle()
    async with feed.follow(wanted, after) as follower:
        admitted.at_rejection(partial(follower.ring, last=True))
        while not follower.over:
            left = ends_at - loop.time()
            events, missed = await follower.next(within=max(0.0, min(KEEP_ALIVE_SECONDS, left)))
            yield (_reset(follower) if missed else b"") + b"".join(map(_format, events)) or _alive(follower)
            if left <= 0 and not (events and follower.has_more):
                return


def _alive(follower: Follower) -> bytes:
    """Say that nothing happened, and up to where: an id alone is remembered by the client, and is no event."""
    return KEEPALIVE_COMMENT + f"id: {follower.after}\n\n".encode()


def _reset(follower: Follower) -> bytes:
    told = {"detail": "events behind the one that was read last have ended; this goes on with what is left"}
    return format_sse_event(data_str=json.dumps(told), event="reset", id=str(follower.went_on_behind))


def _format(event: ToldEvent) -> bytes:
    told = json.dumps(event.document(), ensure_ascii=False)
    return format_sse_event(data_str=told, event=event.type, id=str(event.place))
