"""Events arrive, signed, in order and at least once, at whoever wants them; one who does not answer delays nobody."""

from dataclasses import replace

import pytest
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from media_analysis.runtime import Runtime
from media_analysis.settings.webhooks import WebhookSettings
from media_analysis.webhooks.loop import running_deliveries
from tests.api.answers import refusal
from tests.conftest import Client, execute, fetch
from tests.files.conftest import eventually
from tests.webhooks.calling import WEBHOOKS, deliver, deliveries, fall_due, fan_out, made, verified
from tests.webhooks.receiver import Receiver, receiving


async def test_an_event_arrives_as_a_signed_cloud_event(
    client: Client, runtime: Runtime, receiver: Receiver, database: str
) -> None:
    webhook = await made(client, receiver.url, events=["file.*"])
    file = await client.upload(filename="a.bin", label="camera:north")
    await client.upload(by="bob")
    await deliver(runtime)

    (call,) = receiver.calls
    event = verified(call, webhook["secret"])
    assert call.headers["content-type"].startswith("application/cloudevents+json")
    assert event.items() >= {"specversion": "1.0", "type": "file.stored", "subject": f"files/{file['id']}"}.items()
    assert event["id"] == call.headers["webhook-id"] == event["data"]["id"]
    assert event["source"] == f"/media-analysis/{(await fetch(database, 'SELECT id FROM instance'))[0][0]}"
    assert event["data"]["labels"] == {"camera": "north"}
    assert event["data"]["data"]["filename"] == "a.bin"
    with pytest.raises(WebhookVerificationError):
        Verifier(webhook["secret"]).verify(call.body + b" ", call.headers)


async def test_a_webhook_is_told_what_it_asked_for_from_then_on(
    client: Client, runtime: Runtime, receiver: Receiver
) -> None:
    await client.upload(filename="before", label="camera:north")
    await made(client, receiver.url, events=["file.stored"], labels=["camera:north"])
    await client.upload(filename="other", label="camera:south")
    file = await client.upload(filename="wanted", label="camera:north")
    await client.request("DELETE", f"/api/v1/files/{file['id']}")
    await deliver(runtime)
    await deliver(runtime)

    assert [call.event["data"]["data"]["filename"] for call in receiver.calls] == ["wanted"]


async def test_what_is_not_taken_comes_again_with_the_same_id_and_in_the_order_of_its_file(
    client: Client, runtime: Runtime, receiver: Receiver, database: str
) -> None:
    webhook = await made(client, receiver.url)
    receiver.status = 500
    receiver.content = b"no thanks"
    file = await client.upload()
    await client.request("DELETE", f"/api/v1/files/{file['id']}")
    other = await client.upload()
    await deliver(runtime)
    first = [call.event["type"] for call in receiver.calls if call.event["data"]["file_id"] == file["id"]]
    waiting = await deliveries(client, webhook, state="waiting")
    receiver.status = 204
    await fall_due(database)
    await deliver(runtime)

    of_file = [call for call in receiver.calls if call.event["data"]["file_id"] == file["id"]]
    assert first == ["file.stored"], "the next of a file waits for the one before"
    assert [call.event["type"] for call in of_file] == ["file.stored", "file.stored", "file.deleted"]
    assert of_file[0].headers["webhook-id"] == of_file[1].headers["webhook-id"]
    assert of_file[0].body == of_file[1].body
    assert len([call for call in receiver.calls if call.event["data"]["file_id"] == other["id"]]) == 2
    assert {each["last_error"] for each in waiting} == {"status 500: no thanks", None}
    assert {each["state"] for each in await deliveries(client, webhook)} == {"delivered"}


async def test_who_does_not_answer_delays_nobody(client: Client, runtime: Runtime) -> None:
    patient = replace(runtime.webhooks, settings=WebhookSettings(allow_private=True, timeout_seconds=120))
    async with receiving(silent=True) as silent, receiving() as lively, running_deliveries(patient, look_seconds=0.05):
        await made(client, silent.url)
        await made(client, lively.url)
        for number in range(20):
            await client.upload(filename=str(number))

        await lively.wait_for(20)

        assert 1 <= len(silent.calls) <= 4


async def test_both_secrets_are_signed_with_for_a_while(
    client: Client, runtime: Runtime, receiver: Receiver, database: str
) -> None:
    webhook = await made(client, receiver.url)
    rotated = (await client.request("POST", f"{WEBHOOKS}/{webhook['id']}/secret")).json()
    await client.upload()
    await deliver(runtime)
    await execute(database, "UPDATE webhooks SET old_secret_until = now()")
    await client.upload()
    await deliver(runtime)

    both, new_alone = receiver.calls
    assert rotated["secret"] != webhook["secret"]
    assert rotated["old_secret_until"] is not None
    assert verified(both, webhook["secret"]) == verified(both, rotated["secret"])
    assert verified(new_alone, rotated["secret"])
    with pytest.raises(WebhookVerificationError):
        verified(new_alone, webhook["secret"])


