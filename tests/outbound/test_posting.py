"""Posting goes to the address that was looked at, by the name that was asked for, whatever the environment says."""

import shutil
import ssl
from pathlib import Path

import pytest

from media_analysis.errors import NotDelivered
from media_analysis.outbound.addresses import AddressRule
from media_analysis.outbound.posting import Poster
from tests.db.test_tls import certify
from tests.webhooks.receiver import receiving

PRIVATE = AddressRule(allows_private=True)
BODY = b"{}"


async def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async with receiving() as receiver:
        answer = await Poster(PRIVATE, 20).post(receiver.url, BODY, {})

    assert answer.status == 204
    assert receiver.calls[0].headers["host"] == receiver.url.split("/")[2]


async def test_an_address_of_ipv6_is_called_in_brackets() -> None:
    async with receiving(host="::1") as receiver:
        await Poster(PRIVATE, 20).post(receiver.url, BODY, {})

    assert receiver.calls[0].headers["host"] == receiver.url.split("/")[2]
    assert receiver.url.startswith("http://[::1]:")


async def test_who_is_silent_is_left_in_time() -> None:
    async with receiving(silent=True) as receiver:
        with pytest.raises(NotDelivered, match=r"no answer within 0\.2 s"):
            await Poster(PRIVATE, 0.2).post(receiver.url, BODY, {})


async def test_what_may_not_be_asked_is_not_even_connected_to() -> None:
    async with receiving() as receiver:
        for url in (
            receiver.url,
            receiver.url.replace("http", "https"),
            receiver.url.replace("127.0.0.1", "localhost"),
        ):
            with pytest.raises(NotDelivered):
                await Poster(AddressRule(), 20).post(url, BODY, {})

    assert receiver.calls == []
    assert not receiver.connections


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
async def test_certificates_are_held_against_the_name_though_the_address_is_connected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = certify(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    asked: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)

    async with receiving(tls=context) as receiver:
        by_name = receiver.url.replace("http://127.0.0.1", "https://localhost")
        answer = await Poster(PRIVATE, 20).post(by_name, BODY, {})
        with pytest.raises(NotDelivered):
            await Poster(PRIVATE, 20).post(receiver.url.replace("http", "https"), BODY, {})
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(NotDelivered):
            await Poster(PRIVATE, 20).post(by_name, BODY, {})

    assert answer.status == 204
    assert asked[0] == "localhost"
    assert receiver.calls[0].headers["host"].startswith("localhost:")
    assert len(receiver.calls) == 1
