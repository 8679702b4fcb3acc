"""What webhooks may take has ends, and several processes do what is one thing once."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from media_analysis.errors import WebhookDisabled
from media_analysis.runtime import Runtime
from media_analysis.webhooks.delivering import AT_ONCE, pause_after
from tests.conftest import Client, execute, fetch
from tests.webhooks.calling import WEBHOOKS, deliver, fan_out, made
from tests.webhooks.receiver import Receiver

FAR = timedelta(days=10)


@pytest.mark.parametrize(
    ("failing", "waiting", "reason"), [(True, 3, "too_many_waiting"), (False, 3, None), (False, 21, "too_many_waiting")]
)
async def test_one_who_lets_too_many_wait_is_disabled_and_a_burst_is_no_reason(
    client: Client,
    runtime: Runtime,
    receiver: Receiver,
    database: str,
    *,
    failing: bool,
    waiting: int,
    reason: str | None,
) -> None:
    webhook = await made(client, receiver.url)
    if failing:
        await execute(database, "UPDATE webhooks SET failing_since = now()")
    for _ in range(waiting):
        await client.upload()
    crowded = runtime.webhooks.limits.__class__(
        per_owner=20, waiting=2, kept=10, retry_for=FAR, disable_after=FAR, overlap=FAR
    )
    await fan_out(runtime, type(runtime.webhooks.fan_out)(runtime.db, runtime.feed, crowded))

    told = (await client.request("GET", f"{WEBHOOKS}/{webhook['id']}")).json()
    assert told["disabled_reason"] == reason
    assert len(await fetch(database, "SELECT FROM notices")) == (reason is not None)


async def test_pings_that_wait_are_counted_too(
    client: Client, runtime: Runtime, receiver: Receiver, database: str
) -> None:
    webhook_id = UUID((await made(client, receiver.url))["id"])
    log = runtime.webhooks.log
    limits = log.limits.__class__(per_owner=1, waiting=2, kept=2, retry_for=FAR, disable_after=FAR, overlap=FAR)
    bounded = type(log)(runtime.db, limits)
    for _ in range(3):
        await bounded.ping(webhook_id, owner="alice")

    with pytest.raises(WebhookDisabled):
        await bounded.ping(webhook_id, owner="alice")
    assert len(await fetch(database, "SELECT FROM notices")) == 1


async def test_two_processes_fan_out_and_send_everything_once(
    client: Client, runtime: Runtime, receiver: Receiver, database: str
) -> None:
    await made(client, receiver.url)
    for _ in range(8):
        await client.upload()

    await asyncio.gather(*(deliver(runtime) for _ in range(4)))
    await deliver(runtime)

    ids = [call.headers["webhook-id"] for call in receiver.calls]
    assert len(ids) == len(set(ids)) == 8
    assert len(await fetch(database, "SELECT FROM webhook_deliveries WHERE delivered")) == 8


async def test_ended_deliveries_are_kept_up_to_a_number(
    client: Client, runtime: Runtime, receiver: Receiver, database: str
) -> None:
    await made(client, receiver.url)
    for _ in range(5):
        await client.upload()
    await deliver(runtime)
    log = runtime.webhooks.log
    limits = log.limits.__class__(per_owner=1, waiting=9, kept=2, retry_for=FAR, disable_after=FAR, overlap=FAR)

    await type(log)(runtime.db, limits).trim()

    assert len(await fetch(database, "SELECT FROM webhook_deliveries")) == 2


def test_pauses_grow_and_are_of_uneven_length() -> None:
    pauses = [pause_after(attempts) for attempts in range(1, 40)]

    assert pauses[0] < timedelta(seconds=7)
    assert timedelta(hours=4) < pauses[-1] < timedelta(hours=8)
    assert len(set(pauses)) == len(pauses)


async def test_one_who_takes_nothing_lets_go_of_its_turn_though_more_is_due(
    client: Client, runtime: Runtime, receiver: Receiver, database: str
) -> None:
    receiver.status = 500
    webhook = await made(client, receiver.url)
    for _ in range(AT_ONCE + 2):
        await client.upload()
    await fan_out(runtime)

    await runtime.webhooks.deliveries.deliver_all(UUID(webhook["id"]))

    assert len(receiver.calls) == AT_ONCE
    assert await fetch(database, "SELECT FROM webhook_deliveries WHERE attempts = 0") != []
    assert await runtime.webhooks.deliveries.list_due() == [UUID(webhook["id"])]
