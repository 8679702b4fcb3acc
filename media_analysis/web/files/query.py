"""What the address of the list of files says, as a form writes it."""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import urlencode

from pydantic import Field, model_validator

from media_analysis.api.schemas.files import FileListQuery

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
PLACE: Final = "cursor"


class FilesQuery(FileListQuery):
    """Which files the screen shows, and how; what a form leaves empty is not asked for."""

    limit: int = Field(60, ge=1, le=200)
    view: Literal["grid", "list"] = "grid"

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, told: Any) -> Any:
        if not isinstance(told, Mapping):
            return told
        given = {name: _without_empty(value) for name, value in told.items()}
        ends = given.get("expires_before")
        if isinstance(ends, str) and _DAY.fullmatch(ends):
            given["expires_before"] = f"{ends}T00:00:00Z"  # what a field for a day sends
        return {name: value for name, value in given.items() if value not in ("", [])}

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


def _without_empty(value: Any) -> Any:
    return [one for one in value if one != ""] if isinstance(value, list) else value
