"""The oracle of a bucket: it inspects a copy of what lies there."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from media_analysis.storage.remote.address import RemoteAddress
from tests.conftest import fetch
from tests.oracle import inspect_everything
from tests.s3 import mirror


@dataclass(frozen=True)
class CopiedOracle:
    """Inspects a copy of what lies below an address; pieces of what is being uploaded are their upload's."""

    database: str
    address: RemoteAddress
    into: Path

    async def __call__(self, *, acknowledged: Mapping[str, str]) -> list[str]:
        shutil.rmtree(self.into, ignore_errors=True)
        root = await mirror(self.address, self.into)
        pending = {
            row["key"] for row in await fetch(self.database, "SELECT key FROM media_files WHERE state = 'pending'")
        }
        stray = [path for path in (root / ".uploads").rglob("*") if path.is_file() and not self._is_of(path, pending)]
        shutil.rmtree(root / ".uploads", ignore_errors=True)
        violations = await inspect_everything(self.database, root, acknowledged=acknowledged)
        return [*violations, *(f"promise 2: {path} is a piece of nothing" for path in stray)]

    def _is_of(self, path: Path, pending: set[str]) -> bool:
        return str(path.parent.relative_to(self.into / ".uploads")) in pending
