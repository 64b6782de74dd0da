"""What the API takes and answers. Input is strict: what is not written here is refused, not ignored."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from leaderboard.web.api.fields import (
    After,
    Day,
    GuidelineSlug,
    Input,
    Kind,
    Limit,
    Moment,
    MonthName,
    Next,
    Nothing,
    Output,
    PeriodName,
    Slug,
    TeamSlug,
    WeekName,
    Whoever,
)

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
    audit_failed: bool = Field(description="Whether the last nightly audit found differences.")
    audited_seconds: int | None = Field(description="Since an audit last came to its end.")


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
