"""What others try: files that would be programs, and cookies that were stolen."""

from collections.abc import Mapping
from typing import Final

from playwright.async_api import expect

from tests.conftest import Client
from tests.web.browser.conftest import Visit
from tests.web.browser.visitor import Visitor

RUN: Final = "alert(document.domain); top.ran = true"
FILES: Final[Mapping[str, tuple[str, str]]] = {
    "a.svg": ("image/svg+xml", f'<svg xmlns="http://www.w3.org/2000/svg" onload="{RUN}"><script>{RUN}</script></svg>'),
    "<script>.html": ("text/html", f"<!doctype html><script>{RUN}</script><img src=x onerror='{RUN}'>"),
    "a.xhtml": (
        "application/xhtml+xml",
        f'<html xmlns="http://www.w3.org/1999/xhtml"><body><script>{RUN}</script></body></html>',
    ),
    "a.js": ("text/javascript", RUN),
}
EMBED: Final = """([name, attribute, address]) => {
    const element = document.createElement(name);
    element[attribute] = address;
    document.querySelector("main").append(element);
}"""
POLICY: Final = "Content Security Policy"
EMBEDDED: Final = (("script", "src"), ("iframe", "src"), ("object", "data"), ("embed", "src"))
"""What an attacker would put into a page who found a way to put something there."""


async def upload(client: Client, filename: str) -> str:
    media_type, content = FILES[filename]
    params = {"category": "uploads", "filename": filename}
    headers = {"Content-Type": media_type}
    made = await client.request("POST", "/api/v1/files", params=params, content=content.encode(), headers=headers)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def download(visitor: Visitor, address: str) -> str:
    """Follow an address as a link does, and return the name of what was downloaded and not opened."""
    async with visitor.page.expect_download() as found:
        await visitor.evaluate("address => { location.href = address; }", address)
    return (await found.value).suggested_filename


async def test_files_that_are_programs_run_nowhere_in_the_page_nor_beside_it(visit: Visit, client: Client) -> None:
    files = {filename: await upload(client, filename) for filename in FILES}
    admin = await visit(client.tokens["admin"])

    await admin.open("/files")
    await admin.open("/files?view=list")
    for filename, file_id in files.items():
        await admin.open(f"/files/{file_id}")
        await expect(admin.page.get_by_role("heading", name=filename)).to_be_visible()
        content = f"/api/v1/files/{file_id}/content"
        async with admin.page.expect_download():
            await admin.page.get_by_role("link", name="Download").first.click()
        await download(admin, content)
        for name, attribute in EMBEDDED:
            with admin.complaints.expected(POLICY):
                async with admin.page.expect_console_message(lambda said: POLICY in said.text):
                    await admin.evaluate(EMBED, [name, attribute, content])
        assert await admin.evaluate("window.ran") is None


async def test_a_stolen_cookie_is_worth_nothing_once_its_session_has_ended_and_open_screens_show_nothing_more(
    visit: Visit, client: Client
) -> None:
    await client.upload(filename="hers.bin")
    alice, thief = await visit(client.tokens["alice"]), await visit()
    stolen = [(cookie["name"], cookie["value"]) for cookie in await alice.page.context.cookies()]
    await thief.page.context.add_cookies([{"name": one, "value": value, "url": thief.address} for one, value in stolen])
    await thief.open("/files")
    await expect(thief.page.get_by_text("hers.bin")).to_be_visible()
    async with thief.page.expect_response(lambda answer: "/api/v1/events" in answer.url):
        await thief.open("/")
    await expect(thief.page.locator("#next")).to_contain_text("hers.bin")

    await alice.open("/sessions")
    with thief.complaints.expected("401"):
        await alice.button("Sign out").click()
        await expect(thief.page.get_by_label("Token")).to_be_visible()
        await expect(thief.page.locator("main")).not_to_contain_text("hers.bin")
    with thief.complaints.expected("401"):
        await thief.open("/files", status=401)
    await expect(alice.page.get_by_label("Token")).to_be_visible()
