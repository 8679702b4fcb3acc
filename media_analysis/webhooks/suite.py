"""All that webhooks can do, over the collaborators of one process."""

import asyncio
from dataclasses import dataclass, field
from functools import cached_property

from media_analysis.db.database import Database
from media_analysis.feed.service import FeedService
from media_analysis.outbound.addresses import AddressRule
from media_analysis.outbound.posting import Poster
from media_analysis.settings.webhooks import WebhookSettings
from media_analysis.webhooks.delivering import DeliveryService
from media_analysis.webhooks.fan_out import FanOutService
from media_analysis.webhooks.limits import WebhookLimits
from media_analysis.webhooks.log import DeliveryLog
from media_analysis.webhooks.service import WebhookService


@dataclass(frozen=True)
class WebhookServices:
    """The services of webhooks, each made when it is first asked for."""

    settings: WebhookSettings
    db: Database
    feed: FeedService
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    """Rings when there may be something to send."""

    @cached_property
    def limits(self) -> WebhookLimits:
        return WebhookLimits.of(self.settings)

    @cached_property
    def rule(self) -> AddressRule:
        return AddressRule(allows_private=self.settings.allow_private)

    @cached_property
    def hooks(self) -> WebhookService:
        return WebhookService(self.db, self.rule, self.limits, self.bell.set)

    @cached_property
    def log(self) -> DeliveryLog:
        return DeliveryLog(self.db, self.limits, self.bell.set)

    @cached_property
    def fan_out(self) -> FanOutService:
        return FanOutService(self.db, self.feed, self.limits)

    @cached_property
    def deliveries(self) -> DeliveryService:
        return DeliveryService(self.db, Poster(self.rule, self.settings.timeout_seconds), self.limits)
