"""One large object on its way into a bucket, in a thread of its own that no cancelled task can leave half done."""

import asyncio
import hashlib
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import Final

from media_analysis.errors import StoreUnavailable
from media_analysis.failpoints import failpoint
from media_analysis.storage.calls import uncancelled
from media_analysis.storage.remote.bucket import Bucket, require_free

_Given = tuple[Sequence[bytes], Future[None]]
_END: Final = None


class Abandoned(Exception):
    """Nobody wants the object any more: raised where obstore takes its bytes from, it ends the multipart."""


class Streams:
    """Those of one bucket that are on their way."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._open: set[Stream] = set()

    def begin(self, key: str, *, part_bytes: int) -> "Stream":
        stream = Stream(self._bucket, key, part_bytes)
        self._open.add(stream)
        stream.done.add_done_callback(lambda _: self._open.discard(stream))
        return stream

    def close(self, *, within_seconds: float) -> None:
        """Abandon those that are not finished, and wait until nothing of them is left, within reason."""
        streams = list(self._open)
        for stream in streams:
            stream.abort()
        wait([stream.done for stream in streams], timeout=within_seconds)


class Stream:
    """Takes bytes as fast as the bucket does, hashes them, and is an object once it is finished.

    The parts of one that is abandoned are gone when `done` is; one whose process was killed leaves them to
    `abandoned uploads`. A name that was taken is found before the last request, not by it: what is put there between
    the two, by whoever has the same key, is overwritten.
    """

    def __init__(self, bucket: Bucket, key: str, part_bytes: int) -> None:
        self.key = key
        self._part_bytes = part_bytes
        self.done: Future[bytes] = Future()
        self._bucket = bucket
        self._given: SimpleQueue[_Given | None] = SimpleQueue()
        self._abandoned = threading.Event()
        self._ending = threading.Lock()
        self._is_over = False
        threading.Thread(target=self._work, name="stream", daemon=True).start()

    def give(self, pieces: Sequence[bytes]) -> Future[None]:
        """Hand over bytes that stay as they are; what is returned is done when they were taken, or never will be."""
        taken: Future[None] = Future()
        with self._ending:
            if self._is_over:
                taken.set_result(None)  # why is said by `done`
            else:
                self._given.put((pieces, taken))
        return taken

    async def finish(self) -> bytes:
        """Return the SHA-256 once the object stands, whole; raise why it does not."""
        self._given.put(_END)
        return await uncancelled(asyncio.wrap_future(self.done))

    def abort(self) -> None:
        """Let nothing come of it, unless it is finished; does not wait."""
        self._abandoned.set()
        self._given.put(_END)

    def _work(self) -> None:
        running = hashlib.sha256()
        pieces = self._pieces(running)
        try:
            self._bucket.put_here(self.key, pieces, part_bytes=self._part_bytes)
            failpoint("remote.completed")
        except Abandoned:
            self._end(StoreUnavailable("the object was closed while it was written"))
        except BaseException as error:  # noqa: BLE001 - whoever waits for it is told
            self._end(error)
        else:
            self._end(None, running.digest())
        finally:
            pieces.close()

    def _end(self, error: BaseException | None, digest: bytes = b"") -> None:
        with self._ending:
            self._is_over = True
            while not self._given.empty():
                if (item := self._given.get()) is not _END:
                    item[1].set_result(None)
        if error is None:
            self.done.set_result(digest)
        else:
            self.done.set_exception(error)

    def _pieces(self, running: "hashlib._Hash") -> Generator[bytes, None, None]:
        while (item := self._given.get()) is not _END:
            pieces, taken = item
            try:
                for piece in pieces:
                    self._require_wanted()
                    running.update(piece)
                    yield piece
            finally:
                taken.set_result(None)
        self._require_wanted()
        failpoint("remote.completing")
        require_free(self._bucket, self.key)

    def _require_wanted(self) -> None:
        if self._abandoned.is_set():
            raise Abandoned
