"""What the API takes and answers. Input is strict: what is not written here is refused, not ignored."""

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
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Output(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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

# ------------------------------------------------------------------------------------------------ people


class Person(Output):
    id: str | None = Field(description="Null for somebody who is shown by an alias.")
    handle: str | None
    name: str


class Team(Output):
    slug: str
    name: str
    timezone: str


class PersonAndTeam(Output):
    id: str
    handle: str
    name: str
    team: Team
    role: Literal["member", "lead", "admin"]
    email: str | None = Field(description="For the person and admins; null for everybody else.")
    joined_on: date | None


class People(Output):
    people: list[PersonAndTeam]
    next: Next


class PeopleQuery(Input):
    name: Annotated[
        Annotated[str, Field(max_length=120)] | Nothing,
        Field(description="Letters of the name or handle.", examples=["an"]),
    ] = None
    team: TeamSlug = None
    limit: Limit = 25
    after: After = None


# ------------------------------------------------------------------------------------------------ standings


class Standing(Output):
    rank: int = Field(description="Equal points share a rank: 1-2-2-4.")
    person: Person
    points: int


class Standings(Output):
    period: str
    team: str | None
    guideline: Slug | None
    closed: bool = Field(description="Whether the numbers are final: the team's weeks of it are closed.")
    standings: list[Standing]
    next: Next


class Period(Input):
    week: WeekName = None
    month: MonthName = None
    period: PeriodName = None


class StandingsQuery(Period):
    team: TeamSlug = None
    guideline: GuidelineSlug = None
    limit: Limit = 25
    around: Annotated[
        Annotated[str, Field(min_length=1, max_length=254)] | Nothing,
        Field(
            description="A person: their place with the neighbours above and below, instead of the top.",
            examples=["ana"],
        ),
    ] = None
    after: After = None


# ------------------------------------------------------------------------------------------------ points


class Entry(Output):
    at: datetime = Field(description="When it counts.")
    kind: Kind
    points: int = Field(description="Below 0 where it reverses another entry.")
    full_points: int = Field(description="What it would have been without any limit.")
    why: str
    week: str
    guideline: Slug
    source: str
    evidence: dict[str, str | int] = Field(
        description="What it rests on. Customers and their words are for the person, their leads and admins."
    )
    reverses: int | None = Field(description="The entry (`evidence.entry`) that this one takes back.")


class Points(Output):
    person: Person
    total: int = Field(description="Of the period that was asked for, else of all time.")
    entries: list[Entry]
    next: Next


class PointsQuery(Period):
    limit: Limit = 25
    after: After = None


# ------------------------------------------------------------------------------------------------ stories


class Story(Output):
    id: str
    url: str
    nominees: list[Person]
    nominator: Person
    guideline: Slug
    story: str
    customer: str | None = Field(description="For those in the story, who told it, leads and admins.")
    happened_on: date | None
    told_at: datetime
    state: Literal["waiting", "accepted", "declined", "withdrawn"]
    points: int = Field(description="What it has earned in all, co-signs included.")
    co_signs: int
    co_signed: bool = Field(description="Whether you co-signed it.")


class Stories(Output):
    stories: list[Story]
    next: Next


class StoriesQuery(Input):
    state: Annotated[
        Literal["accepted", "waiting"],
        Field(
            description="waiting: those that wait for you to judge, the oldest first; other filters do not apply.",
            examples=["waiting"],
        ),
    ] = "accepted"
    order: Annotated[
        Literal["newest", "loved"],
        Field(description="loved: those of the last 90 days with most co-signs first.", examples=["loved"]),
    ] = "newest"
    guideline: GuidelineSlug = None
    team: TeamSlug = None
    person: Annotated[
        Annotated[str, Field(min_length=1, max_length=254)] | Nothing,
        Field(description="Stories about this person.", examples=["ben"]),
    ] = None
    limit: Limit = 25
    after: After = None


class StoryIn(Input):
    """A story about colleagues. What it earns is decided by the rules of fair play, never by the sender."""

    nominees: list[Whoever] = Field(min_length=1, max_length=50)
    guideline: Slug
    story: str = Field(min_length=1, max_length=10_000, description="80 to 2,000 characters.")
    customer: str | None = Field(None, max_length=1_000)
    happened_on: Day | None = None


class Decline(Input):
    reason: str = Field(min_length=1, max_length=1_000, description="The nominator sees it.")


# ------------------------------------------------------------------------------------------------ promises


class Promise(Output):
    id: str
    url: str
    maker: Person
    what: str
    due_at: datetime
    customer: str | None = Field(description="For the maker, their leads and admins.")
    ticket: str | None
    contact: str | None = Field(description="Who contacts the customer.")
    contact_at: datetime | None
    authorised_by: str | None
    made_at: datetime
    state: Literal["open", "kept", "missed", "withdrawn"]
    kept_at: datetime | None
    note: str | None
    confirmed_as: Literal["colleague", "customer", "helpdesk"] | None = Field(
        description="Who bears it out; until somebody does, a kept promise earns nothing."
    )
    source: str


class Promises(Output):
    promises: list[Promise]
    next: Next


class PromisesQuery(Input):
    state: Annotated[Literal["open", "kept", "missed", "withdrawn"] | Nothing, Field(examples=["open"])] = (
        None
    )
    person: Annotated[
        Annotated[str, Field(min_length=1, max_length=254)] | Nothing,
        Field(description="Promises of this person.", examples=["ana"]),
    ] = None
    team: TeamSlug = None
    limit: Limit = 25
    after: After = None


class PromiseIn(Input):
    """What will be done, by when, who contacts the customer and when."""

    what: str = Field(min_length=1, max_length=2_000)
    due_at: Moment
    customer: str = Field("", max_length=1_000)
    ticket: str = Field("", max_length=1_000, description="The helpdesk's number of it.")
    contact: str = Field("", max_length=1_000, description="Who contacts the customer.")
    contact_at: Moment | None = None
    authorised_by: str = Field("", max_length=1_000)


class Keep(Input):
    note: str = Field("", max_length=4_000)


class Move(Input):
    due_at: Moment
    told: bool = Field(strict=True, description="Whether the customer knows.")
    reason: str = Field("", max_length=4_000)


# ------------------------------------------------------------------------------------------------ thanks


class Thanks(Output):
    id: int
    said_at: datetime
    text: str
    person: Person
    guideline: Slug | None
    source: str
    customer: str | None = Field(description="For the person, leads and admins.")
    url: str | None = Field(description="For the person, leads and admins.")


class ThanksList(Output):
    thanks: list[Thanks]
    next: Next


class ThanksQuery(Input):
    team: TeamSlug = None
    person: Annotated[
        Annotated[str, Field(min_length=1, max_length=254)] | Nothing,
        Field(description="Thanks to this person.", examples=["ana"]),
    ] = None
    limit: Limit = 25
    after: After = None


# ------------------------------------------------------------------------------------------------ weeks


class Winner(Output):
    category: str
    person: Person
    points: int
    witnesses: int
    reason: str
    words: str
    story: str | None = Field(description="The id of the story it rests on, where you may read it.")


class TeamWeek(Output):
    team: str
    state: Literal["open", "closed", "announced"]
    closed_at: datetime | None
    announced_at: datetime | None
    winners: list[Winner] = Field(description="Once they are announced.")


class Week(Output):
    week: str
    provisional: bool = Field(description="Whether a team has still to close it.")
    teams: list[TeamWeek]
    standings: list[Standing]


class WeekInShort(Output):
    week: str
    teams: list[TeamWeek]


class Weeks(Output):
    weeks: list[WeekInShort]
    next: Next


class WeeksQuery(Input):
    limit: Limit = 10
    after: After = None


# ------------------------------------------------------------------------------------------------ operating


class Delivery(Output):
    id: int
    source: str
    received_at: datetime
    state: Literal["pending", "done", "ignored", "failed"]
    reason: str | None
    events: int = Field(description="How many new facts it brought.")
    repeated: int = Field(description="How many of its facts were known already.")
    attempts: int
    next_try_at: datetime | None


class Deliveries(Output):
    deliveries: list[Delivery]
    next: Next


class DeliveriesQuery(Input):
    source: Annotated[
        Annotated[str, Field(min_length=1, max_length=40)] | Nothing,
        Field(description="A source of the config.", examples=["standard"]),
    ] = None
    state: Annotated[
        Literal["pending", "done", "ignored", "failed"] | Nothing, Field(examples=["failed"])
    ] = None
    limit: Limit = 25
    after: After = None


class Replayed(Output):
    delivery: int
    state: Literal["done", "ignored", "failed"]
    events: int
    repeated: int
    reason: str | None


class HealthDatabase(Output):
    version: str | None
    writable: bool
    affected: bool = Field(description="Whether this SQLite has the bug that can damage a file (WAL reset).")


class Health(Output):
    status: Literal["ok", "failing"]
    problems: list[str]
    database: HealthDatabase
    oldest_pending_seconds: int | None
    clock_seconds: int | None = Field(description="Since the clock last ticked; null where it never did.")
    failing_pulls: int
    failing_jobs: list[str]


# ------------------------------------------------------------------------------------------------ errors


class Mistake(Output):
    field: str
    message: str


class Problem(Output):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str | None
    reference: str = Field(description="The log has it too.")
    errors: list[Mistake] = Field(default=[], description="What to mend, field by field.")
