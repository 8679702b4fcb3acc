"""Server-Sent Events (WHATWG HTML section 9.2) on their way to one client."""

from contextlib import aclosing
from typing import Any, Final

from fastapi.sse import EventSourceResponse
from starlette.types import Send

KEEP_ALIVE_SECONDS: Final = 15.0
RECONNECT_MILLISECONDS: Final = 2_000
LONGEST_SECONDS: Final = 3_600.0
"""After that the client has to come back, with a token that is still good."""
HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStream(EventSourceResponse):
    """Events on their way to one client; what they hold on to is let go as soon as the client leaves."""

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self.body_iterator):  # type: ignore[type-var]
            await super().stream_response(send)


def stream_of(description: str, example: str) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI response of a route that answers with a stream.

    Its schema is of no type: 3.1 has no word for what a stream consists of, and each reader takes another for it.
    """
    content = {"text/event-stream": {"schema": {"description": "Events, whose data is JSON"}, "example": example}}
    return {200: {"description": description, "content": content}}
