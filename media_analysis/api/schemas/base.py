"""What documents have in common."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, PlainSerializer

OF_LABELS: Final = (
    "Those that have the label `camera:north`, the key `camera`, or lack it: `!camera:north`, `!camera`; given several "
    "times, all of it holds"
)
Hex = Annotated[bytes, PlainSerializer(lambda value: value.hex(), return_type=str)]


class RequestDocument(BaseModel):
    """A JSON document that refuses fields it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ReadModel(BaseModel):
    """A response made from a row."""

    model_config = ConfigDict(from_attributes=True, frozen=True)
