"""Whether the embedded server answers, asked of one that is going."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from media_analysis.db.embedded.account import choose_account
from media_analysis.db.embedded.cluster import PORT, Cluster, ensure_password
from media_analysis.db.embedded.connection import answers, ensure_database
from media_analysis.errors import EmbeddedServerFailed


def message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


OFFER = message(b"R", (10).to_bytes(4) + b"SCRAM-SHA-256\0\0")
BROKEN_OFF = {
    "before a word": [],
    "in the middle of a message": [OFFER[:9]],
    "in the middle of the authentication": [OFFER],
    "with nonsense for a challenge": [OFFER, message(b"R", (11).to_bytes(4) + b"r=nonsense")],
    "with no authentication it knows": [message(b"R", (10).to_bytes(4) + b"OTHER\0\0")],
    "shutting down": [message(b"E", b"SFATAL\0C57P03\0Mthe database system is shutting down\0\0")],
}


@pytest.fixture(params=list(BROKEN_OFF.values()), ids=list(BROKEN_OFF))
async def cluster(home: Path, request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    """A cluster whose server says so much to everybody, and is gone."""
    going = Cluster(home / "postgres", Path(), choose_account(None))
    going.run.mkdir(parents=True)
    ensure_password(going)

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in request.param:
            await reader.read(4096)
            writer.write(answer)
            await writer.drain()
        writer.close()

    async with await asyncio.start_unix_server(break_off, going.run / f".s.PGSQL.{PORT}"):
        yield going


async def test_a_server_that_goes_in_the_middle_of_its_answer_does_not_answer(cluster: Cluster) -> None:
    assert await answers(cluster, "postgres") is False


async def test_a_server_that_goes_before_its_database_is_there_is_told_of_in_words(cluster: Cluster) -> None:
    with pytest.raises(EmbeddedServerFailed, match="PostgreSQL went away"):
        await ensure_database(cluster)
