"""Somebody who looks at the page with a browser, and all that goes wrong in it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Dialog, Locator, Page, Request, WebError


@dataclass
class Complaints:
    """What a browser should never have to say of pages: errors, warnings, requests elsewhere, scripts of others."""

    origin: str
    told: list[str] = field(default_factory=list)

    def listen(self, context: BrowserContext) -> None:
        context.on("console", self._hear)
        context.on("weberror", self._throw)
        context.on("request", self._ask)
        context.on("dialog", self._alert)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.told.append(f"{message.type}: {message.text} ({message.location['url']})")

    def _throw(self, error: WebError) -> None:
        self.told.append(f"uncaught: {error.error}")

    def _ask(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme != "blob" and f"{address.scheme}://{address.netloc}" != self.origin:
            self.told.append(f"asked elsewhere: {request.method} {request.url}")

    async def _alert(self, dialog: Dialog) -> None:
        self.told.append(f"a script ran: {dialog.message}")
        await dialog.dismiss()

    @contextmanager
    def expected(self, part: str) -> Iterator[None]:
        """Let what contains this be told, which a test does on purpose, and nothing else; it has to be told."""
        before = len(self.told)
        yield
        new = self.told[before:]
        assert any(part in one for one in new), f"nothing said “{part}”"
        self.told[before:] = [one for one in new if part not in one]


@dataclass(frozen=True)
class Visitor:
    """One browser profile that stands before the service."""

    page: Page
    address: str
    complaints: Complaints

    async def open(self, path: str, *, status: int = 200) -> None:
        """Go to a screen and wait until all of it is there."""
        answer = await self.page.goto(f"{self.address}{path}", wait_until="load")
        assert answer is not None
        assert answer.status == status, (path, await self.page.inner_text("main"))

    async def sign_in(self, token: str, path: str = "/") -> None:
        """Fill in the form that a screen shows to strangers, and be led to that screen."""
        await self.open(path, status=200 if path == "/" else 401)
        await self.page.get_by_label("Token").fill(token)
        await self.page.get_by_role("button", name="Sign in").click()
        await self.page.wait_for_url(f"{self.address}{path}")

    async def resize(self, width: int) -> None:
        await self.page.set_viewport_size({"width": width, "height": 900})

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    async def evaluate(self, script: str, value: Any = None) -> Any:
        """Run a script as the browser's tools do, which the policy of the page does not hold back."""
        return await self.page.evaluate(script, value)

    async def texts(self, selector: str) -> Sequence[str]:
        return await self.page.locator(selector).all_inner_texts()
