"""From the outside world to events."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, LargeBinary, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from leaderboard.guidelines import BY_SLUG
from leaderboard.plugin import KINDS
from leaderboard.tables.base import one_of


class Delivery(SQLModel, table=True):
    """One webhook call as it came. Pending and failed ones are tried again by the clock."""

    __table_args__ = (
        one_of("state", ("pending", "done", "ignored", "failed")),
        Index("ix_delivery_source_received_at", "source", "received_at"),
        Index("ix_delivery_state_next_try_at", "state", "next_try_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    source: str
    received_at: datetime
    body: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    headers: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    url: str = ""
    state: str
    reason: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    events: int = 0
    """How many new events it brought."""
    repeated: int = 0
    """How many of its events were known already."""
    attempts: int = 1
    next_try_at: datetime | None = None
    worked_at: datetime | None = None


class Source(SQLModel, table=True):
    """What we know of a configured source: its cursor, its last pull, and how often it was refused."""

    name: str = Field(primary_key=True)
    cursor: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    pulled_at: datetime | None = None
    """When a pull last reached its end."""
    pull_started_at: datetime | None = None
    pull_failures: int = 0
    pull_error: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    next_pull_at: datetime | None = None
    refused: int = 0
    refused_at: datetime | None = None
    refused_reason: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    accounts_at: datetime | None = None


class Event(SQLModel, table=True):
    """One normalised fact. Everything that earns is an event; (source, key) makes it unique for ever."""

    __table_args__ = (
        UniqueConstraint("source", "key"),
        one_of("kind", KINDS),
        one_of("guideline", tuple(BY_SLUG)),
        Index("ix_event_object", "source", "object"),
        Index("ix_event_ticket", "source", "ticket", "occurred_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    source: str
    key: str
    kind: str
    guideline: str | None = None
    occurred_at: datetime
    posted_at: datetime
    giver_id: int | None = Field(default=None, foreign_key="person.id", index=True)
    giver: str | None = None
    """The giver's account in the tool."""
    customer: str | None = None
    customer_key: str | None = None
    """What stays of the customer for the rules: a hash."""
    object: str | None = None
    ticket: str | None = None
    due_at: datetime | None = None
    text: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    url: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    evidence: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    delivery_id: int | None = Field(default=None, foreign_key="delivery.id")
