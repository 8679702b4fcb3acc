"""New objects whose bytes are all here: written, hashed and synced together."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from media_analysis.errors import ObjectMissing
from media_analysis.storage.calls import translate
from media_analysis.storage.directories import sync_directory
from media_analysis.storage.writing import DiskWriter


def write_whole(written: Sequence[tuple[DiskWriter, bytes]]) -> Sequence[bytes | Exception]:
    """Write, hash, sync and close new objects; their names are durable after `sync_names`.

    All are written before the first is synced, so that the file system commits many of them at once.
    """
    failed = [_failure_of(writer, content) for writer, content in written]
    return [error or writer.sync_whole(content) for (writer, content), error in zip(written, failed, strict=True)]


def _failure_of(writer: DiskWriter, content: bytes) -> Exception | None:
    try:
        writer.put_whole(content)
    except Exception as error:  # noqa: BLE001 - the others of its group are written all the same
        writer.close()
        return error
    return None


def sync_names(paths: Iterable[Path]) -> Mapping[Path, Exception]:
    """Make the names of objects durable, each folder once; return why that was not possible, by folder."""
    failed: dict[Path, Exception] = {}
    for folder in {path.parent for path in paths}:
        try:
            sync_directory(folder)
        except FileNotFoundError:
            failed[folder] = ObjectMissing(folder.name)
        except OSError as error:
            failed[folder] = translate(error)
    return failed
