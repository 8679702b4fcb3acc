"""What uploads may take."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BufferedReader, BytesIO, RawIOBase
from typing import Self, cast

from media_analysis.errors import MediaTypeNotAccepted, ObjectMissing, UploadLeaseLost
from media_analysis.files.upload.bodies import Pace
from media_analysis.files.upload.pending import Registration
from media_analysis.media.types.known import family_of, with_family
from media_analysis.media.types.sniff import HEAD_BYTES, Sniffed, sniff_file
from media_analysis.settings.storage import StorageSettings
from media_analysis.storage.calls import translated_errors
from media_analysis.storage.category import Category
from media_analysis.storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What the categories take."""

    patterns: Mapping[Category, tuple[str, ...]] = field(default_factory=dict)
    """Media types or patterns such as `image/*`; a category without any takes everything."""

    def guess(self, head: bytes, *, declared: str | None) -> str:
        """Return what something seems to be that begins like this, whoever takes it."""
        return sniff_file(BytesIO(head), declared=declared).media_type

    def judge_head(self, category: Category, head: bytes, *, declared: str | None) -> Sniffed:
        """Return what an upload is that begins like this.

        Raises:
            MediaTypeNotAccepted: whatever follows, its category does not take it.

        """
        found = sniff_file(BytesIO(head), declared=declared)
        found = found._replace(is_certain=found.is_certain or len(head) < HEAD_BYTES)
        possible = {found.media_type}
        if not found.is_certain:
            possible |= {with_family(found.media_type, moves=moves) for moves in (True, False)}
        self._require(category, found.media_type, possible)
        return found

    def judge_whole(self, category: Category, content: bytes, *, declared: str | None) -> str:
        """Return what an upload is of which these are all the bytes.

        Raises:
            MediaTypeNotAccepted: its category does not take it.

        """
        media_type = sniff_file(BytesIO(content), declared=declared).media_type
        self._require(category, media_type, {media_type})
        return media_type

    async def judge_object(self, store: ObjectStore, asked: Registration, *, declared: str | None) -> str:
        """Return what the bytes are that came for a registration.

        Raises:
            MediaTypeNotAccepted: its category does not take it.
            UploadLeaseLost: only the sweep removes names.

        """
        with translated_errors():
            try:
                media_type = await asyncio.to_thread(_type_of, store, asked.key, declared)
            except ObjectMissing as error:
                raise UploadLeaseLost(asked.id) from error
        self._require(asked.category, media_type, {media_type})
        return media_type

    def _require(self, category: Category, media_type: str, possible: set[str]) -> None:
        accepted = self.patterns.get(category, ())
        allowed = {"*/*", *possible, *(f"{family_of(each)}/*" for each in possible)}
        if accepted and not allowed & set(accepted):
            raise MediaTypeNotAccepted(media_type, category=category.value, accepted=accepted)


def _type_of(store: ObjectStore, key: str, declared: str | None) -> str:
    with BufferedReader(cast("RawIOBase", store.open_file(key, size_bytes=None))) as file:
        return sniff_file(file, declared=declared).media_type


@dataclass(frozen=True, kw_only=True)
class UploadLimits:
    """What an upload may be and how long it may take."""

    max_bytes: int
    reserve_bytes: int
    pace: Pace
    accepted: Acceptance = field(default_factory=Acceptance)

    @classmethod
    def of(cls, storage: StorageSettings, *, largest_bytes: int | None = None) -> Self:
        """Return what the settings say, and no more than the store takes."""
        upload = storage.upload
        pace = Pace(
            idle_seconds=upload.idle_seconds,
            min_bytes_per_second=upload.min_bytes_per_second,
            deadline_seconds=upload.deadline_seconds,
        )
        return cls(
            max_bytes=upload.max_bytes if largest_bytes is None else min(upload.max_bytes, largest_bytes),
            reserve_bytes=storage.monitoring.reserve_bytes,
            pace=pace,
            accepted=Acceptance({category: storage.accept.of(category) for category in Category}),
        )
