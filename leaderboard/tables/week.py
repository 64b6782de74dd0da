"""The week: frozen numbers, winners, channels, the outbox, the clock."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from leaderboard.tables.base import one_of


class ClosedWeek(SQLModel, table=True):
    """A team's week with its numbers frozen; announcing freezes the words."""

    __tablename__ = "closed_week"
    __table_args__ = (UniqueConstraint("team_id", "week"),)

    id: int | None = Field(default=None, primary_key=True)
    team_id: int = Field(foreign_key="team.id")
    week: str = Field(index=True)
    closed_at: datetime
    closed_by: int | None = Field(default=None, foreign_key="person.id")
    last_event_id: int
    """Facts known when it closed have this id or a lower one: what makes its outcome the same at every rebuild."""
    last_entry_id: int
    """Entries above it that touch this week are corrections."""
    numbers: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    """Standings, stories and thanks as they were."""
    opening: str = Field(default="", sa_column=Column(Text, nullable=False))
    """The lead's words above the winners."""
    huddle: int = 0
    """Which huddle card the week carries."""
    announced_at: datetime | None = None
    announced_by: int | None = Field(default=None, foreign_key="person.id")
    autopilot: bool = False
    """Announced by the clock."""


class Recognition(SQLModel, table=True):
    """A week's winner of a team in a category: why, and the words."""

    __table_args__ = (UniqueConstraint("closed_week_id", "category", "person_id"),)

    id: int | None = Field(default=None, primary_key=True)
    closed_week_id: int = Field(foreign_key="closed_week.id", index=True)
    category: str
    """A guideline's slug, or "crossed-the-aisle"."""
    person_id: int = Field(foreign_key="person.id", index=True)
    points: int
    witnesses: int
    reason: str = Field(sa_column=Column(Text, nullable=False))
    words: str = Field(sa_column=Column(Text, nullable=False))
    nomination_id: int | None = Field(default=None, foreign_key="nomination.id")
    drafted: bool = True
    """Drafted by the rules, not chosen by the lead."""
    dropped_at: datetime | None = None
    """The lead put somebody else in its place."""
    dropped_by: int | None = Field(default=None, foreign_key="person.id")
    dropped_reason: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


class Channel(SQLModel, table=True):
    """Where a team's announcements go."""

    __table_args__ = (one_of("kind", ("email", "apprise")),)

    id: int | None = Field(default=None, primary_key=True)
    team_id: int = Field(foreign_key="team.id", index=True)
    kind: str
    name: str
    target: str = Field(sa_column=Column(Text, nullable=False))
    """Addresses, or an Apprise URL: a secret, shown to nobody again."""
    active: bool = True


class Announcement(SQLModel, table=True):
    """The outbox: one row per closed week and channel, sent by lease and marked after."""

    __table_args__ = (
        UniqueConstraint("closed_week_id", "channel_id"),
        one_of("state", ("waiting", "sending", "sent", "unsure", "failed")),
        Index("ix_announcement_state_next_try_at", "state", "next_try_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    closed_week_id: int = Field(foreign_key="closed_week.id")
    channel_id: int = Field(foreign_key="channel.id")
    subject: str
    body: str = Field(sa_column=Column(Text, nullable=False))
    state: str = "waiting"
    attempts: int = 0
    created_at: datetime
    next_try_at: datetime
    leased_until: datetime | None = None
    sent_at: datetime | None = None
    error: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


class Heartbeat(SQLModel, table=True):
    """When each job of the clock last ran, and how it ended."""

    job: str = Field(primary_key=True)
    started_at: datetime
    finished_at: datetime | None = None
    error: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
