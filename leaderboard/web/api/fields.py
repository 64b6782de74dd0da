"""The single values that the API takes, checked strictly, and the bases of its shapes."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from leaderboard.guidelines import GUIDELINES
from leaderboard.plugin import KINDS, Invalid, parse_time

MOST = 100
"""The longest page of a list."""


class Input(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        defer_build=True,  # by the first who asks, in a millisecond: no start waits for all of them
    )


class Output(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]{1,9}", value):
            raise ValueError("write a whole number")
        return int(value)
    return value


def _day(value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("write the day as 2026-11-20")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("there is no such day") from None


def _moment(value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("write the time as 2026-11-20T09:00:00Z")
    try:
        return parse_time(value)
    except Invalid as error:
        raise ValueError(error.message) from None


Slug = Literal["positive-energy", "courtesy-and-respect", "above-and-beyond", "relationships", "team-player"]
assert {guideline.slug for guideline in GUIDELINES} == set(Slug.__args__)  # type: ignore[attr-defined]
Kind = Annotated[str, WithJsonSchema({"type": "string", "enum": list(KINDS)})]
Day = Annotated[date, BeforeValidator(_day)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Limit = Annotated[
    int,
    Field(ge=1, le=MOST, description=f"How many at most, 1 to {MOST}.", examples=[10]),
    BeforeValidator(_whole),
]
Next = Annotated[str | None, Field(description="Pass it as `after` for what follows; null on the last page.")]
# SkipJsonSchema: a parameter is left out rather than null, and None stands for that inside only.
Nothing = SkipJsonSchema[None]
After = Annotated[
    Annotated[str, Field(max_length=500)] | Nothing,
    Field(description="The `next` of the answer before: where the list goes on."),
]
WeekName = Annotated[
    Annotated[str, Field(pattern=r"^[1-8][0-9]{3}-W[0-9]{2}$")] | Nothing,
    Field(description="An ISO week.", examples=["2026-W47"]),
]
MonthName = Annotated[
    Annotated[str, Field(pattern=r"^[1-8][0-9]{3}-(0[1-9]|1[0-2])$")] | Nothing,
    Field(description="A month.", examples=["2026-11"]),
]
PeriodName = Annotated[
    Annotated[str, Field(pattern=r"^[1-8][0-9]{3}(-W[0-9]{2}|-Q[1-4]|-(0[1-9]|1[0-2]))?$")] | Nothing,
    Field(description="A week, month, quarter or year.", examples=["2026-Q4"]),
]
TeamSlug = Annotated[
    Annotated[str, Field(min_length=1, max_length=120)] | Nothing,
    Field(description="A team's slug.", examples=["care"]),
]
Whoever = Annotated[
    str, Field(min_length=1, max_length=254, description="A person's id, handle or e-mail address.")
]
GuidelineSlug = Annotated[
    Slug | Nothing, Field(description="One of the five guidelines.", examples=["relationships"])
]
