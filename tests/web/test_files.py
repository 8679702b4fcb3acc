"""The list of files as a browser is shown it."""

import html
import re
from datetime import timedelta
from uuid import uuid4

from media_analysis.runtime import Runtime
from media_analysis.sessions.limits import Limit
from media_analysis.sessions.models import Role
from media_analysis.sessions.roles import Scope
from tests.conftest import Client
from tests.web.conftest import SignIn

NAME = '<script>alert("1")</script>.bin'


def listed(page: str) -> list[str]:
    """The ids of the files that a page links to, in its order."""
    return list(dict.fromkeys(re.findall(r'href="/files/([0-9a-f-]{36})"', page)))


async def test_files_are_listed_newest_first_by_names_that_stay_text(sign_in: SignIn, client: Client) -> None:
    older = await client.upload(filename=NAME)
    newer = await client.upload(filename="b.bin", label="camera:north")
    others = await client.upload(by="bob")
    visitor = await sign_in("alice")

    pages = [(await visitor.get(address)).text for address in ("/files", "/files?view=list")]

    for page in pages:
        assert listed(page) == [newer["id"], older["id"]]
        assert html.escape(NAME, quote=False) in page or html.escape(NAME).replace("&quot;", "&#34;") in page
        assert "<script>alert" not in page
        assert others["id"] not in page
    assert "camera<b>north</b>" in pages[1]


async def test_the_filters_are_the_address_and_what_a_form_leaves_empty_is_not_asked_for(
    sign_in: SignIn, client: Client
) -> None:
    temp = await client.upload(category="temp", label=["camera:north", "event:1"])
    await client.upload(category="uploads", label="camera:north")
    visitor = await sign_in("alice")

    page = (
        await visitor.get(
            "/files?category=temp&label=camera:north&label=&label=event&expires_before=2999-01-01&job_id="
        )
    ).text
    none = (await visitor.get(f"/files?job_id={uuid4()}")).text

    assert listed(page) == [temp["id"]]
    assert '<option value="temp" selected>' in page
    assert 'type="date" name="expires_before" value="2999-01-01"' in page
    assert 'href="/files?category=temp&amp;expires_before=2999-01-01T00%3A00%3A00Z&amp;label=camera%3Anorth"' in page
    assert "No file is like that" in none


async def test_pages_follow_each_other_in_the_order_that_was_asked_for(sign_in: SignIn, client: Client) -> None:
    files = [await client.upload() for _ in range(3)]
    visitor = await sign_in("alice")

    for filters, expected in (("limit=2", files[::-1]), ("limit=2&expires_before=2999-01-01", files)):
        first = (await visitor.get(f"/files?{filters}")).text
        following = html.unescape(re.findall(r'rel="next" href="([^"]+)"', first)[0])
        second = (await visitor.get(following)).text

        assert [*listed(first), *listed(second)] == [file["id"] for file in expected]
        assert 'rel="next"' not in second


async def test_a_part_of_a_name_finds_files_in_any_case(sign_in: SignIn, client: Client) -> None:
    found = [await client.upload(filename=name) for name in ("Tag am MEER.mp4", "am Meer 100%.mp4")]
    await client.upload(filename="Berg.mp4")
    visitor = await sign_in("alice")

    first = (await visitor.get("/files?name=meer&limit=1")).text
    second = (await visitor.get(html.unescape(re.findall(r'rel="next" href="([^"]+)"', first)[0]))).text

    assert [*listed(first), *listed(second)] == [file["id"] for file in found[::-1]]
    assert 'rel="next"' not in second
    assert listed((await visitor.get("/files?name=100%25")).text) == [found[1]["id"]]
    assert listed((await visitor.get("/files?name=_")).text) == []


async def test_an_address_that_asks_for_what_is_not_there_is_refused_in_words(sign_in: SignIn) -> None:
    visitor = await sign_in("alice")

    for asked in ("categroy=temp", "owner=bob%20", "cursor=x", "limit=999", "view=film"):
        answer = await visitor.get(f"/files?{asked}")

        assert answer.status_code == 422, asked
        assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_owners_are_a_filter_for_administrators_alone(sign_in: SignIn, client: Client) -> None:
    his, hers = await client.upload(by="bob"), await client.upload()

    alice = (await (await sign_in("alice")).get("/files?owner=bob")).text
    admin = (await (await sign_in("admin")).get("/files?owner=bob")).text

    assert (listed(alice), 'name="owner"' in alice) == ([hers["id"]], False)
    assert (listed(admin), 'name="owner"' in admin) == ([his["id"]], True)


async def test_a_session_is_shown_what_it_reaches_and_offered_what_it_may_do(
    sign_in: SignIn, client: Client, runtime: Runtime
) -> None:
    north = await client.upload(label="camera:north")
    await client.upload()
    limit = Limit.of((), ["camera:north"])
    _, client.tokens["limited"] = await runtime.sessions.create(
        owner="alice", role=Role.USER, ttl=timedelta(hours=1), scopes=[Scope.FILES_READ], limit=limit
    )
    _, client.tokens["jobs"] = await runtime.sessions.create(
        owner="alice", role=Role.USER, ttl=timedelta(hours=1), scopes=[Scope.JOBS]
    )

    full = (await (await sign_in("alice")).get("/files")).text
    limited = (await (await sign_in("limited")).get("/files")).text
    refused = await (await sign_in("jobs")).get("/files")

    assert 'data-many="delete"' in full
    assert listed(limited) == [north["id"]]
    assert "data-many" not in limited
    assert refused.status_code == 403
