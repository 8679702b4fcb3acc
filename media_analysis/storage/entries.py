"""What stands at a name in a store, or in a tree on disk, when somebody looks."""

from dataclasses import dataclass
from enum import StrEnum


class EntryKind(StrEnum):
    """What a name stands for."""

    FILE = "file"
    HARD_LINK = "hard_link"
    """A regular file with more than one name: who else writes to it is unknown."""
    LINK = "link"
    SPECIAL = "special"
    """A device, a pipe or a socket."""
    DIRECTORY = "directory"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Entry:
    """A name as it was when somebody looked; `name` is relative to what was walked."""

    name: str
    kind: EntryKind
    size_bytes: int = 0
    modified_ns: int = 0
    reason: str | None = None
    """The medium's word for why it cannot be read."""
    tag: str | None = None
    """What a bucket says that is another once its bytes are."""
    is_misplaced: bool = False
    """Whether it lies where no key reaches it: an archive in the store whose archives lie apart, or the reverse."""

    @property
    def sayable(self) -> bool:
        """Whether it can be written down: PostgreSQL and JSON take nothing but Unicode."""
        try:
            self.name.encode()
        except UnicodeEncodeError:
            return False
        return True
