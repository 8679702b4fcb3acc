"""What is told of a living file besides its row: what was made of it, what analyses found, and who may read it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from media_analysis.errors import MediaAnalysisError
from media_analysis.files.indexes import PREVIEW_ROLES
from media_analysis.files.links.models import Link
from media_analysis.files.models import MediaFile
from media_analysis.jobs.models import AnalysisResult
from media_analysis.jobs.results import ResultFilter
from media_analysis.runtime import Runtime
from media_analysis.sessions.roles import Scope
from media_analysis.sessions.service import Caller
from media_analysis.web.file.waveform import MOST_BYTES, outline

MOST_MADE: Final = 120
MOST_RESULTS: Final = 20
MOST_LINKS: Final = 20
_UNSEEN: Final = frozenset({"storyboard", "storyboard_vtt", "storyboard_json", "hover", "waveform", "poster"})
"""Roles of what the player needs, which is no finding of its own."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What there is besides a file's row; the newest of a kind comes first, frames in the order of time."""

    previews: Mapping[str, MediaFile] = field(default_factory=dict)
    """What a preview made, the newest of each role."""
    frames: Sequence[MediaFile] = ()
    others: Sequence[MediaFile] = ()
    has_more: bool = False
    """Whether more was made of it than is told."""
    results: Sequence[AnalysisResult] = ()
    links: Sequence[Link] = ()
    waveform: str | None = None

    @property
    def probe(self) -> Mapping[str, Any] | None:
        """What the newest probe found."""
        return next((result.data for result in self.results if result.kind == "probe"), None)

    @property
    def duration_seconds(self) -> float | None:
        """How long it lasts, as far as a probe or a preview found out."""
        return next((told for result in self.results if (told := result.data.get("duration_seconds"))), None)


async def find_about(services: Runtime, file: MediaFile, caller: Caller) -> About:
    """Return what a caller may see of it."""
    scope, limit, catalog = caller.scope, caller.limit, services.files.catalog
    page = await catalog.list_derived(file.id, owner=scope, limit=MOST_MADE)
    made = page.files
    previews: Sequence[MediaFile] = [one for one in made if one.role in PREVIEW_ROLES]
    if page.has_more:
        previews = await catalog.list_previews(file.id, owner=scope)
    if limit is not None:
        made = [one for one in made if limit.admits(one.category, one.labels)]
        previews = [one for one in previews if limit.admits(one.category, one.labels)]
    newest = {one.role or "": one for one in reversed(previews)}
    results: Sequence[AnalysisResult] = ()
    if limit is None and caller.may(Scope.JOBS):
        wanted = ResultFilter(owner=scope, file_id=file.id)
        results = (await services.jobs.results.list(wanted, before=None, limit=MOST_RESULTS)).results
    links: Sequence[Link] = ()
    if limit is None:
        links = (await services.files.links.list(owner=scope, file_id=file.id, before=None, limit=MOST_LINKS)).links
    frames = [one for one in made if one.instant_seconds is not None and one.role not in _UNSEEN]
    return About(
        previews=newest,
        frames=sorted(frames, key=lambda one: (one.instant_seconds or 0.0, one.id)),
        has_more=page.has_more,
        others=[one for one in made if one.instant_seconds is None and one.role not in _UNSEEN],
        results=results,
        links=links,
        waveform=await _draw(services, newest["waveform"], caller) if "waveform" in newest else None,
    )


async def _draw(services: Runtime, file: MediaFile, caller: Caller) -> str | None:
    """Return the outline of a sound; None where its peaks cannot be read now, which is said elsewhere."""
    if (file.size_bytes or 0) > MOST_BYTES:
        return None
    with suppress(MediaAnalysisError):
        _, reader = await services.files.catalog.open(file.id, owner=caller.scope)
        return outline(b"".join([part async for part in reader.read(0, reader.size_bytes)]))
    return None
