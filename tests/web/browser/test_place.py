"""The page below a root path, behind a proxy that leaves it there."""

import pytest

from tests.conftest import Client
from tests.web.browser.conftest import Visit


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"SERVER_ROOT_PATH": "/media"}


async def test_every_screen_is_reached_below_a_root_path_with_its_scripts_and_pictures(
    address: str, visiting: Visit, client: Client
) -> None:
    await client.upload(by="admin")
    admin = await visiting(f"{address}/media", client.tokens["admin"])
    links = admin.page.get_by_role("navigation", name="Screens").get_by_role("link")
    paths = [await link.get_attribute("href") or "" for link in await links.all()]

    for path in paths:
        await admin.open(path.removeprefix("/media"))
        assert await admin.evaluate("document.documentElement.classList.contains('has-script')")

    assert len(paths) >= 12
    assert all(path.startswith("/media/") for path in paths)
