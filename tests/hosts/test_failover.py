"""PostgreSQL's primary is lost and its standby promoted: the service goes on there, and what it answered holds."""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from media_analysis.storage.remote.address import RemoteAddress
from tests.hosts.load import loaded, require_kept, told
from tests.hosts.network import Network
from tests.hosts.postgres import Postgres, database_url
from tests.hosts.service import Installation
from tests.mirrored import CopiedOracle

pytestmark = [pytest.mark.s3, pytest.mark.crash]
log = logging.getLogger(__name__)
RECOVERED_SECONDS = 30.0
"""How long after the promotion the first upload is stored, at most: the manual says about ten."""


@pytest.fixture
async def standby(network: Network, primary: Postgres, servers_at: Path) -> Postgres:
    """A copy of the primary that streams from it."""
    made = Postgres.on(network.add_host("database-2"), servers_at)
    made.follow(primary)
    made.start()
    await made.answers()
    return made


@pytest.fixture
def environment(environment: dict[str, str], primary: Postgres, standby: Postgres) -> dict[str, str]:
    return environment | {"DATABASE_URL": database_url(primary.host, standby.host)}


async def make_synchronous(primary: Postgres, standby: Postgres) -> None:
    """Let no COMMIT be answered that the standby has not written."""
    name = f'"{standby.host.name}"'
    await primary.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'", "SELECT pg_reload_conf()")
    await primary.until("SELECT sync_state = 'sync' FROM pg_stat_replication")


@pytest.mark.parametrize("lose", [lambda host: host.kill(), lambda host: host.cut()], ids=["killed", "cut off"])
async def test_nothing_acknowledged_is_lost_with_a_synchronous_standby(
    lose: Callable[..., None],
    network: Network,
    primary: Postgres,
    standby: Postgres,
    hosts: Installation,
    bucket: RemoteAddress,
    tmp_path: Path,
) -> None:
    await make_synchronous(primary, standby)
    one, two = [await hosts.serve(network.add_host(name)) for name in ("one", "two")]

    async with loaded(one.http, two.http) as load:
        await load.more(60)
        lose(primary.host)
        standby.promote()
        promoted_at = time.monotonic()
        await load.more(1)
        waited = time.monotonic() - promoted_at
        await load.more(60)
    log.info("%s stored, deleted, refused; the first %.1f s after the promotion", told(load), waited)
    await require_kept(two.http, load.promises)
    for each in (one, two):
        each.host.kill()

    assert waited < RECOVERED_SECONDS
    oracle = CopiedOracle(database_url(standby.host), bucket, tmp_path / "mirrored")
    assert await oracle(acknowledged=load.promises.kept) == []


async def test_what_waits_for_the_standby_is_not_acknowledged_however_long_one_asks(
    network: Network, primary: Postgres, standby: Postgres, hosts: Installation
) -> None:
    await make_synchronous(primary, standby)
    patience = {"DATABASE_COMMAND_TIMEOUT_SECONDS": "2", "DATABASE_DEADLINE_SECONDS": "10"}
    one = await hosts.serve(network.add_host("one"), **patience)

    async def upload_once() -> httpx.Response:
        about = {"category": "uploads", "filename": "a"}
        return await one.http.post("/files", params=about, content=b"lost", headers={"Idempotency-Key": "once"})

    standby.host.cut()
    asked = [await upload_once() for _ in range(2)]
    primary.host.kill()
    standby.host.mend()
    standby.promote()
    listed = (await one.http.get("/files")).json()["items"]
    again = await upload_once()

    assert listed == []
    assert {answer.status_code for answer in asked} <= {409, 503}, [answer.text for answer in asked]
    assert again.status_code == 201, again.text


async def test_what_an_asynchronous_standby_lacked_is_named_by_verify(
    network: Network, primary: Postgres, standby: Postgres, hosts: Installation
) -> None:
    one = await hosts.serve(network.add_host("one"))
    about = {"category": "uploads", "filename": "a"}
    whole, returned = [(await one.http.post("/files", params=about, content=b"%d" % n)).json() for n in range(2)]
    (key,) = [row["key"] for row in await primary.fetch("SELECT key FROM media_files WHERE id = $1", returned["id"])]
    (written,) = await primary.fetch("SELECT pg_current_wal_lsn()::text AS at")
    await standby.until(f"SELECT pg_last_wal_replay_lsn() >= '{written['at']}'")

    standby.host.cut()
    deleted = await one.http.delete(f"/files/{returned['id']}")
    lost = (await one.http.post("/files", params=about, content=b"lost")).json()
    (foreign,) = [row["key"] for row in await primary.fetch("SELECT key FROM media_files WHERE id = $1", lost["id"])]
    primary.host.kill()
    standby.host.mend()
    standby.promote()
    again = await one.http.get(f"/files/{whole['id']}/content")
    verified = await hosts.run(one.host, "verify", "--grace", "0s", "--json")

    assert (deleted.status_code, again.content) == (204, b"0")
    found = {(each["problem"], each["key"]) for each in json.loads(verified.stdout)["findings"]}
    assert found == {("missing", key), ("untracked", foreign)}, verified.stderr
