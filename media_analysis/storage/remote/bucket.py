"""The objects below an address, one request each: the edge at which a driver's errors become our own."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError

from media_analysis.errors import ObjectDamaged, ObjectMissing, StoreUnavailable
from media_analysis.storage.calls import each, uncancelled
from media_analysis.storage.entries import Entry, EntryKind
from media_analysis.storage.remote.address import Provider, RemoteAddress
from media_analysis.storage.remote.clients import RemoteOptions, open_client
from media_analysis.storage.remote.failures import is_absent, nothing_there, translate, translated
from media_analysis.storage.remote.listing import list_objects, tag_of
from media_analysis.storage.remote.names import is_path
from media_analysis.storage.remote.signing import S3Requests
from media_analysis.storage.store import Piece
from media_analysis.tracing import traced

Item = TypeVar("Item")
Value = TypeVar("Value")
LONGEST_KEY_BYTES: Final = 1024
"""What S3 and Google take as a key; others may take more."""
MOST_PARTS: Final = 10_000
PART_UPLOADS: Final = 2
"""How many parts of an object are on their way at once; beside them a writer holds what it is given next."""
PAGE: Final = 1_000
"""What a listing holds at once."""
_THREADS: Final = 16
"""How many objects are put together, or hashed, at once."""
_ONE_OF_MANY: Final = ("request failed for key", "<DeleteResult")
"""What obstore says when a bulk deletion was answered, and a key in it did not go; the answer where that may pass."""


class Bucket:
    """Asks for one object, or one page of a listing, at a time; keys are relative to the address."""

    def __init__(self, address: RemoteAddress, options: RemoteOptions) -> None:
        self.address = address
        self.options = options
        self.requests = S3Requests.to(address, options)
        """What obstore has no words for; None where that is not S3, or where its keys are not told."""
        self._is_closed = False
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="bucket")
        # Where obstore takes the bytes of an object from, it takes no other calls.
        self._callers = ThreadPoolExecutor(_THREADS, thread_name_prefix="bucket-calls")
        self._quick = open_client(address, options, timeout_seconds=options.request_seconds)
        self._long = open_client(address, options, timeout_seconds=options.transfer_seconds)
        # Who sends hears nothing until all is sent; who reads hears something all the time.
        self._reading = open_client(
            address, options, timeout_seconds=options.transfer_seconds, silent_seconds=options.request_seconds
        )

    def takes(self, key: str) -> bool:
        """Say whether every provider takes such a name."""
        return is_path(key) and len(self.address.full_key(key).encode()) <= LONGEST_KEY_BYTES

    @property
    def largest_bytes(self) -> int:
        """How large an object may be that is put in parts, unless it was expected to be larger."""
        return self.most_bytes_in(self.options.part_bytes)

    def most_bytes_in(self, part_bytes: int) -> int:
        """Return how large an object may be whose parts have so many bytes."""
        return MOST_PARTS * part_bytes

    def part_bytes_for(self, size_bytes: int) -> int:
        """Return of how many bytes the parts are of an object that may turn out a quarter larger than so many."""
        return max(self.options.part_bytes, -(-size_bytes * 5 // (MOST_PARTS * 4)))

    @traced("bucket head")
    async def head(self, key: str) -> Entry:
        """Return what stands at a key.

        Raises:
            ObjectMissing, StoreUnavailable: nothing does, or it cannot be asked.

        """
        with translated(key):
            return _entry(await obstore.head_async(self._quick, key), key)

    def head_here(self, key: str) -> Entry:
        """Do what `head` does, from a thread."""
        with translated(key):
            return _entry(self._here(obstore.head, self._quick, key), key)

    async def find(self, key: str) -> Entry:
        """Do what `head` does; a bucket that is gone is told from an object that is, for which S3 needs a body."""
        try:
            return await self.head(key)
        except ObjectMissing:
            await self.get(key, 0, 1)
            return await self.head(key)

    def find_here(self, key: str) -> Entry:
        """Do what `find` does, from a thread."""
        try:
            return self.head_here(key)
        except ObjectMissing:
            self.get_here(key, 0, 1)
            return self.head_here(key)

    @traced("bucket get")
    async def get(self, key: str, start: int, end: int) -> memoryview:
        """Return the bytes of a range that is not empty, fewer where the object ends before.

        Raises:
            ObjectMissing, StoreUnavailable: there are none.

        """
        with translated(key):
            try:
                return memoryview(await obstore.get_range_async(self._reading, key, start=start, end=end))
            except BaseError as error:
                return nothing_there(error)

    async def stream(self, key: str, start: int, end: int, piece_bytes: int) -> AsyncGenerator[memoryview]:
        """Yield the bytes of a range as they come, in pieces of at least so many but for the last.

        Raises:
            ObjectMissing, StoreUnavailable: there are none, or no more.

        """
        with translated(key):
            try:
                found = await self._ask(key, start, end)
            except BaseError as error:
                nothing_there(error)
                return
            async for piece in found.stream(min_chunk_size=piece_bytes):
                yield memoryview(piece)

    @traced("bucket get")
    async def _ask(self, key: str, start: int, end: int) -> "obstore.GetResult":
        return await obstore.get_async(self._reading, key, options={"range": (start, end)})

    def get_here(self, key: str, start: int, end: int) -> memoryview:
        """Do what `get` does, from a thread."""
        with translated(key):
            try:
                return memoryview(self._here(obstore.get_range, self._reading, key, start=start, end=end))
            except BaseError as error:
                return nothing_there(error)

    def _here(self, ask: Callable[..., Value], *about: object, **how: object) -> Value:
        self.require_open()
        return self._callers.submit(ask, *about, **how).result()

    @traced("bucket create")
    async def create(self, key: str, content: Piece | Sequence[Piece]) -> bool:
        """Put an object whole unless its name is taken; say whether it was put. It ends even if cancelled.

        Raises:
            DiskFull, StoreUnavailable: nobody knows whether it was.

        """
        with translated(key):
            try:
                putting = obstore.put_async(self._long, key, content, mode="create", use_multipart=False)
                await uncancelled(asyncio.ensure_future(putting))
            except AlreadyExistsError:
                return False
            return True

    def put_here(self, key: str, pieces: Iterable[Piece], *, at_once: int = PART_UPLOADS, part_bytes: int = 0) -> None:
        """Put an object in parts from a thread, over whatever is there; what iterating raises leaves nothing.

        Of the parts, so many are on their way at once, and one more is held that is filled meanwhile.
        """
        with translated(key):
            obstore.put(
                self._long,
                key,
                iter(pieces),
                use_multipart=True,
                chunk_size=part_bytes or self.options.part_bytes,
                max_concurrency=at_once,
            )

    @traced("bucket overwrite")
    async def overwrite(self, key: str, content: bytes) -> str | None:
        """Put a small object whatever is there, and return what version of it this is; it ends even if cancelled."""
        with translated(key):
            putting = asyncio.ensure_future(obstore.put_async(self._quick, key, content))
            return (await uncancelled(putting))["version"]

    @traced("bucket copy")
    async def copy(self, source: str, target: str) -> None:
        """Copy an object within the bucket, of at most 5 GiB on S3; it ends even if cancelled."""
        with translated(source):
            await uncancelled(asyncio.ensure_future(obstore.copy_async(self._long, source, target)))

    @traced("bucket delete")
    async def delete(self, keys: Sequence[str]) -> bool:
        """Delete objects by one request where the provider can; say whether all are gone. It ends even if cancelled.

        Raises:
            StoreUnavailable: the only one is not, or nobody knows of any.

        """
        try:
            await uncancelled(asyncio.ensure_future(obstore.delete_async(self._quick, keys)))
        except FileNotFoundError as error:
            if len(keys) > 1:
                return False
            if not is_absent(error):
                raise translate(error) from None
        except BaseError as error:
            told = str(error)
            was_answered = any(said in told for said in _ONE_OF_MANY) or self.address.provider is not Provider.S3
            if len(keys) > 1 and was_answered:
                return False
            raise translate(error) from None
        return True

    async def pages(self, folder: str = "", *, at_once: int = PAGE, after: str = "") -> AsyncGenerator[Sequence[Entry]]:
        """Yield what lies below a folder, by names in the order of their bytes; memory stays flat.

        What comes before a name, `after`, is left out where that saves asking for it.
        """
        if self.requests is not None:
            async for found in list_objects(self.requests, self.address, folder, at_once=at_once, after=after):
                yield found
            return
        listing = obstore.list(self._quick, folder or None, chunk_size=at_once)
        while True:
            with translated(folder):
                page = await anext(listing, None)
            if not page:
                return
            yield [_entry(found, found["path"]) for found in page]

    async def folders(self, folder: str) -> Sequence[str]:
        """Return the names of the folders that lie right below one."""
        with translated(folder):
            found = await obstore.list_with_delimiter_async(self._quick, folder)
        return [path.rpartition("/")[2] for path in found["common_prefixes"]]

    async def in_thread(self, work: Callable[[], Value]) -> Value:
        """Return what blocking work comes to, waited for however often cancelled."""
        return await uncancelled(asyncio.get_running_loop().run_in_executor(self.threads, work))

    async def each(self, work: Callable[[Item], Awaitable[Value]], items: Sequence[Item]) -> Sequence[Value]:
        """Return what comes of each item in order, of as many at once as the options allow; the first error ends it."""
        return await each(work, items, at_once=self.options.concurrency)

    def require_open(self) -> None:
        """Fail if the store was closed: what works in a thread ends.

        Raises:
            StoreUnavailable: it was.

        """
        if self._is_closed:
            raise StoreUnavailable("the store was closed")

    def close(self) -> None:
        """Let what works in threads end at its next request."""
        self._is_closed = True
        self.threads.shutdown(wait=False, cancel_futures=True)
        self._callers.shutdown(wait=False)


def require_size(entry: Entry, key: str, size_bytes: int | None) -> Entry:
    """Fail unless an object has the size its row says.

    Raises:
        ObjectDamaged: it has not.

    """
    if size_bytes is not None and entry.size_bytes != size_bytes:
        raise ObjectDamaged(key, f"size is {entry.size_bytes}, not {size_bytes}")
    return entry


def _entry(found: "obstore.ObjectMeta", key: str) -> Entry:
    modified_ns = int(found["last_modified"].timestamp() * 1e9)
    return Entry(key, EntryKind.FILE, found["size"], modified_ns, tag=tag_of(found["e_tag"]))


def require_free(bucket: Bucket, key: str) -> None:
    """Fail if an object has a name already, from a thread.

    Raises:
        StoreUnavailable: it has.

    """
    try:
        bucket.head_here(key)
    except ObjectMissing:
        return
    raise StoreUnavailable("the name is taken")
