"""The webhooks' screens."""

import pytest

from tests.conftest import Client
from tests.web.conftest import SignIn


@pytest.fixture
def private(environment: dict[str, str]) -> None:
    environment["WEBHOOKS_ALLOW_PRIVATE"] = "true"


@pytest.mark.usefixtures("private")
async def test_webhooks_are_listed_with_what_became_of_each_delivery_and_are_nobody_elses(
    sign_in: SignIn, client: Client
) -> None:
    asked = {"url": "http://127.0.0.1:9/<b>", "events": ["job.*"]}
    made = (await client.request("POST", "/api/v1/webhooks", json=asked)).json()
    await client.request("POST", f"/api/v1/webhooks/{made['id']}/ping")
    visitor = await sign_in("alice")

    listed = (await visitor.get("/webhooks")).text
    shown = (await visitor.get(f"/webhooks/{made['id']}?state=waiting")).text
    foreign = await (await sign_in("bob")).get(f"/webhooks/{made['id']}")

    assert f"/webhooks/{made['id']}" in listed
    assert "http://127.0.0.1:9/&lt;b&gt;" in listed
    assert "ping" in shown
    assert made["secret"] not in listed + shown
    assert foreign.status_code == 404
