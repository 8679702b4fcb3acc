"""What sessions may do."""

from enum import StrEnum


class Role(StrEnum):
    """What a session may do: its owner's files, or everything."""

    USER = "user"
    ADMIN = "admin"
