"""nginx in front of a service: as the manual configures it, with TLS, on ports and in a folder of a test."""

import asyncio
import os
import re
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest

from tests.api.raw import PATIENCE
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "how-to" / "proxy.md"
HOST = str(ip_address("127.64.0.0") + os.getpid())
"""An address of this machine that only this process uses, so that a port that is free there stays so."""
LOG = "requests.log"
ADDRESS = "http://127.0.0.1:8000"
AROUND = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    {once}
    {kept}
    {stripped}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def replaced(text: str, *changes: tuple[str, str]) -> str:
    """Return `text` with each of its own parts replaced, which are there once."""
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def configuration_of_the_page() -> str:
    (found,) = re.findall(r"^```nginx\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return str(found)


@dataclass(frozen=True)
class Proxy:
    """Where nginx answers, leaving the root path of requests where it is, or taking it away."""

    kept: int
    stripped: int
    certificate: Path

    def url(self, way: str) -> str:
        return f"https://{HOST}:{self.kept if way == 'kept' else self.stripped}"

    def client(self, way: str, token: str, **about: object) -> httpx.AsyncClient:
        """Return a client of the service at its host; `about` are arguments of its transport."""
        transport = httpx.AsyncHTTPTransport(
            verify=ssl.create_default_context(cafile=str(self.certificate)),
            **about,  # type: ignore[arg-type]
        )
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.AsyncClient(base_url=self.url(way), headers=headers, transport=transport, timeout=PATIENCE)


async def _certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    about = ("-days", "2", "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=IP:{HOST}")
    made = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"),
        *("-keyout", str(key), "-out", str(certificate), *about),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await made.wait() == 0
    return certificate, key


@asynccontextmanager
async def nginx_before(port: int, folder: Path) -> AsyncIterator[Proxy]:
    """Run nginx in front of the service at `port` while the block does."""
    missing = [name for name in ("nginx", "openssl") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    certificate, key = await _certificate(folder)
    proxy = Proxy(free_port(), free_port(), certificate)
    shown = replaced(
        configuration_of_the_page(),
        ("media.example.org;", f"{HOST};"),
        ("/etc/ssl/certs/media.example.org.pem", str(certificate)),
        ("/etc/ssl/private/media.example.org.key", str(key)),
        ("/var/log/nginx/media.log", str(folder / LOG)),
        ("/var/log/nginx/media-errors.log", str(folder / "errors.log")),
    )
    once, server = shown.split("server {", 1)
    kept, stripped = (
        replaced(
            f"server {{{server}",
            ("listen 443 ssl", f"listen {HOST}:{own} ssl"),
            (f"{ADDRESS};", f"http://127.0.0.1:{port}{end};"),
        )
        for own, end in ((proxy.kept, ""), (proxy.stripped, "/"))
    )
    configuration = folder / "nginx.conf"
    configuration.write_text(AROUND.format(folder=folder, once=once, kept=kept, stripped=stripped))
    arguments = ("-p", str(folder), "-c", str(configuration), "-e", str(folder / "error.log"))
    running = await asyncio.create_subprocess_exec(str(shutil.which("nginx")), *arguments)
    try:
        await _answering(proxy, running, folder)
        yield proxy
    finally:
        if running.returncode is None:
            running.terminate()
        await asyncio.wait_for(running.wait(), PATIENCE)


async def _answering(proxy: Proxy, running: asyncio.subprocess.Process, folder: Path) -> None:
    async with asyncio.timeout(PATIENCE):
        for port in (proxy.kept, proxy.stripped):
            while True:
                assert running.returncode is None, (folder / "error.log").read_text()
                try:
                    _, writer = await asyncio.open_connection(HOST, port)
                except OSError:
                    await asyncio.sleep(0.01)
                else:
                    writer.close()
                    break
