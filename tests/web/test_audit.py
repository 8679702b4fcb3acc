"""The audit trail on a screen and written out."""

import csv
import io
import json

from tests.conftest import Client
from tests.web.conftest import SignIn
from tests.web.showing import AS_TEXT, MARKUP, shown

FORMULA = "=1+1"


async def test_who_did_what_is_listed_by_what_the_address_says_and_written_out_as_it_was_asked_for(
    sign_in: SignIn, client: Client
) -> None:
    admin = await sign_in("admin")
    file = await client.upload()
    path = f"/api/v1/files/{file['id']}/hold"
    for reason in (MARKUP, FORMULA):
        await client.request("PUT", path, json={"reason": reason})
    await client.request("DELETE", path)

    page = await shown(admin, "/audit", actor="alice", since="2020-01-01", job_id="")
    held = await shown(admin, "/audit", action="held", limit=1)
    export = "/api/v1/audit/export?action=held&format="
    table = await admin.get(f"{export}csv")
    lines = await admin.get(f"{export}ndjson")
    newest = await admin.get(f"{export}ndjson&most=1&before=2999-01-01T00:00:00Z")

    assert AS_TEXT in page
    assert MARKUP not in page
    assert f"/files/{file['id']}" in page
    assert "released" in page.partition("<tbody>")[2]
    assert "/audit?action=held&amp;limit=1&amp;cursor=" in held
    assert f"{export}csv".replace("&", "&amp;") in held
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert table.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    assert [row["reason"] for row in rows] == [f"'{FORMULA}", MARKUP]
    assert json.loads(rows[0]["details"])["by"] == "alice"
    told = [json.loads(line) for line in lines.text.splitlines()]
    assert [event["reason"] for event in told] == [FORMULA, MARKUP]
    assert json.loads(newest.text)["id"] == told[0]["id"]
    assert "Nobody did that" in await shown(admin, "/audit", before="2020-01-01")


async def test_the_trail_is_for_administrators_on_the_screen_as_in_the_export(sign_in: SignIn) -> None:
    alice = await sign_in("alice")

    assert "Your session was not made for this" in await shown(alice, "/audit", code=403)
    assert (await alice.get("/api/v1/audit/export")).status_code == 403
    assert 'href="/audit"' not in await shown(alice, "/trash")
