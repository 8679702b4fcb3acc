"""The operator's webhook: notices as JSON to one URL, signed where there is a secret."""

import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

import orjson

from media_analysis.errors import NotDelivered
from media_analysis.outbound.addresses import AddressRule
from media_analysis.outbound.posting import Poster
from media_analysis.outbound.signing import signed_headers
from media_analysis.retention.notices.service import ClaimedNotice
from media_analysis.settings.storage import MonitoringSettings

TIMEOUT_SECONDS: Final = 10


def _own_poster() -> Poster:
    # Who runs the service says where to: often to a neighbour.
    return Poster(AddressRule(allows_private=True, allows_plain=True), TIMEOUT_SECONDS)


@dataclass(frozen=True)
class AlertWebhook:
    """Posts `{"notices": [{"id", "topic", …}]}`; any 2xx answer takes all of them.

    The headers `Idempotency-Key` and `webhook-id` repeat when a delivery whose answer was lost is tried again.
    """

    url: str
    secret: str | None = None
    poster: Poster = field(default_factory=_own_poster)

    @classmethod
    def of(cls, monitoring: MonitoringSettings) -> Self | None:
        """Return what the settings say, None where nobody wants to know."""
        url, secret = monitoring.webhook_url, monitoring.webhook_secret
        return (
            None if url is None else cls(url.get_secret_value(), None if secret is None else secret.get_secret_value())
        )

    async def deliver(self, notices: Sequence[ClaimedNotice]) -> None:
        """Post the notices.

        Raises:
            NotDelivered: no 2xx answer within 10 s; the reason never repeats the URL, which may hold a token.

        """
        body = orjson.dumps({"notices": [_document(notice) for notice in notices]})
        message_id = str(notices[0].id)
        url, headers = _without_user(self.url)
        headers |= {"content-type": "application/json", "idempotency-key": message_id}
        if self.secret is not None:
            headers |= signed_headers(message_id, int(time.time()), body, [self.secret])
        answer = await self.poster.post(url, body, headers)
        if not answer.is_success:
            raise NotDelivered(f"status {answer.status}")


def _without_user(url: str) -> tuple[str, dict[str, str]]:
    """Return an address without its user, and the header that says who that is (RFC 7617)."""
    parts = urlsplit(url)
    if parts.username is None:
        return url, {}
    told = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return bare, {"authorization": f"Basic {base64.b64encode(told.encode()).decode()}"}


def _document(notice: ClaimedNotice) -> dict[str, Any]:
    return {"id": str(notice.id), "topic": notice.topic, **notice.payload}
