"""Why webhooks are refused."""

from uuid import UUID

from media_analysis.errors.kinds import Conflict, Invalid, NotFound, TooMany


class AddressRefused(Invalid):
    """Nothing may be sent to this address: it is none of the web's, not encrypted, or not of the Internet."""

    code = "address_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


class WebhookNotFound(NotFound):
    """No such webhook of this owner."""

    code = "webhook_not_found"

    def __init__(self, webhook_id: UUID) -> None:
        super().__init__("there is no such webhook")
        self.webhook_id = webhook_id


class DeliveryNotFound(NotFound):
    """No such delivery of this webhook, or no longer."""

    code = "delivery_not_found"

    def __init__(self, delivery_id: UUID) -> None:
        super().__init__("there is no such delivery")
        self.delivery_id = delivery_id


class TooManyWebhooks(TooMany):
    """The owner has as many webhooks as one may have."""

    code = "too_many_webhooks"

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"this owner has {limit} webhooks, which is as many as may be", retry_after_seconds=60)
        self.limit = limit


class WebhookDisabled(Conflict):
    """The webhook is disabled: nothing is sent to it until it is enabled again."""

    code = "webhook_disabled"

    def __init__(self, webhook_id: UUID) -> None:
        super().__init__("the webhook is disabled; enable it first")
        self.webhook_id = webhook_id
