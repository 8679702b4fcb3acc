"""The oracle over a store in a bucket: it inspects a copy, in which pieces lie as what they are to become."""

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from media_analysis.analysis.child.fork_server import ForkServer
from media_analysis.runtime import Runtime, open_services
from media_analysis.settings import Settings
from media_analysis.settings.postgres import database_options
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.bucket import Bucket
from media_analysis.storage.remote.names import PIECES
from tests.conftest import OpenRuntime, fetch
from tests.oracle import inspect_everything
from tests.reused import Pool, end_old_zygotes
from tests.s3 import copied, mirror


@dataclass(frozen=True)
class CopiedOracle:
    """Inspects copies of what lies below addresses; a store that is a directory is looked at where it is."""

    database: str
    store: RemoteAddress | Bucket | Path
    into: Path
    archives: RemoteAddress | None = None

    async def __call__(self, *, acknowledged: Mapping[str, str] | None = None) -> list[str]:
        shutil.rmtree(self.into, ignore_errors=True)
        root = await self._below()
        archives = None if self.archives is None else await mirror(self.archives, self.into / "archives")
        pending = {
            row["key"] for row in await fetch(self.database, "SELECT key FROM media_files WHERE state = 'pending'")
        }
        for key in pending:
            _join_pieces(root, key)
        return await inspect_everything(self.database, root, acknowledged=acknowledged, archives=archives)

    async def _below(self) -> Path:
        into = self.into / "store"
        match self.store:
            case Path() as root:
                return root
            case Bucket() as bucket:
                return await copied(bucket, into)
            case address:
                return await mirror(address, into)


def opening(settings: Settings, pool: Pool, fork_server: ForkServer, inspect: CopiedOracle) -> OpenRuntime:
    """Return what opens the services; when they are closed, the oracle inspects copies of the buckets."""

    @asynccontextmanager
    async def opened_here() -> AsyncIterator[Runtime]:
        async with (
            pool.lend(inspect.database, database_options(settings)) as db,
            open_services(settings, db, fork_server) as opened,
        ):
            yield opened
        await end_old_zygotes(fork_server)
        violations = await inspect()
        assert not violations, "\n".join(violations)

    return opened_here


def _join_pieces(root: Path, key: str) -> None:
    """Put the pieces that follow each other from the first byte on where their object will be, if it is not there.

    Whatever else lies among pieces is nobody's, and stays for the oracle to find.
    """
    folder, path = root / PIECES / key, root / key
    if not folder.is_dir():
        return
    content = b""
    for piece in sorted(folder.iterdir()):
        if int(piece.name.partition(".")[0]) == len(content):
            content += piece.read_bytes()
    shutil.rmtree(folder)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
