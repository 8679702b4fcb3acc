"""Old runs and archives on disk, as other tools, or an earlier life of this service, left them."""

import hashlib
import io
import os
import tarfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from media_analysis.archive.format.compression import Compression
from media_analysis.archive.format.manifest import ManifestFile, ManifestHead, ManifestWriter, manifest_name
from media_analysis.archive.format.packing import Packer

JPEG: Final = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40
CONTENTS: Final[Mapping[str, bytes]] = {
    "frames/frame-1.jpg": JPEG,
    "frames/frame-2.jpg": JPEG[::-1],
    "contact-sheets/sheet.png": b"\x89PNG\r\n\x1a\n" + b"sheet" * 100,
    "logs/run.log": b"a line\n" * 500,
    "result.json": b'{"scenes": [1, 2, 3]}',
}
CATEGORIES: Final = {
    "frame-1.jpg": "frames",
    "frame-2.jpg": "frames",
    "sheet.png": "contact_sheets",
    "run.log": "outputs",
    "result.json": "outputs",
}
SUFFIXES: Final = {
    Compression.GZIP: ("w:gz", "tar.gz"),
    Compression.BZ2: ("w:bz2", "tar.bz2"),
    Compression.XZ: ("w:xz", "tar.xz"),
}
"""What the standard library packs."""


def days_ago(days: float) -> datetime:
    return (datetime.now(UTC) - timedelta(days=days)).replace(microsecond=0)


def stamped(at: datetime, run_id: UUID | None = None) -> str:
    """Return the folder name of a run."""
    return f"{at:%Y%m%d_%H%M%S}_{run_id or uuid4()}"


def id_of(folder_name: str) -> UUID:
    return UUID(folder_name[-36:])


def date(path: Path, at: datetime) -> None:
    os.utime(path, (at.timestamp(), at.timestamp()))


def make_folder(folder: Path, at: datetime, contents: Mapping[str, bytes] = CONTENTS) -> Path:
    """Write the files of a run, a second apart."""
    for number, (name, content) in enumerate(contents.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        date(path, at + timedelta(seconds=number))
    return folder


def write_archive(tree: Path, name: str, raw: bytes, at: datetime, *, below: str = "archives") -> Path:
    """Put an archive into the folder of its month."""
    path = tree / below / f"{at:%Y/%m}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    date(path, at)
    return path


def tarred(top: str, contents: Mapping[str, bytes] = CONTENTS, mode: Any = "w:gz") -> bytes:
    """Return an archive as tar makes it, with folders and all."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        folder = tarfile.TarInfo(top)
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in contents.items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def described(contents: Mapping[str, bytes], at: datetime, **about: Any) -> list[ManifestFile]:
    """Return what a manifest says of files whose paths begin with their category."""
    facts = {
        "parent_id": None,
        "role": None,
        "ordinal": None,
        "instant_seconds": None,
        "created_at": at,
        "stored_at": at,
        "expires_at": None,
        "expiry_explicit": False,
        "min_retain_until": None,
        "labels": {"camera": "north"},
        "media_type": "image/jpeg",
        **about,
    }
    return [
        ManifestFile(
            id=facts.get("id") or uuid7(),
            name=name,
            filename=name.rpartition("/")[2],
            category=facts.get("category") or name.partition("/")[0],
            size_bytes=len(content),
            sha256=hashlib.sha256(content).digest(),
            **{key: value for key, value in facts.items() if key not in {"id", "category"}},
        )
        for name, content in contents.items()
    ]


def job_facts(folder_name: str, at: datetime, **about: Any) -> dict[str, Any]:
    """Return what a manifest says of its run."""
    return {
        "id": str(id_of(folder_name)),
        "owner": "somebody",
        "name": "an old run",
        "kind": "probe",
        "parameters": {"every": 2.5},
        "status": "completed",
        "priority": 0,
        "attempts": 1,
        "error_code": None,
        "error": None,
        "folder_name": folder_name,
        "category": "outputs",
        "warnings": [],
        "produced": {"frames": {"files": 2, "size_bytes": 10}},
        "created_at": at.isoformat(),
        "started_at": None,
        "completed_at": at.isoformat(),
        **about,
    }


OURS: Final[Mapping[str, bytes]] = {"frames/a.jpg": JPEG, "outputs/notes.txt": b"some notes\n" * 200}


def packed(
    folder_name: str,
    at: datetime,
    contents: Mapping[str, bytes] = OURS,
    *,
    files: Sequence[ManifestFile] | None = None,
    segment: int = 0,
    compression: Compression = Compression.GZIP,
    results: Sequence[Mapping[str, Any]] = (),
    job: Mapping[str, Any] | None = None,
    size_bytes: int | None = None,
) -> bytes:
    """Return an archive as our packer makes it."""
    told = described(contents, at) if files is None else files
    manifest = io.BytesIO()
    writer = ManifestWriter(manifest)
    writer.begin(
        ManifestHead(
            folder_name=folder_name,
            segment=segment,
            compression=compression.value,
            packed_at=at,
            files=len(told),
            size_bytes=sum(file.size_bytes for file in told) if size_bytes is None else size_bytes,
            job=job_facts(folder_name, at) if job is None else job,
            sources=[UUID(int=7)],
        )
    )
    for file in told:
        writer.add_file(file)
    for result in results:
        writer.add_result(result)
    writer.end()
    manifest_bytes = manifest.tell()
    manifest.seek(0)
    packed = io.BytesIO()
    packer = Packer(compression, folder_name, packed.write)
    packer.add_manifest(manifest_name(segment), manifest, manifest_bytes)
    for file, content in zip(told, contents.values(), strict=True):
        packer.add_file(file, io.BytesIO(content))
    packer.finish()
    return packed.getvalue()
