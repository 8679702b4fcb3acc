"""The branch of the tree about webhooks."""

from datetime import timedelta
from typing import Annotated

from media_analysis.settings.kinds import Seconds, Whole
from media_analysis.settings.section import Section, SpanLeaf, SwitchLeaf


class WebhookSettings(Section):
    """How owners are told of events at addresses of their own."""

    enabled: SwitchLeaf = True
    """Whether `serve` delivers; what is to be delivered waits otherwise for one that does."""
    allow_private: SwitchLeaf = False
    """Whether also to addresses of this machine and of private networks, and there by http."""
    timeout_seconds: Annotated[float, Seconds(1, 120)] = 15
    """How long a receiver may take for its answer."""
    retry_for: SpanLeaf = timedelta(days=3)
    """How long a delivery that is not taken is tried again."""
    disable_after: SpanLeaf = timedelta(days=5)
    """After how long in which nothing was taken a webhook is disabled."""
    secret_overlap: SpanLeaf = timedelta(hours=24)
    """How long a secret that was replaced is signed with besides the new one."""
    max_per_owner: Annotated[int, Whole(1, 10_000)] = 20
    """How many webhooks one owner may have."""
    max_waiting: Annotated[int, Whole(1, 1_000_000)] = 10_000
    """How many deliveries of one webhook may wait: one that fails is disabled then; else ten times as many."""
    max_kept: Annotated[int, Whole(1, 1_000_000)] = 1_000
    """How many ended deliveries of each webhook can be looked at, and sent again."""
