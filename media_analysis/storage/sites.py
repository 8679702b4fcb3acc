"""Sites: in which directory or bucket a store is, and in which its archives are."""

from collections.abc import Sequence
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
    def roots(self) -> Sequence[Path]:
        """Those that are directories of this machine."""
        return [site for site in (self.main, self.archives) if isinstance(site, Path)]

    @property
    def places(self) -> Places | None:
        """What of the store lies on disks of this machine; None where only archives do, or nothing."""
        if not isinstance(self.main, Path):
            return None
        return Places(self.main, self.archives if isinstance(self.archives, Path) else None, self.modes)
