"""Where files are dropped, as a browser is shown it; what its scripts do is tried in a browser."""

from datetime import timedelta

from media_analysis.runtime import Runtime
from media_analysis.sessions.limits import Limit
from media_analysis.sessions.models import Role
from media_analysis.sessions.roles import Scope
from tests.conftest import Client
from tests.web.conftest import OWN, SignIn
from tests.web.showing import AS_TEXT, MARKUP, shown

TUS = {"Tus-Resumable": "1.0.0"}
NAMED = {"Upload-Metadata": "filename PGltZyBzcmM9eCBvbmVycm9yPWFsZXJ0KDEpPg=="}


async def test_what_was_begun_is_shown_with_what_came_to_its_owner_until_it_is_a_file(
    sign_in: SignIn, client: Client
) -> None:
    begun = await client.request("POST", "/api/v1/uploads", headers={**TUS, **NAMED, "Upload-Length": "4096"})
    address = begun.headers["location"]
    part = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    await client.request("PATCH", address, headers=part, content=bytes(1024))

    hers = await shown(await sign_in("alice"), "/upload")
    his = await shown(await sign_in("bob"), "/upload")
    await client.request("PATCH", address, headers={**part, "Upload-Offset": "1024"}, content=bytes(3072))
    later = await shown(await sign_in("alice"), "/upload")

    assert MARKUP not in hers
    assert AS_TEXT in hers
    assert "1.0 KiB of 4.0 KiB" in hers
    assert f'data-give-up="{address}"' in hers
    assert "Begun, and not whole yet" not in his
    assert "Begun, and not whole yet" not in later
    assert '<option value="uploads">uploads (stays 7 days)</option>' in hers


async def test_a_form_without_scripts_stores_a_file_too(sign_in: SignIn) -> None:
    visitor = await sign_in("alice")
    assert 'method="post" enctype="multipart/form-data" action="/api/v1/files"' in await shown(visitor, "/upload")

    answer = await visitor.post(
        "/api/v1/files", data={"category": "temp"}, files={"file": ("a.bin", b"some bytes")}, headers=OWN
    )

    assert (answer.status_code, answer.json()["filename"]) == (201, "a.bin")


async def test_who_may_not_upload_in_pieces_is_told_so(sign_in: SignIn, client: Client, runtime: Runtime) -> None:
    scopes = [Scope.FILES_READ, Scope.FILES_WRITE]
    for name, allowed, limit in (("reader", scopes[:1], None), ("limited", scopes, Limit.of(["temp"], ()))):
        _, client.tokens[name] = await runtime.sessions.create(
            owner="alice", role=Role.USER, ttl=timedelta(hours=1), scopes=allowed, limit=limit
        )

        page = await shown(await sign_in(name), "/upload", code=403)

        assert "Your session was not made for this" in page
