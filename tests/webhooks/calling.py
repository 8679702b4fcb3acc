"""Webhooks made, and what is due for them sent."""

from typing import Any

from standardwebhooks.webhooks import Webhook as Verifier

from media_analysis.events.horizon import EventHorizon
from media_analysis.runtime import Runtime
from media_analysis.webhooks.fan_out import FanOutService
from tests.conftest import Client, execute
from tests.files.conftest import eventually
from tests.webhooks.receiver import Call

WEBHOOKS = "/api/v1/webhooks"


async def made(client: Client, url: str, *, by: str = "alice", **about: Any) -> dict[str, Any]:
    answer = await client.request("POST", WEBHOOKS, by=by, json={"url": url, "events": ["*"]} | about)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def fan_out(runtime: Runtime, service: FanOutService | None = None) -> None:
    """Fan out what happened until now, once; whatever transaction runs on this server holds the log back until then."""
    horizon = EventHorizon(runtime.db)
    await horizon.look()

    async def settled() -> bool:
        return (await runtime.feed.now()).logged >= horizon.given

    await eventually(settled)
    await (service or runtime.webhooks.fan_out).run()


async def deliver(runtime: Runtime) -> None:
    """Fan out and send what is due, once."""
    await fan_out(runtime)
    for webhook_id in await runtime.webhooks.deliveries.list_due(limit=100):
        await runtime.webhooks.deliveries.deliver_all(webhook_id)


async def fall_due(database: str) -> None:
    """Let what waits for its next attempt be due."""
    await execute(database, "UPDATE webhook_deliveries SET due_at = now() WHERE due_at IS NOT NULL")


async def deliveries(client: Client, webhook: dict[str, Any], **query: str) -> list[dict[str, Any]]:
    answer = await client.request("GET", f"{WEBHOOKS}/{webhook['id']}/deliveries", params=query)
    assert answer.status_code == 200, answer.text
    told: list[dict[str, Any]] = answer.json()["items"]
    return told


def verified(call: Call, secret: str) -> Any:
    return Verifier(secret).verify(call.body, call.headers)
