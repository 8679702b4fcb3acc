"""All that runs kinds by themselves, over the collaborators of one process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pydantic import ValidationError

from media_analysis.analysis.kinds import Kind
from media_analysis.db.database import Database
from media_analysis.errors import Misconfigured
from media_analysis.events.horizon import EventHorizon
from media_analysis.jobs.automatic.noting import NotingService
from media_analysis.jobs.automatic.starting import StartingService
from media_analysis.jobs.control import ControlService
from media_analysis.settings.analysis import OnUpload
from media_analysis.settings.names import environment_name
from media_analysis.storage.category import Category
from media_analysis.storage.store import ObjectStore


def chosen_kinds(said: OnUpload, kinds: Mapping[str, Kind]) -> Mapping[Category, Sequence[Kind]]:
    """Return what runs by itself in each category of which the settings say anything.

    Raises:
        Misconfigured: there is no such kind, or it cannot run without being asked for more.

    """
    able = [name for name, kind in sorted(kinds.items()) if _lacks(kind) is None]
    chosen: dict[Category, Sequence[Kind]] = {}
    for category in Category:
        names = said.of(category)
        for name in names:
            reason = f"there is no kind {name}" if name not in kinds else _lacks(kinds[name])
            if reason is not None:
                variable = environment_name(f"analysis.on_upload.{category.value}")
                raise Misconfigured(f"{variable} is {','.join(names)}: {reason}; allowed: {', '.join(able)}; none")
        if names:
            chosen[category] = [kinds[name] for name in names]
    return chosen


def _lacks(kind: Kind) -> str | None:
    """Return why a kind cannot run on one file without parameters; None if it can."""
    if kind.min_sources > 1:
        return f"{kind.name} takes at least {kind.min_sources} files"
    try:
        kind.parameters()
    except ValidationError:
        return f"{kind.name} has parameters that must be given"
    return None


@dataclass(frozen=True)
class AutomaticServices:
    """The services of what runs by itself, each made when it is first asked for."""

    db: Database
    store: ObjectStore
    control: ControlService
    kinds: Mapping[str, Kind]
    on_upload: Mapping[Category, Sequence[Kind]]
    reserve_bytes: int

    @cached_property
    def noting(self) -> NotingService:
        return NotingService(self.db, EventHorizon(self.db), self.on_upload)

    @cached_property
    def starting(self) -> StartingService:
        return StartingService(self.db, self.store, self.control, self.kinds, self.reserve_bytes)
