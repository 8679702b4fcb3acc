"""Errors become problem documents by their kind."""

from media_analysis.api.errors import problem_of, problems
from media_analysis.errors import TooMany


class TooManyPlates(TooMany):
    """An owner spins as many plates as one may."""

    code = "too_many_plates"

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"no more than {limit} plates spin at once", retry_after_seconds=7)
        self.limit = limit


def test_one_too_many_is_answered_429_and_says_when_to_come_again() -> None:
    problem = problem_of(TooManyPlates(limit=3))

    assert problem.status == 429
    assert problem.headers == {"Retry-After": "7"}
    assert problem.detail == "no more than 3 plates spin at once"
    assert problem.extras["limit"] == 3
    assert 429 in problems(TooManyPlates)