async def test_what_is_given_up_is_a_dead_letter_that_can_be_sent_again(
    client: Client, runtime: Runtime, receiver: Receiver, database: str
) -> None:
    webhook = await made(client, receiver.url)
    receiver.status = 503
    await client.upload()
    await fan_out(runtime)
    await execute(database, "UPDATE webhook_deliveries SET gives_up_at = now()")
    await deliver(runtime)
    (dead,) = await deliveries(client, webhook, state="dead")
    receiver.status = 204
    again = f"{WEBHOOKS}/{webhook['id']}/deliveries/{dead['id']}/redeliver"
    answer = await client.request("POST", again)
    foreign = await client.request("POST", again, by="bob")
    await deliver(runtime)

    assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    assert refusal(foreign) == (404, "webhook_not_found")
    assert receiver.calls[0].headers["webhook-id"] == receiver.calls[1].headers["webhook-id"]
    assert [each["state"] for each in await deliveries(client, webhook)] == ["delivered"]


async def test_a_webhook_that_fails_for_days_is_disabled_with_a_notice_and_enabled_again(
    client: Client, runtime: Runtime, receiver: Receiver, database: str
) -> None:
    webhook = await made(client, receiver.url)
    path = f"{WEBHOOKS}/{webhook['id']}"
    receiver.status = 500
    await client.upload()
    await deliver(runtime)
    failing = (await client.request("GET", path)).json()
    await execute(database, "UPDATE webhooks SET failing_since = failing_since - interval '6 days'")
    await fall_due(database)
    await deliver(runtime)
    disabled = (await client.request("GET", path)).json()
    await client.upload()
    await fall_due(database)
    await deliver(runtime)
    refused = await client.request("POST", f"{path}/ping")
    receiver.status = 204
    enabled = (await client.request("PATCH", path, json={"enabled": True})).json()
    await deliver(runtime)

    assert failing["enabled"]
    assert failing["failing_since"] is not None
    assert (disabled["enabled"], disabled["disabled_reason"]) == (False, "failing")
    assert refusal(refused) == (409, "webhook_disabled")
    notices = await fetch(database, "SELECT topic, payload FROM notices")
    assert [row["topic"].startswith(f"webhook:{webhook['id']}:") for row in notices] == [True]
    assert enabled["enabled"]
    assert len(receiver.calls) == 3, "what waited is sent, what happened meanwhile is not"


async def test_what_is_disabled_is_not_told_what_happened_meanwhile(
    client: Client, runtime: Runtime, receiver: Receiver
) -> None:
    webhook = await made(client, receiver.url)
    await made(client, receiver.url, events=["job.*"])  # for which the log is gone through
    path = f"{WEBHOOKS}/{webhook['id']}"
    for enabled in (False, True):
        await client.upload(filename=f"before {enabled}")
        await client.request("PATCH", path, json={"enabled": enabled})
    await client.upload(filename="after")
    await deliver(runtime)

    assert [call.event["data"]["data"]["filename"] for call in receiver.calls] == ["after"]


@pytest.mark.parametrize(("status", "reason"), [(410, "gone"), (301, None), (404, None)])
async def test_an_answer_that_says_gone_disables_and_redirects_are_not_followed(
    client: Client, runtime: Runtime, receiver: Receiver, status: int, reason: str | None
) -> None:
    async with receiving() as elsewhere:
        receiver.status, receiver.more = status, f"Location: {elsewhere.url}\r\n"
        webhook = await made(client, receiver.url)
        await client.upload()
        await deliver(runtime)

        assert elsewhere.calls == []
    told = (await client.request("GET", f"{WEBHOOKS}/{webhook['id']}")).json()
    assert told["disabled_reason"] == reason
    assert len(receiver.calls) == 1


async def test_a_ping_is_sent_at_once(client: Client, runtime: Runtime, receiver: Receiver) -> None:
    webhook = await made(client, receiver.url, events=["job.failed"])
    async with running_deliveries(runtime.webhooks, look_seconds=5):
        answer = await client.request("POST", f"{WEBHOOKS}/{webhook['id']}/ping")
        (call,) = await receiver.wait_for(1)

        async def is_taken() -> bool:
            return [each["state"] for each in await deliveries(client, webhook)] == ["delivered"]

        await eventually(is_taken)

    assert answer.status_code == 202
    assert verified(call, webhook["secret"])["type"] == "ping"


async def test_a_large_answer_is_not_read_to_its_end(client: Client, runtime: Runtime, receiver: Receiver) -> None:
    webhook = await made(client, receiver.url)
    receiver.status, receiver.content = 500, b"x" * 2_000_000
    await client.upload()
    await deliver(runtime)

    (told,) = await deliveries(client, webhook)
    assert told["last_error"] == f"status 500: {'x' * 500}"
