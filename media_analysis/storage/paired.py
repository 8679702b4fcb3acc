"""Two stores as one: archives in a store of their own, everything else in the other."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final, TypeVar
from uuid import UUID

from media_analysis.storage.calls import Held, unheld
from media_analysis.storage.category import Category
from media_analysis.storage.entries import Entry
from media_analysis.storage.places import ARCHIVES
from media_analysis.storage.presented import Presented
from media_analysis.storage.store import (
    Capacity,
    DeleteOutcome,
    ObjectReader,
    ObjectStore,
    ObjectWriter,
    Running,
)

_ARCHIVE_KEYS: Final = f"{ARCHIVES}/"
Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class PairedStore:
    """Routes by key, so that what moves between the two keeps the key it has.

    Nothing is looked for in both: an archive that was not moved along when theirs was named is missing, and `verify`
    says which. No original goes while the store of the archives that replaced it is away.
    """

    main: ObjectStore
    archives: ObjectStore

    @property
    def instance_id(self) -> UUID:
        return self.main.instance_id

    def late_writes(self, key: str) -> timedelta | None:
        return self._holder(key).late_writes(key)

    def keeps_versions(self, key: str) -> bool:
        return self._holder(key).keeps_versions(key)

    def names_first(self, key: str) -> bool:
        return self._holder(key).names_first(key)

    @property
    def keeps_what_is_open(self) -> bool:
        return self.main.keeps_what_is_open and self.archives.keeps_what_is_open

    @property
    def largest_bytes(self) -> int | None:
        return self.main.largest_bytes

    def where(self, key: str) -> str:
        return self._holder(key).where(key)

    def sign_address(self, key: str, presented: Presented, *, ends_at: datetime) -> str | None:
        return self._holder(key).sign_address(key, presented, ends_at=ends_at)

    def categories_beside(self, key: str) -> Sequence[Category]:
        apart = self._holder(key) is self.archives
        return [category for category in Category if (category is Category.ARCHIVES) == apart]

    def close(self) -> None:
        self.main.close()
        self.archives.close()

    async def warnings(self) -> Sequence[str]:
        return [*await self.main.warnings(), *await self.archives.warnings()]

    async def require_marker(self) -> None:
        await self.main.require_marker()
        await self.archives.require_marker()

    async def require_writable(self) -> None:
        await self.main.require_writable()
        await self.archives.require_writable()

    async def create_many(self, keys: Sequence[str]) -> Sequence[ObjectWriter | Exception]:
        made: list[ObjectWriter | Exception] = []

        async def create(store: ObjectStore, some: Sequence[str]) -> Sequence[ObjectWriter | Exception]:
            writers = await store.create_many(some)
            made.extend(writers)
            return writers

        try:
            return await self._each(keys, str, create)
        except BaseException:  # of the other store: nobody gets the writers of this one
            for writer in made:
                if not isinstance(writer, Exception):
                    writer.close()
            raise

    async def put_many(
        self, objects: Sequence[tuple[str, bytes]], *, leaving_bytes: int
    ) -> Sequence[bytes | Exception]:
        return await self._each(objects, _first, lambda store, some: store.put_many(some, leaving_bytes=leaving_bytes))

    async def resume(self, key: str, *, size_bytes: int, running: Running | None, fence: int = 0) -> ObjectWriter:
        return await self._holder(key).resume(key, size_bytes=size_bytes, running=running, fence=fence)

    async def write_many(self, written: Sequence[tuple[ObjectWriter, bytes]]) -> Sequence[bytes | Exception]:
        return await self._each(written, _key_of_writer, lambda store, some: store.write_many(some))

    async def open(self, key: str, *, size_bytes: int | None) -> ObjectReader:
        return await self._holder(key).open(key, size_bytes=size_bytes)

    async def require(self, key: str, *, size_bytes: int) -> None:
        await self._holder(key).require(key, size_bytes=size_bytes)

    async def read(self, key: str, *, size_bytes: int) -> bytes:
        return await self._holder(key).read(key, size_bytes=size_bytes)

    def open_file(self, key: str, *, size_bytes: int | None) -> BinaryIO:
        return self._holder(key).open_file(key, size_bytes=size_bytes)

    @asynccontextmanager
    async def local_copies(self, objects: Sequence[tuple[str, int]]) -> AsyncIterator[Sequence[Path]]:
        # Everybody borrows of the one before the other, so that nobody waits for who waits for them.
        async with AsyncExitStack() as lent:

            async def lend(store: ObjectStore, some: Sequence[tuple[str, int]]) -> Sequence[Path]:
                return await lent.enter_async_context(store.local_copies(some))

            yield await self._each(objects, _first, lend)

    async def delete_many(self, keys: Sequence[str], *, overwrite: bool = False) -> DeleteOutcome:
        await self.archives.require_marker()
        failed: dict[str, str] = {}
        for store, some in self._shares(keys, str):
            failed |= (await store.delete_many(some, overwrite=overwrite)).failed
        return DeleteOutcome([key for key in keys if key not in failed] if failed else keys, failed)

    async def set_aside(self, keys: Sequence[str], *, day: date, require_held: Held = unheld) -> Mapping[str, str]:
        await self.require_marker()
        moved: dict[str, str] = {}
        for store, some in self._shares(keys, str):
            moved |= await store.set_aside(some, day=day, require_held=require_held)
        return moved

    async def look_up(self, keys: Sequence[str]) -> Sequence[Entry | None]:
        return await self._each(keys, str, lambda store, some: store.look_up(some))

    async def walk(self, at_once: int) -> AsyncIterator[Sequence[Entry]]:
        for store in (self.main, self.archives):
            async for batch in store.walk(at_once):
                yield [entry if self._holder(entry.name) is store else _misplaced(entry) for entry in batch]

    async def list_quarantine_days(self) -> Sequence[date]:
        days = {*await self.main.list_quarantine_days(), *await self.archives.list_quarantine_days()}
        return sorted(days)

    async def walk_quarantine(self, day: date, at_once: int) -> AsyncIterator[Sequence[Entry]]:
        for store in (self.main, self.archives):
            async for batch in store.walk_quarantine(day, at_once):
                yield batch

    async def delete_set_aside(self, places: Sequence[str]) -> DeleteOutcome:
        # In both: archives may have got a store of their own since.
        failed = (await self.main.delete_set_aside(places)).failed
        failed |= (await self.archives.delete_set_aside(places)).failed
        return DeleteOutcome([place for place in places if place not in failed], failed)

    async def end_quarantine_day(self, day: date) -> None:
        await self.main.end_quarantine_day(day)
        await self.archives.end_quarantine_day(day)

    async def abandoned(self, before: datetime) -> AsyncIterator[Sequence[str]]:
        for store in (self.main, self.archives):
            async for keys in store.abandoned(before):
                yield keys

    async def abort(self, keys: Sequence[str]) -> DeleteOutcome:
        outcomes = [await store.abort(some) for store, some in self._shares(keys, str)]
        gone = [key for outcome in outcomes for key in outcome.gone]
        return DeleteOutcome(gone, {key: why for outcome in outcomes for key, why in outcome.failed.items()})

    async def capacity(self, key: str = "") -> Capacity:
        return await self._holder(key).capacity(key)

    def _holder(self, key: str) -> ObjectStore:
        return self.archives if key.startswith(_ARCHIVE_KEYS) else self.main

    def _shares(
        self, items: Sequence[Item], key_of: Callable[[Item], str]
    ) -> Sequence[tuple[ObjectStore, Sequence[Item]]]:
        """Return what of the items each store has, the same sequence where one has them all."""
        archived = [item for item in items if self._holder(key_of(item)) is self.archives]
        if not archived:
            return [(self.main, items)]
        others = [item for item in items if self._holder(key_of(item)) is self.main]
        return [*([(self.main, others)] if others else []), (self.archives, archived)]

    async def _each(
        self,
        items: Sequence[Item],
        key_of: Callable[[Item], str],
        ask: Callable[[ObjectStore, Sequence[Item]], Awaitable[Sequence[Answer]]],
    ) -> Sequence[Answer]:
        """Ask each store about its items, and return the answers in the order of all."""
        shares = self._shares(items, key_of)
        if len(shares) == 1:
            return await ask(*shares[0])
        answers = {id(store): iter(await ask(store, some)) for store, some in shares}
        return [next(answers[id(self._holder(key_of(item)))]) for item in items]


def _first(item: tuple[str, object]) -> str:
    return item[0]


def _key_of_writer(item: tuple[ObjectWriter, bytes]) -> str:
    return item[0].key


def _misplaced(entry: Entry) -> Entry:
    return replace(entry, is_misplaced=True)
