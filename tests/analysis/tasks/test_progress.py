"""How far a task is."""

import pytest

from media_analysis.analysis.tasks.progress import SharedProgress
from tests.analysis.tasks.collecting import Collected


def test_the_share_never_falls() -> None:
    collected = Collected(0)
    progress = SharedProgress(collected)
    progress.weigh([1.0, 1.0])

    progress.decoding(1, 0.5, done=1, total=None)
    progress.decoding(0, 0.5, done=2, total=None)
    progress.probing(1, 2)

    shares = [share for share, _, _, _ in collected.steps]
    assert shares == sorted(shares)


@pytest.mark.parametrize("part", [-1.0, 0.0, 0.5, 1.0, 7.0])
def test_a_part_stays_within_its_source(part: float) -> None:
    collected = Collected(0)
    progress = SharedProgress(collected)
    progress.weigh([10.0, 10.0])

    progress.decoding(0, part, done=1, total=None)

    assert 0.02 <= collected.steps[0][0] <= 0.02 + 0.95 / 2 + 1e-9


@pytest.mark.parametrize(
    ("durations", "share"),
    [([30.0, 10.0], 0.75), ([None, 10.0], 0.5), ([None, None], 0.5), ([0.0, 99.0], 0.01), ([0.0, 0.0], 0.5)],
)
def test_sources_weigh_what_they_last(durations: list[float | None], share: float) -> None:
    collected = Collected(0)
    progress = SharedProgress(collected)
    progress.weigh(durations)

    progress.decoding(0, 1.0, done=1, total=1)

    assert collected.steps[0][0] == pytest.approx(0.02 + 0.95 * share, abs=0.001)
