"""What uploads may take."""

from dataclasses import dataclass, field
from typing import Self

from media_analysis.files.upload.acceptance import Acceptance
from media_analysis.files.upload.bodies import Pace
from media_analysis.settings.storage import StorageSettings
from media_analysis.storage.category import Category


@dataclass(frozen=True, kw_only=True)
class UploadLimits:
    """What an upload may be and how long it may take."""

    max_bytes: int
    reserve_bytes: int
    pace: Pace
    accepted: Acceptance = field(default_factory=Acceptance)

    @classmethod
    def of(cls, storage: StorageSettings) -> Self:
        """Return what the settings say."""
        upload = storage.upload
        pace = Pace(
            idle_seconds=upload.idle_seconds,
            min_bytes_per_second=upload.min_bytes_per_second,
            deadline_seconds=upload.deadline_seconds,
        )
        return cls(
            max_bytes=upload.max_bytes,
            reserve_bytes=storage.monitoring.reserve_bytes,
            pace=pace,
            accepted=Acceptance({category: storage.accept.of(category) for category in Category}),
        )
