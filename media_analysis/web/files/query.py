"""What the address of the list of files says, as a form writes it."""

from typing import Final, Literal
from urllib.parse import urlencode

from pydantic import Field

from media_analysis.api.schemas.files import FileListQuery
from media_analysis.web.filters import FormQuery, FromDay

PLACE: Final = "cursor"


class FilesQuery(FormQuery, FileListQuery):
    """Which files the screen shows, and how; days do for instants."""

    limit: int = Field(60, ge=1, le=200)
    name: str | None = Field(None, min_length=1, max_length=255)
    view: Literal["grid", "list"] = "grid"
    expires_before: FromDay | None = None

    def parameters(self) -> list[tuple[str, str]]:
        """Return what of it is said, one pair for each filter."""
        said = self.model_dump(mode="json", exclude_defaults=True)
        return [
            (name, str(one)) for name, value in said.items() for one in (value if isinstance(value, list) else [value])
        ]

    def filters(self) -> list[tuple[str, str]]:
        """Return what of it says which files, as the API is asked."""
        return [pair for pair in self.parameters() if pair[0] not in {"view", "limit", PLACE}]

    def address(self, path: str, *, without: tuple[str, str] | None = None, **changes: str) -> str:
        """Return the address of the first page with other values, or without one of them."""
        kept = [pair for pair in self.parameters() if pair[0] not in {PLACE, *changes} and pair != without]
        said = [*kept, *((name, value) for name, value in changes.items() if value)]
        return f"{path}?{urlencode(said)}" if said else path
