"""Which archives are whole: what the oracle knows of promises 18 to 20, by other means than the service's own."""

import hashlib
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import asyncpg

if sys.version_info >= (3, 14):
    import tarfile
else:
    from backports.zstd import tarfile

Rows = list[asyncpg.Record]
PathOf = Callable[[str], Path]


def find_lost_originals(tombstones: Rows, copies: Rows, files: Rows, jobs: Rows, path_of: PathOf) -> Iterator[str]:
    """Promises 18 and 19: what went into an archive is there, byte for byte, unless the run or the archive went too."""
    segments = {row["id"]: row for row in files if row["role"] == "archive" and row["state"] != "pending"}
    known = {row["file_id"]: row for row in copies}
    kept = {row["id"] for row in jobs if row["archived_at"] is not None and row["deleted_at"] is None}
    wanted: dict[UUID, dict[bytes, UUID]] = defaultdict(dict)
    for stone in tombstones:
        if stone["rule"] != "archived" or stone["category"] == "archives" or stone["job_id"] not in kept:
            continue
        copy = known.get(stone["id"])
        if copy is None or copy["archive_id"] not in segments:
            if not any(other["id"] == (copy or {}).get("archive_id") for other in tombstones):
                yield f"promise 18: {stone['id']} was archived and no archive has it"
        else:
            wanted[copy["archive_id"]][stone["sha256"]] = stone["id"]
    for archive_id, hashes in wanted.items():
        held = hashes.keys() & _hashes_in(path_of(segments[archive_id]["key"]))
        for lost in hashes.keys() - held:
            yield f"promise 18: the archive {archive_id} holds no bytes of {hashes[lost]}"


def find_empty_shells(copies: Rows, files: Rows, jobs: Rows) -> Iterator[str]:
    """Promise 20: an archived run that lives, or may still leave the trash, has an archive with all of its files."""
    present = {row["id"] for row in files}
    kept = {
        row["id"]
        for row in jobs
        if row["archived_at"] is not None and (row["deleted_at"] is None or row["restorable_until"] is not None)
    }
    for copy in copies:
        if copy["job_id"] in kept and not present & {copy["file_id"], copy["archive_id"]}:
            yield f"promise 20: {copy['file_id']} of the run {copy['job_id']} can be restored from nowhere"


def _hashes_in(path: Path) -> set[bytes]:
    with tarfile.open(path) as tar:
        opened = (tar.extractfile(member) for member in tar)
        return {hashlib.sha256(content.read()).digest() for content in opened if content is not None}
