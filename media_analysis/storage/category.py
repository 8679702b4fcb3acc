"""What a file is for, which decides where it lies and how long it stays."""

from enum import StrEnum
from typing import Final


class Category(StrEnum):
    """The purposes a stored file can have."""

    UPLOADS = "uploads"
    FRAMES = "frames"
    CONTACT_SHEETS = "contact_sheets"
    OUTPUTS = "outputs"
    TEMP = "temp"
    CLIPS = "clips"
    ARCHIVES = "archives"


SCRATCH: Final = frozenset({Category.TEMP, Category.CLIPS})
"""What holds nothing that somebody would miss: no date protects it from pressure."""
