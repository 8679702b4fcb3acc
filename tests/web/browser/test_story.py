"""What people do on the page, from the first sign-in to taking a deletion back, in a real browser."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import expect

from tests.conftest import Client
from tests.web.browser.conftest import Visit
from tests.web.browser.dropping import drop, long_film
from tests.web.browser.visitor import Visitor

SEEK = """async () => {
    const film = document.querySelector("video");
    const sought = new Promise((resolve) => film.addEventListener("seeked", resolve, { once: true }));
    film.currentTime = 3;
    await sought;
    return [film.videoWidth > 0, film.currentTime];
}"""


@asynccontextmanager
async def elsewhere() -> AsyncIterator[str]:
    """Serve a page of somebody else's, at another port: another origin, and yet the same site, to which cookies go."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 11\r\nConnection: close\r\n\r\n"
        writer.write(head + b"<p>hers</p>")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def act(visitor: Visitor, opener: str, yes: str, **fields: str) -> None:
    """Open a dialog, fill it in, and do what it offers."""
    await visitor.button(opener).click()
    dialog = visitor.page.locator("dialog[open]")
    for label, text in fields.items():
        await dialog.get_by_label(label, exact=True).fill(text)
    await dialog.get_by_role("button", name=yes, exact=True).click()


async def test_a_film_is_dropped_played_held_deleted_and_taken_back_and_is_nobody_elses(
    visit: Visit, client: Client, tmp_path: Path
) -> None:
    alice, bob = await visit(client.tokens["alice"]), await visit(client.tokens["bob"])
    page = alice.page

    await alice.open("/upload")
    await drop(page, long_film(tmp_path, "<i>sea.mp4", 0))
    await page.locator("#queue a").click()
    await expect(page.get_by_role("heading", name="<i>sea.mp4")).to_be_visible()
    path = page.url.removeprefix(alice.address)
    assert await alice.evaluate(SEEK) == [True, 3]

    await bob.open("/files")
    assert "sea" not in await bob.page.inner_text("main")
    with bob.complaints.expected("404"):
        await bob.open(path, status=404)

    await act(alice, "Hold", "Hold", Why="the harbour wants it")
    await expect(page.locator("#why")).to_contain_text("the harbour wants it")
    with alice.complaints.expected("409"):
        await act(alice, "Delete", "Delete")
        await expect(page.locator("dialog[open] output").last).to_contain_text("may not be deleted yet")
    await page.locator("dialog[open]").get_by_role("button", name="Cancel").click()
    await act(alice, "Release", "Release")
    await expect(alice.button("Hold")).to_be_visible()
    await act(alice, "Delete", "Delete", Why="seen")
    await page.wait_for_url("**/files")
    assert "sea" not in await page.inner_text("main")

    await alice.open("/trash")
    await page.get_by_role("row", name="<i>sea.mp4").get_by_role("button", name="Restore").click()
    await expect(page.get_by_text("The trash is empty")).to_be_visible()
    await alice.open(path)
    assert await alice.evaluate(SEEK) == [True, 3]


async def test_a_policy_is_drafted_looked_at_and_applied_with_its_confirmation_typed(
    visit: Visit, client: Client
) -> None:
    await client.upload(category="frames")
    admin = await visit(client.tokens["admin"])
    page = admin.page

    await admin.open("/policy")
    await page.get_by_label("Lives, frames").fill("5d")
    await expect(page.locator("#preview")).to_contain_text("Lives: 30d → 5d")
    assert "retention.frames=5d" in page.url
    await page.get_by_label("Type “apply”").fill("apply")
    await page.get_by_role("button", name="Apply the policy").click()

    await expect(page.get_by_text("applied over the configured one")).to_be_visible()
    assert await page.get_by_label("Lives, frames").input_value() == "5d"


async def test_a_page_of_another_origin_reads_changes_and_frames_nothing(visit: Visit, client: Client) -> None:
    file = await client.upload()
    alice = await visit(client.tokens["alice"])
    other = await alice.page.context.new_page()

    async with elsewhere() as address:
        await other.goto(address)
        answers = await other.evaluate(
            """async ([address, id]) => {
                const ask = (path, about) => fetch(address + path, { credentials: "include", ...about })
                    .then((answer) => answer.status, () => "refused");
                const frame = document.createElement("iframe");
                frame.src = address + "/files";
                document.body.append(frame);
                await new Promise((resolve) => frame.addEventListener("load", resolve));
                return [
                    await ask("/api/v1/files"),
                    await ask(`/api/v1/files/${id}`, { method: "DELETE", mode: "no-cors" }),
                    await ask("/sign-out", { method: "POST", mode: "no-cors", body: new URLSearchParams() }),
                ];
            }""",
            [alice.address, file["id"]],
        )
    told, alice.complaints.told[:] = " ".join(alice.complaints.told), []
    await alice.open(f"/files/{file['id']}")

    assert answers[0] == "refused"
    assert "frame-ancestors" in told, told
    assert await alice.page.get_by_text("Sign out").is_visible()
