"""A network of hosts, a database on one of them, a bucket for all; the oracle looks at both in the end."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from media_analysis.db.migrations import migrate
from media_analysis.storage.remote.address import RemoteAddress
from tests import s3
from tests.hosts.forwarding import Forwarding, forwarding
from tests.hosts.network import Network, new_network, require_network
from tests.hosts.postgres import Postgres, database_url
from tests.hosts.service import Installation, installation


@pytest.fixture
def network() -> Iterator[Network]:
    require_network()
    with new_network() as made:
        yield made


@pytest.fixture
def servers_at() -> Iterator[Path]:
    """A short path for PostgreSQL's data, which its account may enter."""
    base = Path(tempfile.mkdtemp(prefix="mh-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    base.chmod(0o777)
    yield base
    shutil.rmtree(base)


@pytest.fixture
async def primary(network: Network, servers_at: Path) -> Postgres:
    """A PostgreSQL on a host of its own, with our tables."""
    made = Postgres.on(network.add_host("database-1"), servers_at)
    made.create()
    made.start()
    await made.answers()
    await migrate(database_url(made.host))
    return made


@pytest.fixture
async def gateway(network: Network) -> AsyncIterator[Forwarding]:
    """Where hosts reach the S3 of the tests."""
    at = urlsplit(s3.URL or "")
    async with forwarding(network.address, host=at.hostname or "", port=at.port or 80) as made:
        yield made


@pytest.fixture
async def bucket() -> AsyncIterator[RemoteAddress]:
    async with s3.new_bucket() as made:
        yield replace(made, prefix="production")


@pytest.fixture
def environment(primary: Postgres, gateway: Forwarding, bucket: RemoteAddress) -> dict[str, str]:
    """What every host is told."""
    return s3.ENVIRONMENT | {
        "AWS_ENDPOINT_URL": gateway.url,
        "DATABASE_URL": database_url(primary.host),
        "STORAGE_URL": str(bucket),
        "DELETION_STRATEGY": "hard",
        "STORAGE_CLEANUP_RUN_AT_START": "false",
    }


@pytest.fixture
async def hosts(environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Installation]:
    async with installation(environment, tmp_path) as made:
        yield made
