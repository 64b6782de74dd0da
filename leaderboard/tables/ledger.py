"""The ledger: credits, points entries, running scores, rules."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from leaderboard.guidelines import BY_SLUG
from leaderboard.tables.base import WITNESSES, one_of


class Credit(SQLModel, table=True):
    """One receiver of one event: who, in which team and week it counts, and what it earns as things stand."""

    __table_args__ = (
        UniqueConstraint("event_id", "agent"),
        Index("ix_credit_person_week", "person_id", "week", "customer_key", "points"),
        Index("ix_credit_person_day", "person_id", "kind", "counts_on", "points"),
    )

    id: int | None = Field(default=None, primary_key=True)
    event_id: int = Field(foreign_key="event.id")
    kind: str
    agent: str
    """The account in the tool, or the person's uid where the event is our own."""
    identity_id: int | None = Field(default=None, foreign_key="identity.id", index=True)
    person_id: int | None = Field(default=None, foreign_key="person.id")
    """None while the account is not linked to anybody."""
    team_id: int | None = Field(default=None, foreign_key="team.id")
    customer_key: str | None = None
    share: int | None = None
    """What the giver's side decided this is worth (stories); None: what the rules say of its kind."""
    full_share: int | None = None
    """What it would be worth without the giver's limits."""
    share_why: str | None = None
    counts_at: datetime | None = None
    counts_on: date | None = None
    """The local day of `counts_at` in the team's zone."""
    week: str | None = None
    late: bool = False
    """The week it happened in was closed already, so it counts in the open one."""
    rules_version: int | None = None
    withdrawn_by: int | None = Field(default=None, foreign_key="event.id")
    """The fact.withdrawn that took it back."""
    points: int = 0
    """What its live entry says."""
    entry_id: int | None = None
    """Its live entry in the ledger."""


class PointsEntry(SQLModel, table=True):
    """One line of the ledger. Never updated, never deleted: a triggers' matter on both databases."""

    __tablename__ = "points_entry"
    __table_args__ = (
        one_of("witness", WITNESSES),
        one_of("guideline", tuple(BY_SLUG)),
        CheckConstraint(
            "(reverses_id IS NULL AND points >= 0) OR (reverses_id IS NOT NULL AND points <= 0)", name="sign"
        ),
        Index("ix_points_entry_person", "person_id", "id"),
        Index("ix_points_entry_team_week", "team_id", "week"),
    )

    id: int | None = Field(default=None, primary_key=True)
    credit_id: int = Field(foreign_key="credit.id", index=True)
    event_id: int = Field(foreign_key="event.id")
    person_id: int = Field(foreign_key="person.id")
    team_id: int = Field(foreign_key="team.id")
    kind: str
    """As it earned: a good rating after an unhappy one is a rating.recovered."""
    witness: str
    guideline: str
    points: int
    full_points: int
    """What it would have earned without any limit."""
    why: str
    """A code of points.WHY."""
    week: str
    counts_on: date
    rules_version: int
    posted_at: datetime
    reverses_id: int | None = Field(default=None, foreign_key="points_entry.id", unique=True)


class Score(SQLModel, table=True):
    """Running sum of entries: company or team, person, period, guideline or all."""

    __table_args__ = (
        Index("ix_score_board", "team_id", "period", "guideline", "points", "person_id"),
        {"sqlite_with_rowid": False},
    )

    team_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    period: str = Field(primary_key=True)
    guideline: str = Field(primary_key=True)
    person_id: int = Field(
        primary_key=True, foreign_key="person.id", sa_column_kwargs={"autoincrement": False}
    )
    points: int


class Tally(SQLModel, table=True):
    """How much of a person's weekly caps is used, and the last fact counted: what makes the next one cost the same."""

    __table_args__ = ({"sqlite_with_rowid": False},)

    person_id: int = Field(
        primary_key=True, foreign_key="person.id", sa_column_kwargs={"autoincrement": False}
    )
    week: str = Field(primary_key=True)
    colleague: int = 0
    customer: int = 0
    promise: int = 0
    work: int = 0
    last_at: datetime
    last_source: str
    last_key: str


class RulesVersion(SQLModel, table=True):
    """The numbers of the rules, valid from a week on."""

    __tablename__ = "rules_version"

    version: int | None = Field(default=None, primary_key=True)
    from_week: str
    """The first week they hold in; "" for version 1, which holds from the beginning."""
    points: dict[str, int] = Field(sa_column=Column(JSON, nullable=False))
    fair_play: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    note: str = ""
    created_at: datetime
    created_by: int | None = Field(default=None, foreign_key="person.id")


class Pulse(SQLModel, table=True):
    """Counts changes that a board or page may show; in shards so that writers do not wait for each other."""

    shard: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    beats: int
