"""What requests over HTTP are measured against: FastAPI without this service, nginx and @tus/server where they are."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import uvicorn
from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from media_analysis.files.models import MediaFile

TUS: Final = ("@tus/server@2", "@tus/file-store@2")
_SERVER: Final = """
import {Server} from '@tus/server'
import {FileStore} from '@tus/file-store'
const [port, directory] = process.argv.slice(2)
new Server({path: '/files', datastore: new FileStore({directory})}).listen({host: '127.0.0.1', port: Number(port)})
"""
_NGINX: Final = """
daemon off; worker_processes auto; pid {root}/pid; error_log {root}/error.log crit;
events {{ worker_connections 512; }}
http {{
    access_log off; client_max_body_size 0; sendfile on; keepalive_requests 1000000000;
    client_body_temp_path {root}/bodies; proxy_temp_path {root}/p; fastcgi_temp_path {root}/f;
    uwsgi_temp_path {root}/u; scgi_temp_path {root}/s; default_type application/octet-stream;
    server {{ listen 127.0.0.1:{port}; root {root}/files; location / {{ dav_methods PUT; }} }}
}}
"""


class Row(BaseModel):
    """A file, as somebody would show it who has an afternoon."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    owner: str
    category: str
    state: str
    filename: str
    media_type: str
    size_bytes: int | None
    created_at: datetime
    expires_at: datetime | None


def naive_app(url: str) -> FastAPI:
    """Return an application with a constant and the newest 50 files of an owner, through the ORM and without tokens."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"), pool_size=20)
    sessions = async_sessionmaker(engine)
    app = FastAPI()

    async def session() -> AsyncIterator[AsyncSession]:
        async with sessions() as opened:
            yield opened

    @app.get("/constant")
    async def constant() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/files", response_model=list[Row])
    async def files(db: Annotated[AsyncSession, Depends(session)], owner: str) -> Any:
        query = select(MediaFile).where(MediaFile.owner == owner).order_by(MediaFile.id.desc()).limit(50)
        return (await db.scalars(query)).all()

    return app


@asynccontextmanager
async def naive_service(url: str) -> AsyncIterator[int]:
    """Serve the naive application from a process of its own."""
    port = free_port()
    async with _running([sys.executable, "-m", __name__, str(port), url], port):
        yield port


@asynccontextmanager
async def nginx(root: Path) -> AsyncIterator[tuple[int, Path] | None]:
    """Serve a folder with nginx, which takes files by PUT; None where there is no nginx."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        yield None
        return
    port, files = free_port(), root / "files"
    files.mkdir(parents=True)
    for folder in (root, files):
        folder.chmod(0o777)
    configuration = root / "nginx.conf"
    configuration.write_text(_NGINX.format(root=root, port=port))
    async with _running([program, "-c", str(configuration), "-e", str(root / "error.log")], port):
        yield port, files


@asynccontextmanager
async def tus_server(root: Path) -> AsyncIterator[int | None]:
    """Serve uploads with npm's @tus/server; None where npm is not, or cannot install it."""
    installed = await asyncio.to_thread(_install_tus, root)
    if installed is None:
        yield None
        return
    port, files = free_port(), root / "files"
    files.mkdir()
    async with _running([installed, str(root / "server.mjs"), str(port), str(files)], port):
        yield port


def _install_tus(root: Path) -> str | None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return None
    root.mkdir(parents=True)
    (root / "server.mjs").write_text(_SERVER)
    command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--prefix", str(root), *TUS]
    installed = subprocess.run(command, capture_output=True, timeout=300, check=False)
    return node if installed.returncode == 0 else None


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody has."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@asynccontextmanager
async def _running(command: list[str], port: int) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *command, env=dict(os.environ), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(30):
            while True:
                await asyncio.sleep(0.05)
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
        yield
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


if __name__ == "__main__":
    uvicorn.run(naive_app(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="error")
