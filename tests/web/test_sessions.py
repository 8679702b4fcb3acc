"""The sessions' screen."""

from tests.conftest import Client
from tests.web.conftest import SignIn


async def test_everybody_sees_their_own_sessions_and_administrators_all(sign_in: SignIn, client: Client) -> None:
    hers = (await client.request("GET", "/api/v1/sessions/me", by="alice")).json()
    his = (await client.request("GET", "/api/v1/sessions/me", by="bob")).json()

    own = (await (await sign_in("alice")).get("/sessions")).text
    everybodys = (await (await sign_in("admin")).get("/sessions")).text

    assert hers["id"] in own
    assert his["id"] not in own
    assert "this browser" in own
    assert "Make a token" not in own
    assert {hers["id"], his["id"]} <= set(everybodys.replace("<", " ").replace(">", " ").split())
    assert "Make a token" in everybodys
