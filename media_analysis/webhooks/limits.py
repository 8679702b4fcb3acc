"""What webhooks may take, and for how long they are patient."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from media_analysis.settings.webhooks import WebhookSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookLimits:
    """What the settings say."""

    per_owner: int
    """How many webhooks one owner may have."""
    waiting: int
    """How many deliveries of one webhook may wait; one more, and it is disabled."""
    kept: int
    """How many ended deliveries of each are kept."""
    retry_for: timedelta
    """How long a delivery is tried again, before it is given up."""
    disable_after: timedelta
    """How long nothing may be taken, before the webhook is disabled."""
    overlap: timedelta
    """How long a secret that was replaced is signed with besides."""

    @classmethod
    def of(cls, chosen: WebhookSettings) -> Self:
        """Return what the settings say."""
        return cls(
            per_owner=chosen.max_per_owner,
            waiting=chosen.max_waiting,
            kept=chosen.max_kept,
            retry_for=chosen.retry_for,
            disable_after=chosen.disable_after,
            overlap=chosen.secret_overlap,
        )
