"""Sites: in which directory or bucket a store is, and in which its archives are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from media_analysis.storage.modes import USUAL, Modes
from media_analysis.storage.places import Places
from media_analysis.storage.remote.address import RemoteAddress

Site = Path | RemoteAddress


@dataclass(frozen=True, slots=True)
class Sites:
    """The site of the store, and that of its archives where it is another one."""

    main: Site
    archives: Site | None = None
    modes: Modes = USUAL

    @property
    def named(self) -> Mapping[str, Site | None]:
        """Each as messages call it."""
        return {"the store": self.main, "the store of the archives": self.archives}

    @property
    def roots(self) -> Sequence[Path]:
        """Those that are directories of this machine."""
        return [site for site in (self.main, self.archives) if isinstance(site, Path)]

    @property
    def has_bucket(self) -> bool:
        """Whether one of them is a bucket."""
        return any(isinstance(site, RemoteAddress) for site in self.named.values())

    @property
    def places(self) -> Places | None:
        """What of the store lies on disks of this machine; None where only archives do, or nothing."""
        if not isinstance(self.main, Path):
            return None
        return Places(self.main, self.archives if isinstance(self.archives, Path) else None, self.modes)


def nesting(inner: Site, outer: Site, name: str) -> str | None:
    """Say whether one site lies inside the other, which has a name."""
    if isinstance(inner, Path) and isinstance(outer, Path):
        inside, around = outer in inner.parents, inner in outer.parents
    elif isinstance(inner, RemoteAddress) and isinstance(outer, RemoteAddress):
        inside, around = inner.is_below(outer), outer.is_below(inner)
    else:
        return None
    if inside:
        return f"inside {name}, which is {str(outer)!r}"
    return f"{name}, which is {str(outer)!r}, lies inside it" if around else None


def second_place_problem(replica: Site, others: Mapping[str, Site | None]) -> str | None:
    """Say why a site is no second place beside some, each of which has a name; None if it is one."""
    for name, site in others.items():
        if site == replica:
            return f"{name} itself: a replica needs a second place"
        if site is not None and (problem := nesting(replica, site, name)) is not None:
            return problem
    return None
