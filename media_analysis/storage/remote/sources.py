"""Objects of a bucket that is none of ours: read to the end, and only if nobody changed them on the way."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final, cast

from media_analysis.errors import ObjectDamaged, SourceChanged, StoreUnavailable
from media_analysis.storage.entries import Entry
from media_analysis.storage.remote.bucket import Bucket
from media_analysis.storage.remote.reading import RemoteFile
from media_analysis.storage.sources import CHUNK_BYTES

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_SECOND_NS: Final = 10**9


def is_same_object(headed: Entry, listed: Entry) -> bool:
    """Say whether an object is the one of a listing, which tells parts of seconds where a head tells none."""
    is_as_old = abs(headed.modified_ns - listed.modified_ns) < _SECOND_NS
    has_its_tag = None in {headed.tag, listed.tag} or headed.tag == listed.tag
    return headed.size_bytes == listed.size_bytes and is_as_old and has_its_tag


class RemoteSource:
    """One object as a listing told of it; every method blocks and is called in a thread."""

    def __init__(self, bucket: Bucket, entry: Entry) -> None:
        self._bucket = bucket
        self._entry = entry
        self._file = _SourceObject(bucket, entry.name, entry.size_bytes)
        self._tag: str | None = None

    def read(self) -> bytes:
        """Return the next bytes, none at the end.

        Raises:
            SourceChanged, ObjectMissing, OSError: as the names say.

        """
        return self._file.read(CHUNK_BYTES) or b""

    def require_unchanged(self) -> None:
        """Fail unless it is what the listing told, and what it was when this was asked first.

        Raises:
            SourceChanged, ObjectMissing, OSError: as the names say.

        """
        with _reading():
            entry = self._bucket.head_here(self._entry.name)
        if not is_same_object(entry, self._entry) or self._tag not in {None, entry.tag}:
            raise SourceChanged
        self._tag = entry.tag

    def opened(self) -> IO[bytes]:
        """Return it as a file, to look at places of it; a small one is not asked for again."""
        return cast("IO[bytes]", self._file)

    def close(self) -> None:
        self._file.close()


class _SourceObject(RemoteFile):
    """Fails as a source does."""

    def readinto(self, target: "WriteableBuffer", /) -> int:
        with _reading():
            return super().readinto(target)


@contextmanager
def _reading() -> Iterator[None]:
    """Tell what fails of an object apart from what fails of the store it is written to."""
    try:
        yield
    except ObjectDamaged:
        raise SourceChanged from None
    except StoreUnavailable as error:
        raise OSError(error.reason) from None
