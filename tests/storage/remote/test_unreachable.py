"""Why a bucket cannot be reached is told: whoever waits for it looks in the right place."""

import asyncio
import ssl
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from media_analysis.errors import StoreUnavailable
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.failures import translate
from media_analysis.storage.remote.store import RemoteStore
from tests.db.test_tls import certify
from tests.s3 import ENVIRONMENT, options_for
from tests.webhooks.receiver import receiving

ADDRESS = RemoteAddress.parse("s3://bucket/prefix")


async def reason_at(endpoint: str) -> set[str]:
    """Return why a bucket there cannot be asked: what obstore found, and what our own requests do."""
    told = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    store = RemoteStore.at(ADDRESS, uuid4(), options_for({**ENVIRONMENT, **told}, retry_seconds=0.0))
    try:
        with pytest.raises(StoreUnavailable) as refused:
            await store.require_marker()
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.HTTPError) as failed:
                await client.get(endpoint)
    finally:
        store.close()
    return {str(refused.value), str(translate(failed.value))}


def refusal(reason: str) -> str:
    return f"the store does not answer (the bucket cannot be reached: {reason})"


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("http://127.0.0.1:1", "nothing listens there"),
        ("http://nowhere.invalid", "its host has no address"),
    ],
)
async def test_an_endpoint_at_which_nobody_is_says_so(endpoint: str, reason: str) -> None:
    assert await reason_at(endpoint) == {refusal(reason)}


@pytest.mark.parametrize("told", [{}, {"AWS_PROFILE": "production"}])
async def test_who_tells_no_keys_learns_that_and_nothing_of_the_bucket(told: dict[str, str]) -> None:
    async with await asyncio.start_server(_find_nothing, "127.0.0.1", 0) as machine:
        for port in (1, machine.sockets[0].getsockname()[1]):
            told |= {"AWS_METADATA_ENDPOINT": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "true"}
            store = RemoteStore.at(ADDRESS, uuid4(), options_for(told, retry_seconds=0.0))
            with pytest.raises(StoreUnavailable, match="no keys are told, and this machine gives none"):
                await store.require_marker()
            store.close()


async def _find_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    writer.close()


async def test_an_endpoint_that_is_not_trusted_says_so(tmp_path: Path) -> None:
    certify(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")

    async with receiving(tls=context) as server:
        reasons = await reason_at(server.url.replace("http://127.0.0.1", "https://localhost"))

    assert reasons == {refusal("its certificate is not trusted")}


async def test_an_endpoint_that_speaks_no_tls_says_so() -> None:
    async with await asyncio.start_server(_speak_plainly, "127.0.0.1", 0) as server:
        reasons = await reason_at(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    assert reasons == {refusal("it does not speak TLS")}


async def _speak_plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    writer.close()


async def test_many_who_wait_for_a_bucket_that_is_away_wait_no_longer_than_one() -> None:
    """Each waits as long as requests are made again; in turn the last of a hundred would wait for hours."""
    asked = 0

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        writer.write(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        told = {**ENVIRONMENT, "AWS_ENDPOINT_URL": endpoint}
        store = RemoteStore.at(ADDRESS, uuid4(), options_for(told, retry_seconds=0.0))
        putting = [store.put_many([(f"clips/{count}", b"")], leaving_bytes=0) for count in range(10)]
        refused = await asyncio.gather(*putting, return_exceptions=True)
        store.close()

    assert {str(error) for error in refused} == {"the store does not answer (the bucket answered 503)"}
    assert asked == 1
