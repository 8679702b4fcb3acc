"""The trash, and what is gone: listed, brought back, and what sweeps took."""

from uuid import uuid4

import pytest

from tests.conftest import Client, execute
from tests.web.conftest import OWN, SignIn
from tests.web.showing import AS_TEXT, DUE, MARKUP, shown

CLEANUP = "/api/v1/storage/cleanup"


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"DELETION_STRATEGY": "soft", "STORAGE_CLEANUP_USE_TRASH": "true", "TRASH_RETENTION": "24h"}


async def test_the_trash_says_what_can_come_back_until_when_and_brings_it_back(sign_in: SignIn, client: Client) -> None:
    alice = await sign_in("alice")
    assert "The trash is empty" in await shown(alice, "/trash")
    mine = await client.upload(filename=MARKUP, label="camera:north")
    await client.upload(filename="it stays")
    others = await client.upload(filename="bobs own", by="bob")
    for file, by in ((mine, "alice"), (others, "bob")):
        await client.request("DELETE", f"/api/v1/files/{file['id']}", by=by, params={"strategy": "soft"})

    page = await shown(alice, "/trash", category="uploads", label="camera:north", job_id="")
    restored = await alice.post(f"/api/v1/files/{mine['id']}/restore", headers=OWN)

    assert AS_TEXT in page
    assert MARKUP not in page
    assert "1 file, 10 B" in page
    assert "in 24 hours" in page
    assert f"/api/v1/files/{mine['id']}/restore" in page
    assert 'data-filters="state=trashed&amp;category=uploads&amp;label=camera%3Anorth"' in page
    assert "Delete for good" not in page
    assert "it stays" not in page
    assert "bobs own" not in page
    assert restored.status_code == 200
    assert "Nothing in the trash is like that" in await shown(alice, "/trash", category="uploads")


async def test_what_is_gone_has_a_tombstone_that_says_who_and_why(sign_in: SignIn, client: Client) -> None:
    alice = await sign_in("alice")
    assert "Nothing is gone for good" in await shown(alice, "/deletions")
    for name, by in ((MARKUP, "alice"), ("bobs own", "bob")):
        file = await client.upload(filename=name, by=by)
        deletion = {"strategy": "hard", "reason": "a mistake"}
        await client.request("DELETE", f"/api/v1/files/{file['id']}", by="admin", params=deletion)

    page = await shown(alice, "/deletions", rule="requested", since="2020-01-01", unpurged="", label="")

    assert AS_TEXT in page
    assert "somebody asked: a mistake" in page
    assert "bobs own" not in page
    assert "Latest sweeps" not in page
    assert "Nothing that is gone is like that" in await shown(alice, "/deletions", before="2020-01-01")
    await shown(alice, "/deletions/sweeps", code=403)
    await shown(alice, f"/deletions/sweeps/{uuid4()}", code=403)


async def test_a_sweep_is_rehearsed_run_and_taken_back_with_what_each_means_said_before(
    sign_in: SignIn, client: Client, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await sign_in("admin")
    await client.upload(category="outputs", ttl_seconds=3600)
    await execute(database, DUE)

    rehearsal = (await admin.post(f"{CLEANUP}?category=outputs", headers=OWN)).json()
    would = await shown(admin, f"/deletions/sweeps/{rehearsal['id']}")
    sweep = (await admin.post(f"{CLEANUP}?category=outputs&dry_run=false", headers=OWN)).json()
    took = await shown(admin, f"/deletions/sweeps/{sweep['id']}")
    with monkeypatch.context() as few:
        few.setattr("media_analysis.web.deletions.page.MOST_SUMMED", 1)
        took_very_many = await shown(admin, f"/deletions/sweeps/{sweep['id']}")
    undone = await admin.post(f"/api/v1/storage/sweeps/{sweep['id']}/undo", headers=OWN)
    back = await shown(admin, f"/deletions/sweeps/{sweep['id']}")

    assert f'action="{CLEANUP}?dry_run=false&amp;category=outputs"' in would
    assert "Delete 1 file (10 B) now" in would
    assert "Bring back 1 file (10 B)" in took
    assert "At least 1 file (10 B) of it is still in the trash." in took_very_many
    assert "Bring back at least 1 file (10 B)" in took_very_many
    assert undone.json()["restored"] == 1
    assert "Bring back" not in back
    listed = await shown(admin, "/deletions/sweeps", limit=10)
    assert listed.count("1 file (10 B)") == 2
    assert f"/deletions/sweeps/{sweep['id']}" in await shown(admin, "/deletions")
    assert "Sweep not found" in await shown(admin, f"/deletions/sweeps/{uuid4()}", code=404)
