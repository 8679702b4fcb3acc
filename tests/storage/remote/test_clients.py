"""How long a bucket that fails at once is asked again."""

import random
import statistics

import pytest

from media_analysis.storage.remote.clients import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    PAUSE_FACTOR,
    retries_within,
)


@pytest.mark.parametrize("seconds", [10, 60, 300])
def test_so_many_retries_take_about_as_long_as_was_said(seconds: float) -> None:
    """Each pause is drawn between the first one and the factor times the one before (obstore's `BackoffConfig`)."""
    dice, sums = random.Random(seconds), []

    for _ in range(500):
        pauses = [FIRST_PAUSE_SECONDS]
        while len(pauses) < retries_within(seconds):
            drawn = dice.uniform(FIRST_PAUSE_SECONDS, PAUSE_FACTOR * pauses[-1])
            pauses.append(min(drawn, LONGEST_PAUSE_SECONDS))
        sums.append(sum(pauses))

    assert statistics.median(sums) > 0.8 * seconds
    assert statistics.quantiles(sums)[0] > 0.6 * seconds
