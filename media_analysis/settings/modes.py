"""Kinds of settings for modes of files and for groups of users."""

import grp
import re
from dataclasses import dataclass
from typing import Any, Final

from media_analysis.settings.kinds import Kind

_OCTAL: Final = re.compile(r"0?[0-7]{3}")
_OTHERS_WRITE: Final = 0o002


@dataclass(frozen=True)
class Mode(Kind):
    """A mode in octal digits, with at least so much for the owner and no writing for everybody."""

    owner: int

    @property
    def allowed(self) -> str:
        return f"octal digits in quotes, from '{self.owner:04o}' on, and no writing for others"

    def parse(self, value: Any) -> int:
        if not isinstance(value, str):
            if isinstance(value, int) and value == value & 0o777 and self._fits(value):
                return value  # the default; and YAML's own octal numbers come out as what they mean
            raise ValueError("not in quotes")
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


class Group(Kind):
    """A group of users on this machine, by name or number."""

    @property
    def allowed(self) -> str:
        return "a group of this machine, by name or number"

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
        KeyError: there is none of this name.

    """
    return int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
