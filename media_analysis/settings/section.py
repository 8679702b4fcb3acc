"""What every branch of the tree shares, and the kinds of leaf that come up again."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict

from media_analysis.settings.kinds import Cron, Days, Lifetime, MediaTypes, Place, Seconds, Size, Switch

LifetimeLeaf = Annotated[timedelta | None, Lifetime()]
QuotaLeaf = Annotated[int | None, Size(optional=True)]
MediaTypesLeaf = Annotated[tuple[str, ...], MediaTypes()]
CronLeaf = Annotated[str, Cron()]
OwnCronLeaf = Annotated[str | None, Cron(optional=True)]
SwitchLeaf = Annotated[bool, Switch()]
PlaceLeaf = Annotated[Path, Place()]
OwnPlaceLeaf = Annotated[Path | None, Place(optional=True)]
DaysLeaf = Annotated[int, Days(0, 36_500)]
TimeoutLeaf = Annotated[float, Seconds(0.1, 3600)]


class Section(BaseModel):
    """A branch of the tree."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )
