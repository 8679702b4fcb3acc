"""The first screen, for administrators of storage, for owners, and for sessions that may little."""

from tests.conftest import Client
from tests.web.conftest import SignIn


async def test_an_administrator_sees_everybodys_and_the_house(sign_in: SignIn, client: Client) -> None:
    await client.upload(b"x" * 2048, by="bob", filename="<script>alert(1)</script>.mp4", ttl_seconds=3600)
    kept = await client.upload(by="alice", filename="kept.bin", category="outputs")
    gone = await client.upload(b"y" * 512, by="alice", category="temp")
    await client.request("DELETE", f"/api/v1/files/{gone['id']}")

    page = (await (await sign_in("admin")).get("/")).text

    assert "Everything stored" in page
    assert "All is well." in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.mp4" in page
    assert "<script>alert" not in page
    assert kept["filename"] not in page  # it leaves never
    assert "Leaves within 24 hours</span><b>2.0 KiB</b><span>1 file by" in page
    assert "Leaves within 7 days" in page
    assert "3 files, 2.5 KiB came; 1 file, 512 B went" in page


async def test_an_owner_sees_their_own_and_nothing_of_the_disk(sign_in: SignIn, client: Client) -> None:
    await client.upload(by="bob", filename="bobs.bin")
    await client.upload(by="alice", filename="hers.bin")

    page = (await (await sign_in("alice")).get("/")).text

    assert "What alice stores" in page
    assert "hers.bin" in page
    assert "bobs.bin" not in page
    assert "Free on the disk" not in page
    assert "Last sweeps" not in page


async def test_a_session_that_may_little_is_shown_little(sign_in: SignIn, client: Client) -> None:
    made = await client.request(
        "POST", "/api/v1/sessions", by="admin", json={"owner": "alice", "scopes": ["files:write"], "ttl_seconds": 60}
    )
    limited = await client.request(
        "POST",
        "/api/v1/sessions",
        by="admin",
        json={"owner": "alice", "scopes": ["files:read"], "labels": ["camera"], "ttl_seconds": 60},
    )
    client.tokens |= {"camera": made.json()["token"], "limited": limited.json()["token"]}

    page = (await (await sign_in("camera")).get("/")).text
    told = (await (await sign_in("limited")).get("/")).text

    assert "Jobs under way" not in page
    assert "Leaves next" not in page
    assert 'href="/upload"' in page
    assert "This session is limited" in told
