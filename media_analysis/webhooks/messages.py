"""What is sent: CloudEvents 1.0 in the structured mode of HTTP, in JSON."""

from collections.abc import Mapping
from typing import Any, Final

from media_analysis.feed.events import ToldEvent

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
PING: Final = "ping"
SOURCE: Final = "SELECT '/media-analysis/' || id FROM instance"
"""What made the events: the service has no address of its own, and the ids of two of them would be the same."""


def cloud_event(event: ToldEvent, source: str) -> Mapping[str, Any]:
    """Return an event as a receiver gets it; its id is that of the event."""
    told = event.document()
    return _envelope(told["id"], source, event.type, event.subject, told["at"]) | {"data": told}


def ping_event(message_id: str, source: str, subject: str, at: str) -> Mapping[str, Any]:
    """Return what is sent to try a webhook."""
    return _envelope(message_id, source, PING, subject, at) | {"data": {}}


def _envelope(message_id: str, source: str, what: str, subject: str, at: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": message_id,
        "source": source,
        "type": what,
        "subject": subject,
        "time": at,
        "datacontenttype": "application/json",
    }
