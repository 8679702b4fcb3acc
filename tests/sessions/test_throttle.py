"""Wrong tokens: counted, logged at a bounded rate, answered ever later by address."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from media_analysis.errors import TooManyWrongTokens
from media_analysis.sessions import throttle
from media_analysis.sessions.throttle import BURST, LOG_SECONDS, LONGEST_SECONDS, PER_SECOND, TokenThrottle


@dataclass
class Time:
    """A clock that stands, and whoever waited by it."""

    now: float = 1000.0
    waited: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.waited.append(round(seconds, 6))


@pytest.fixture
def time() -> Time:
    return Time()


def throttle_by(time: Time, observe: Callable[[], None] = lambda: None) -> TokenThrottle:
    return TokenThrottle(observe, clock=lambda: time.now, sleep=time.sleep)


async def punish(slowing: TokenThrottle, host: str, times: int) -> int:
    """Return how many were refused."""
    refused = 0
    for _ in range(times):
        try:
            await slowing.punish(host)
        except TooManyWrongTokens:
            refused += 1
    return refused


async def test_a_burst_is_free_then_each_waits_for_its_turn_and_what_would_wait_too_long_is_refused(time: Time) -> None:
    counted: list[None] = []
    slowing = throttle_by(time, lambda: counted.append(None))

    refused = await punish(slowing, "192.0.2.1", BURST + 60)

    assert time.waited[:2] == [0.1, 0.2]
    assert (len(time.waited), time.waited[-1]) == (LONGEST_SECONDS * PER_SECOND, LONGEST_SECONDS)
    assert (refused, len(counted)) == (10, BURST + 60)
    time.now += 1
    assert await punish(slowing, "192.0.2.1", PER_SECOND + 1) == 1
    time.now += LONGEST_SECONDS + BURST / PER_SECOND
    time.waited.clear()
    assert await punish(slowing, "192.0.2.1", BURST) == 0
    assert time.waited == []


async def test_others_are_not_slowed_and_one_customers_ipv6_addresses_are_one(time: Time) -> None:
    slowing = throttle_by(time)
    await punish(slowing, "2001:db8:0:1::1", BURST)

    for free in ("2001:db8:0:2::1", "::ffff:192.0.2.7", "192.0.2.8", "a-socket", ""):
        await slowing.punish(free)
    assert time.waited == []
    await slowing.punish("2001:db8:0:1:ffff::9")
    await punish(slowing, "192.0.2.7", BURST)
    assert time.waited == [0.1, 0.1]


async def test_it_remembers_a_bounded_number_of_addresses_the_latest_ones(
    time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "MOST_ADDRESSES", 10)
    slowing = throttle_by(time)
    await punish(slowing, "192.0.2.1", BURST)
    for number in range(9):
        await slowing.punish(f"198.51.100.{number}")
    await slowing.punish("192.0.2.1")
    assert time.waited == [0.1]
    for number in range(10, 20):
        await slowing.punish(f"198.51.100.{number}")

    await slowing.punish("192.0.2.1")

    assert time.waited == [0.1]


async def test_many_are_one_line_of_the_log_with_their_number(time: Time) -> None:
    slowing = throttle_by(time)

    with capture_logs() as lines:
        await punish(slowing, "192.0.2.1", 30)
        time.now += LOG_SECONDS
        await slowing.punish("192.0.2.2")

    assert [(line["event"], line["last_from"], line["count"]) for line in lines] == [
        ("token.rejected", "192.0.2.1", 1),
        ("token.rejected", "192.0.2.2", 30),
    ]
