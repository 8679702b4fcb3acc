"""The order in which tests are run."""

import pytest

from tests.collecting import shared_out


@pytest.mark.parametrize(("long", "short", "workers"), [(7, 93, 3), (0, 10, 3), (10, 0, 3), (5, 1, 4), (3, 4, 1)])
def test_all_are_run_once_and_each_worker_begins_with_its_share_of_the_long_ones(
    long: int, short: int, workers: int
) -> None:
    all_long, all_short = [f"long {number}" for number in range(long)], [str(number) for number in range(short)]

    ordered = shared_out(all_long, all_short, workers)

    assert sorted(ordered) == sorted([*all_long, *all_short])
    parts, rest = [], ordered
    for worker in range(workers):  # as pytest-xdist takes them
        size = len(rest) // (workers - worker)
        parts.append(rest[:size])
        rest = rest[size:]
    if short > long:
        shares = [sum(name.startswith("long") for name in part) for part in parts]
        assert max(shares) - min(shares) <= 1
        assert all(part[: shares[number]] == all_long[number::workers] for number, part in enumerate(parts))
