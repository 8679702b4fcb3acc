"""Signing in and out as browsers do, and what others try with a browser that has."""

import httpx
import pytest

from media_analysis.runtime import Runtime
from tests.conftest import Client
from tests.web.conftest import OWN, SignIn


async def test_whoever_has_not_signed_in_gets_a_form_and_whoever_has_gets_the_page(
    visitor: httpx.AsyncClient, sign_in: SignIn
) -> None:
    form = await visitor.get("/")
    await sign_in("alice")
    page = await visitor.get("/")

    assert (form.status_code, page.status_code) == (200, 200)
    assert 'action="/sign-in"' in form.text
    assert 'name="token"' in form.text
    assert "Sign out" in page.text


async def test_the_cookie_is_no_scripts_and_no_other_sites_and_is_not_the_token(
    visitor: httpx.AsyncClient, client: Client
) -> None:
    answer = await visitor.post("/sign-in", data={"token": client.tokens["alice"]}, headers=OWN)

    cookie = answer.headers["set-cookie"]
    assert {part.partition("=")[0] for part in cookie.split("; ")} >= {"HttpOnly", "SameSite", "Path", "Max-Age"}
    assert "SameSite=Strict" in cookie
    assert client.tokens["alice"] not in cookie
    assert answer.headers["location"] == "/"


async def test_a_wrong_token_is_told_so_and_what_was_wanted_is_kept(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.post("/sign-in", data={"token": "mas_wrong", "next": "/files?name=a"}, headers=OWN)

    assert answer.status_code == 401
    assert "not known here" in answer.text
    assert 'value="/files?name=a"' in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "elsewhere",
    ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/\t/evil.example"],
)
async def test_signing_in_leads_to_no_other_site(sign_in: SignIn, client: Client, elsewhere: str) -> None:
    visitor = await sign_in("alice")

    answer = await visitor.post("/sign-in", data={"token": client.tokens["alice"], "next": elsewhere}, headers=OWN)

    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://test/evil"},
        {"Origin": "http://test:8000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://test"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
        {},
    ],
)
async def test_no_page_of_another_origin_changes_anything_with_the_cookie(
    sign_in: SignIn, client: Client, headers: dict[str, str]
) -> None:
    visitor = await sign_in("alice")
    file = await client.upload()

    deleted = await visitor.delete(f"/api/v1/files/{file['id']}", headers=headers)
    signed_out = await visitor.post("/sign-out", headers=headers)

    assert (deleted.status_code, deleted.json()["code"]) == (403, "foreign_origin")
    assert signed_out.status_code == 403
    assert (await visitor.get(f"/api/v1/files/{file['id']}")).status_code == 200
    assert (await visitor.delete(f"/api/v1/files/{file['id']}", headers=OWN)).status_code == 204


async def test_another_sites_page_reads_nothing_with_the_cookie_nor_signs_anybody_in(
    sign_in: SignIn, client: Client
) -> None:
    visitor = await sign_in("alice")

    read = await visitor.get("/api/v1/files", headers={"Sec-Fetch-Site": "cross-site"})
    token = {"token": client.tokens["bob"]}
    entered = await visitor.post("/sign-in", data=token, headers={"Origin": "http://evil.example"})

    assert read.status_code == 401
    assert entered.status_code == 403


async def test_a_link_from_another_site_leads_whoever_signed_in_to_what_it_names(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get("/", headers={"Sec-Fetch-Site": "cross-site", "Accept": "text/html"})

    assert '<meta http-equiv="refresh" content="0">' in answer.text


async def test_the_browsers_session_is_listed_and_ends_with_its_tokens(
    sign_in: SignIn, client: Client, runtime: Runtime
) -> None:
    visitor = await sign_in("alice")
    own = (await visitor.get("/api/v1/sessions/me")).json()
    parent = (await client.request("GET", "/api/v1/sessions/me")).json()
    listed = (await client.request("GET", "/api/v1/sessions")).json()["items"]

    assert own["parent_id"] == parent["id"]
    assert own["scopes"] == parent["scopes"]
    assert own["expires_at"] <= parent["expires_at"]
    assert own["id"] in {session["id"] for session in listed}

    await runtime.sessions.revoke(parent["id"], owner="alice")
    assert (await visitor.get("/api/v1/sessions/me")).status_code == 401


async def test_a_stolen_cookie_is_worth_nothing_after_signing_out_and_makes_no_more(
    sign_in: SignIn, visitor: httpx.AsyncClient
) -> None:
    await sign_in("alice")
    stolen = visitor.cookies["media_analysis"]

    again = await visitor.post("/sign-in", data={"token": stolen}, headers=OWN)
    left = await visitor.post("/sign-out", headers=OWN)
    tries = [
        await visitor.get("/api/v1/sessions/me", headers={"Cookie": f"media_analysis={stolen}"}),
        await visitor.get("/api/v1/sessions/me", headers={"Authorization": f"Bearer {stolen}"}),
    ]

    assert again.status_code == 401
    assert left.status_code == 303
    assert "media_analysis" not in visitor.cookies
    assert [answer.status_code for answer in tries] == [401, 401]


async def test_pages_run_nothing_but_their_own_and_are_framed_by_nobody(sign_in: SignIn) -> None:
    visitor = await sign_in("alice")

    for path in ("/", "/nowhere"):
        answer = await visitor.get(path, headers={"Accept": "text/html"})
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"


async def test_whoever_is_refused_in_a_browser_reads_a_page_and_a_program_a_problem(sign_in: SignIn) -> None:
    visitor = await sign_in("alice")

    page = await visitor.get("/nowhere", headers={"Accept": "text/html,*/*;q=0.8"})
    problem = await visitor.get("/nowhere")

    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert (problem.status_code, problem.headers["content-type"]) == (404, "application/problem+json")


async def test_scripts_and_styles_are_kept_forever_and_those_of_another_version_asked_again(
    visitor: httpx.AsyncClient,
) -> None:
    page = (await visitor.get("/")).text
    style = page.partition('rel="stylesheet" href="')[2].partition('"')[0]

    kept = await visitor.get(style)
    other = await visitor.get("/assets/0/layout/style.css")
    missing = await visitor.get("/assets/0/layout/none.css")

    assert "immutable" in kept.headers["cache-control"]
    assert kept.headers["content-type"] == "text/css; charset=utf-8"
    assert other.headers["cache-control"] == "no-cache"
    assert missing.status_code == 404


async def test_a_second_cookie_that_somebody_else_set_is_not_taken_for_the_first(
    sign_in: SignIn, visitor: httpx.AsyncClient, client: Client
) -> None:
    await sign_in("alice")
    own = visitor.cookies["media_analysis"]
    await sign_in("bob")
    theirs = visitor.cookies["media_analysis"]
    visitor.cookies.clear()

    answers = [
        await visitor.get("/api/v1/sessions/me", headers={"Cookie": cookies})
        for cookies in (
            f"media_analysis={own}; media_analysis={theirs}",
            f"media_analysis={theirs}; a=b; media_analysis={own}",
            f"a=b; media_analysis={own}",
        )
    ]

    assert [answer.status_code for answer in answers] == [422, 422, 200]
