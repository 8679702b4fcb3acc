"""The webhook: notices as JSON to one URL."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import httpx
import orjson

from media_analysis.errors import NotDelivered
from media_analysis.retention.notices.service import ClaimedNotice
from media_analysis.settings.storage import MonitoringSettings

TIMEOUT_SECONDS: Final = 10
SUCCESS: Final = range(200, 300)


@dataclass(frozen=True)
class Webhook:
    """Posts `{"notices": [{"id", "topic", …}]}`; any 2xx answer takes all of them.

    The header `Idempotency-Key` repeats when a delivery whose answer was lost is tried again.
    """

    url: str
    transport: httpx.AsyncBaseTransport | None = None

    @classmethod
    def of(cls, monitoring: MonitoringSettings) -> Self | None:
        """Return what the settings say, None where nobody wants to know."""
        url = monitoring.webhook_url
        return None if url is None else cls(url.get_secret_value())

    async def deliver(self, notices: Sequence[ClaimedNotice]) -> None:
        """Post the notices.

        Raises:
            NotDelivered: no 2xx answer within 10 s; the reason never repeats the URL, which may hold a token.

        """
        body = orjson.dumps({"notices": [_document(notice) for notice in notices]})
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(notices[0].id)}
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, transport=self.transport) as client:
                answer = await client.post(self.url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotDelivered(type(error).__name__) from None
        if answer.status_code not in SUCCESS:
            raise NotDelivered(f"status {answer.status_code}")


def _document(notice: ClaimedNotice) -> dict[str, Any]:
    return {"id": str(notice.id), "topic": notice.topic, **notice.payload}
