"""The application behind its own server, and people who look at it, each with a browser profile of their own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from fastapi import FastAPI
from playwright.async_api import Browser

from tests.api.raw import served
from tests.browser import PATIENCE_MILLISECONDS
from tests.conftest import Client
from tests.programs import install_from_npm
from tests.web.browser.visitor import Complaints, Visitor

AXE = "axe-core@4.11"
Visit = Callable[..., Awaitable[Visitor]]
"""Opens a profile that has not signed in, or has with the `token` it is given."""


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """What a service is told that shows all its screens, with a trash as most have."""
    return environment | {"DELETION_STRATEGY": "soft", "WEBHOOKS_ALLOW_PRIVATE": "true"}


@pytest.fixture
async def address(app: FastAPI, client: Client) -> AsyncIterator[str]:
    """Where the application answers."""
    async with served(app) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def visiting(browser: Browser) -> AsyncIterator[Visit]:
    """Opens profiles at an address; at the end nothing may have been said in their consoles, or asked of others."""
    async with AsyncExitStack() as open_profiles:
        complaints: list[Complaints] = []

        async def open_profile(address: str, token: str | None = None, **about: Any) -> Visitor:
            about = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"} | about
            profile = await open_profiles.enter_async_context(await browser.new_context(**about))
            profile.set_default_timeout(PATIENCE_MILLISECONDS)
            complaints.append(Complaints("/".join(address.split("/")[:3])))
            complaints[-1].listen(profile)
            visitor = Visitor(await profile.new_page(), address, complaints[-1])
            if token is not None:
                await visitor.sign_in(token)
            return visitor

        yield open_profile
        assert [one for told in complaints for one in told.told] == []


@pytest.fixture
def visit(address: str, visiting: Visit) -> Visit:
    """Opens profiles before the application of this test, which outlives them: the order of these two matters."""
    return lambda token=None, **about: visiting(address, token, **about)


@pytest.fixture(scope="session")
async def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script that looks for what not everybody can use (https://github.com/dequelabs/axe-core)."""
    folder = await install_from_npm(tmp_path_factory, "accessibility", [AXE])
    return (folder / "node_modules/axe-core/axe.min.js").read_text()
