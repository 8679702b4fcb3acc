"""Filters of lists as their address: what a form left empty asks for nothing, and a day is enough of an instant."""

from contextlib import suppress
from datetime import date, timedelta
from functools import partial
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, model_validator
from starlette.requests import Request

from media_analysis.api.place import address
from media_analysis.values import Instant, midnight

_DAY: Final = len("2030-01-31")
_CURSOR: Final = "cursor"
_WHOLE: Final = "whole"
MOST_SUMMED: Final = 5_000
"""How many files below one thing a screen sums before it is shown; more are summed when it is there."""


def _midnight(told: object, *, days: int) -> object:
    if isinstance(told, str) and len(told) == _DAY:
        with suppress(ValueError, OverflowError):
            return midnight(date.fromisoformat(told) + timedelta(days=days))
    return told


FromDay = Annotated[Instant, BeforeValidator(partial(_midnight, days=0))]
"""An instant, or a day (UTC) for its first moment."""
UntilDay = Annotated[Instant, BeforeValidator(partial(_midnight, days=1))]
"""An instant, or a day (UTC), all of which belongs to what ends with it."""


class FormQuery(BaseModel):
    """The query of a form, which sends its empty fields, too."""

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, told: Any) -> Any:
        if not isinstance(told, dict):
            return told
        lists = {name: [one for one in value if one] for name, value in told.items() if isinstance(value, list)}
        return {name: value for name, value in {**told, **lists}.items() if value not in ("", [])}


class WholeQuery(FormQuery):
    """The query of a screen that tells of very many files what is known at once, and sums them where it says so."""

    whole: bool = False


def list_address(request: Request) -> str:
    """Return where the first page of a list is, with the filters of a request."""
    return _address(request, [pair for pair in _told(request) if pair[0] != _CURSOR])


def whole_address(request: Request) -> str:
    """Return where the same screen sums all there is."""
    return _address(request, [*_told(request), (_WHOLE, "true")])


def _told(request: Request) -> list[tuple[str, str]]:
    return [(name, value) for name, value in request.query_params.multi_items() if value and name != _WHOLE]


def _address(request: Request, told: list[tuple[str, str]]) -> str:
    path = address(request.scope["path"])
    return f"{path}?{urlencode(told)}" if told else path
