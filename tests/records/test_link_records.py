"""Links are known for a while after their end, and keys as long as a link of theirs is."""

from datetime import timedelta

from media_analysis.runtime import Runtime
from tests.api.answers import refusal
from tests.api.links import invite, share, use
from tests.conftest import Client, execute, fetch
from tests.records.test_records import ended


async def test_a_link_is_410_while_it_is_remembered_and_404_from_then_on(
    client: Client, runtime: Runtime, database: str
) -> None:
    file = await client.upload(expires_at="never")
    used, revoked = await invite(client), await share(client, file)
    await use(client, used, "PUT", content=b"x")
    await client.request("DELETE", f"/api/v1/links/{revoked['id']}")
    await client.request("POST", "/api/v1/links/keys", by="admin", json={})
    alive = await share(client, file)
    await execute(database, f"UPDATE links SET expires_at = now() + interval '60 days' WHERE id = '{alive['id']}'")

    early = await ended(runtime, 29)
    known = [refusal(await use(client, revoked)), refusal(await use(client, used, "PUT", content=b"x"))]
    late = await ended(runtime, 31)
    unknown = [refusal(await use(client, revoked)), refusal(await use(client, used, "PUT", content=b"x"))]

    assert not {"links", "link_keys"} & early.keys()
    assert known == [(410, "link_gone")] * 2
    assert {name: late[name] for name in ("links", "link_keys")} == {"links": 2, "link_keys": 1}
    assert unknown == [(404, "link_not_found")] * 2
    assert (await use(client, alive)).status_code == 200
    assert len(await fetch(database, "SELECT FROM link_keys")) == 1


async def test_the_key_that_signs_stays_whatever_its_age(client: Client, runtime: Runtime, database: str) -> None:
    await client.request("POST", "/api/v1/links/keys", by="admin", json={})

    told = await ended(runtime, timedelta(days=3_000) / timedelta(days=1))

    assert "link_keys" not in told
    assert len(await fetch(database, "SELECT FROM link_keys")) == 1
