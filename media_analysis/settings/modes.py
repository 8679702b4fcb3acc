"""The branch of the tree about who may do what with a store on disk."""

import grp
import re
from dataclasses import dataclass
from typing import Annotated, Any, Final

from media_analysis.settings.kinds import OrNone, SettingKind
from media_analysis.settings.section import Section
from media_analysis.storage.modes import Modes

_OCTAL: Final = re.compile(r"0?[0-7]{3}")
_OTHERS_WRITE: Final = 0o002
_NOBODY: Final = 2**32 - 1
"""What stands for no group; every smaller number is one."""


@dataclass(frozen=True)
class Mode(SettingKind):
    """A mode in octal digits, with at least so much for the owner and no writing for everybody."""

    owner: int
    default: int

    @property
    def allowed(self) -> str:
        return f"octal digits in quotes, from '{self.owner:04o}' on, and no writing for others"

    def parse(self, value: Any) -> int:
        if not isinstance(value, str):
            if value == self.default and not isinstance(value, bool):
                return self.default
            raise ValueError("not in quotes")  # YAML reads 440 as a decimal number, which is another mode
        if _OCTAL.fullmatch(value.strip()) is None:
            raise ValueError("not a mode")
        mode = int(value, 8)
        if not self._fits(mode):
            raise ValueError("too little for the owner, or too much for others")
        return mode

    def show(self, value: Any) -> str:
        return f"{value:04o}"

    def _fits(self, mode: int) -> bool:
        return mode & self.owner == self.owner and not mode & _OTHERS_WRITE


class Group(SettingKind):
    """A group of users on this machine, by name or number."""

    @property
    def allowed(self) -> str:
        return "a group of this machine by name, or a group's number below 4294967295"

    def parse(self, value: Any) -> str:
        name = str(value).strip()
        try:
            group_id_of(name)
        except KeyError:
            raise ValueError("no such group") from None
        return name


def group_id_of(name: str) -> int:
    """Return the number of a group.

    Raises:
        KeyError: there is none of this name, and there can be none of this number.

    """
    if not (name.isascii() and name.isdecimal()):
        return grp.getgrnam(name).gr_gid
    if len(name) > len(str(_NOBODY)) or int(name) >= _NOBODY:
        raise KeyError(name)
    return int(name)


class StoreModeSettings(Section):
    """Who may do what with the store, and with archives that have a directory of their own."""

    root: Annotated[int, Mode(0o700, 0o750)] = 0o750
    """The mode of a root that the service makes; one that is there keeps its own."""
    directories: Annotated[int, Mode(0o700, 0o755)] = 0o755
    """The mode of directories below it."""
    files: Annotated[int, Mode(0o600, 0o644)] = 0o644
    """The mode of files."""
    group: Annotated[str | None, OrNone(Group())] = None
    """The group of a root that the service makes, and of everything below it; none is the service's own."""

    def resolved(self) -> Modes:
        """Return them with the number of the group."""
        group_id = None if self.group is None else group_id_of(self.group)
        return Modes(root=self.root, directories=self.directories, files=self.files, group_id=group_id)
