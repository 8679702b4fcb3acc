"""Documents about restoring files from the trash."""

from pydantic import BaseModel, Field


class RestorationRead(BaseModel):
    """What came back from the trash."""

    restored: int = Field(description="Files that can be read again")
    skipped: int = Field(description="Files that are gone for good, or were restored before")
