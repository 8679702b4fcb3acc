"""What a file is for, which decides where it lies and how long it stays."""

from enum import StrEnum


class Category(StrEnum):
    """The purposes a stored file can have."""

    UPLOADS = "uploads"
    FRAMES = "frames"
    CONTACT_SHEETS = "contact_sheets"
    OUTPUTS = "outputs"
    TEMP = "temp"
    CLIPS = "clips"
    ARCHIVES = "archives"
