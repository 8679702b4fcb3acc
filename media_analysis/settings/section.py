"""What every branch of the tree shares, and the kinds of leaf that come up again."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict

from media_analysis.settings.kinds import Days, Lifetime, OrNone, Percent, Seconds, Size, Span, Switch, Whole
from media_analysis.settings.texts import Cron, DirectoryPath, KindNames, MediaTypes

LifetimeLeaf = Annotated[timedelta | None, Lifetime()]
SpanLeaf = Annotated[timedelta, Span()]
OwnSpanLeaf = Annotated[timedelta | None, OrNone(Span())]
QuotaLeaf = Annotated[int | None, OrNone(Size())]
ShareLeaf = Annotated[int | None, OrNone(Percent(1, 100))]
PriorityLeaf = Annotated[int | None, OrNone(Whole(0, 100))]
MediaTypesLeaf = Annotated[tuple[str, ...], MediaTypes()]
KindNamesLeaf = Annotated[tuple[str, ...], KindNames()]
CronLeaf = Annotated[str, Cron()]
OwnCronLeaf = Annotated[str | None, OrNone(Cron())]
SwitchLeaf = Annotated[bool, Switch()]
PlaceLeaf = Annotated[Path, DirectoryPath()]
OwnPlaceLeaf = Annotated[Path | None, OrNone(DirectoryPath())]
DaysLeaf = Annotated[int, Days(0, 36_500)]
TimeoutLeaf = Annotated[float, Seconds(0.1, 3600)]
BudgetLeaf = Annotated[float | None, OrNone(Seconds(1, 604_800))]


class Section(BaseModel):
    """A branch of the tree."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)
