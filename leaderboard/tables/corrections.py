"""What admins set right by hand and can undo: people who are one, and a source's facts taken back by time."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Column, Index, Text
from sqlmodel import Field, SQLModel

from leaderboard.tables.base import one_of


class Merge(SQLModel, table=True):
    """Two accounts of one person made one: who became whom, by whom and why, and whether that was undone."""

    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    into_id: int = Field(foreign_key="person.id", index=True)
    was_active: bool
    """Whether the first could sign in before."""
    reason: str = Field(sa_column=Column(Text, nullable=False))
    last_event_id: int
    """Facts above it came while the two were one."""
    merged_at: datetime
    merged_by: int | None = Field(default=None, foreign_key="person.id")
    undone_at: datetime | None = None
    undone_by: int | None = Field(default=None, foreign_key="person.id")


class MergedCredit(SQLModel, table=True):
    """A credit that a merge changed, as it was before."""

    __tablename__ = "merged_credit"

    merge_id: int = Field(foreign_key="merge.id", primary_key=True)
    credit_id: int = Field(foreign_key="credit.id", primary_key=True)
    person_id: int = Field(foreign_key="person.id")
    share: int | None = None
    full_share: int | None = None
    share_why: str | None = None


class Reversal(SQLModel, table=True):
    """What a source brought in some time, taken back at once: which, by whom and why, and whether that was undone."""

    __table_args__ = (
        one_of("state", ("waiting", "done", "undoing", "undone")),
        CheckConstraint("since < until", name="span"),
        Index("ix_reversal_source", "source", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    source: str
    since: datetime
    """Facts that reached us from here on …"""
    until: datetime
    """… and before this."""
    reason: str = Field(sa_column=Column(Text, nullable=False))
    state: str = "waiting"
    """waiting and undoing: it is asked for, and nothing of it is done yet."""
    facts: int
    points: int
    people: int
    asked_at: datetime
    asked_by: int | None = Field(default=None, foreign_key="person.id")
    event_id: int | None = Field(default=None, foreign_key="event.id")
    """The fact.withdrawn that its credits name."""
    done_at: datetime | None = None
    undo_reason: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    undo_asked_at: datetime | None = None
    undo_asked_by: int | None = Field(default=None, foreign_key="person.id")
    undone_at: datetime | None = None
    told_at: datetime | None = None
    """When everybody concerned was told of its present state."""


class PastWithdrawal(SQLModel, table=True):
    """A credit was taken back and given back again: what a week that closed in between has to know at a rebuild."""

    __tablename__ = "past_withdrawal"

    credit_id: int = Field(foreign_key="credit.id", primary_key=True)
    withdrawn_by: int = Field(foreign_key="event.id", primary_key=True)
    restored_by: int = Field(foreign_key="event.id")
