"""The policy's screen: drafts are looked at by their address; plans and pauses stand beside."""

from html import unescape

import pytest

from tests.conftest import Client, execute
from tests.web.conftest import OWN, SignIn


@pytest.mark.parametrize("path", ["/policy", "/policy/preview", "/plans/01a22a9b-0405-7736-8ca0-2ab976109011"])
async def test_only_who_runs_the_store_sees_it(sign_in: SignIn, path: str) -> None:
    answer = await (await sign_in("alice")).get(path)

    assert answer.status_code == 403
    assert "Your session was not made for this" in answer.text


async def test_a_draft_says_what_it_would_do_and_is_applied_as_it_was_shown(
    sign_in: SignIn, client: Client, database: str
) -> None:
    await client.upload(category="frames", filename="<i>old</i>.png")
    await execute(database, "UPDATE media_files SET stored_at = stored_at - interval '10 days'")
    draft = "retention.frames=5d&quotas.frames=50.0+GiB&unknown=1"
    visitor = await sign_in("admin")

    table = (await visitor.get(f"/policy?{draft}")).text
    shown = (await visitor.get(f"/policy/preview?{draft}")).text
    tree = unescape(shown.partition('name="policy" data-type="json" value="')[2].partition('"')[0])
    version = shown.partition('name="policy_version" value="')[2].partition('"')[0]

    assert 'value="5d" data-was="30d"' in table
    assert tree == '{"storage": {"retention": {"frames": "5d"}}}'
    assert "Lives: 30d → <strong>5d</strong>" in shown
    assert "1 file would go at once" in shown
    assert "&lt;i&gt;old&lt;/i&gt;.png" in shown

    applied = await visitor.post(
        "/api/v1/storage/policies/apply",
        content=f'{{"policy": {tree}, "policy_version": "{version}", "confirm": 1}}',
        headers={**OWN, "Content-Type": "application/json"},
    )
    assert applied.status_code == 200
    assert "applied over the configured one" in (await visitor.get("/policy")).text


async def test_a_draft_that_is_not_allowed_says_why(sign_in: SignIn) -> None:
    shown = await (await sign_in("admin")).get("/policy/preview?retention.frames=soon&high_water.clips=2GiB")

    assert shown.status_code == 200
    assert "The draft says what is not allowed." in shown.text
    assert "storage.retention.frames" in shown.text


async def test_plans_are_read_and_pauses_say_why_and_how_to_go_on(sign_in: SignIn, client: Client) -> None:
    await client.upload(category="frames")
    plan = (await client.request("POST", "/api/v1/storage/plans", by="admin")).json()
    reason = {"reason": "moving <b>house</b>", "category": "frames"}
    await client.request("POST", "/api/v1/storage/pauses", by="admin", json=reason)
    visitor = await sign_in("admin")

    page = (await visitor.get("/policy")).text
    shown = (await visitor.get(f"/plans/{plan['id']}")).text

    assert f"/plans/{plan['id']}" in page
    assert "moving &lt;b&gt;house&lt;/b&gt;" in page
    assert "Type 0, the number of files that it lets go, to resume" in page
    assert plan["hash"] in shown
