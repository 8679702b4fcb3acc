"""The branch of the tree about links."""

from datetime import timedelta
from typing import Annotated

from media_analysis.settings.kinds import Whole
from media_analysis.settings.section import Section, SpanLeaf


class LinkSettings(Section):
    """Signed addresses that work without a token."""

    longest: SpanLeaf = timedelta(days=7)
    """How long a link may be good; without a wish it is good for an hour, or as long as this if that is less."""
    max_per_owner: Annotated[int, Whole(1, 1_000_000)] = 10_000
    """How many links to an owner's files may be good at once; the next ones get 429."""
    key_lifetime: SpanLeaf = timedelta(days=90)
    """After how long a new key signs new links; older links stay good to their ends."""
