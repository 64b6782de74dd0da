"""From the outside world to events."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, LargeBinary, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from leaderboard.guidelines import BY_SLUG
from leaderboard.plugin import KINDS
from leaderboard.tables.base import one_of

CAUSES = ("signature", "clock", "section", "account", "size", "plugin", "unasked", "address")
"""Why a delivery was refused: by its proof, its time stamp, another section's or account's, its size, a plugin that failed, a
source that takes none, an address that no source has."""
PULL_CAUSES = ("rights", "wait", "tool", "plugin")
"""Why a pull failed: our credentials, a tool that asks to wait, what it answered, the plugin."""


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
    """What we know of a configured source: its cursor, its last pull, how often it was refused, whether it is frozen."""

    __table_args__ = (one_of("pull_cause", PULL_CAUSES),)

    name: str = Field(primary_key=True)
    cursor: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    pulled_at: datetime | None = None
    """When a pull last reached its end."""
    pull_started_at: datetime | None = None
    pull_failures: int = 0
    pull_error: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    pull_cause: str | None = None
    """What kind of error that is; None where a pull ended well."""
    next_pull_at: datetime | None = None
    refused: int = 0
    refused_at: datetime | None = None
    refused_reason: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    accounts_at: datetime | None = None
    frozen_at: datetime | None = None
    """Since when nothing of it is posted: its deliveries wait, and its pulls."""
    frozen_by: int | None = Field(default=None, foreign_key="person.id")
    released_at: datetime | None = None
    """When it was last unfrozen: what waited is worked through from then on."""


class Refusal(SQLModel, table=True):
    """Deliveries of a source that were refused for one cause. Of those before the last good delivery nothing is told any more.

    What they held is not kept. A row per source and cause, so a flood of forgeries makes no more rows; deliveries to an address
    that no source has are counted in one row, whose source is "".
    """

    __table_args__ = (one_of("cause", CAUSES),)

    source: str = Field(primary_key=True)
    cause: str = Field(primary_key=True)
    times: int
    since: datetime
    last_at: datetime
    reason: str = Field(sa_column=Column(Text, nullable=False))
    """In the words that were answered to the last of them."""
    off: int | None = None
    """Seconds that the last one's time stamp was ahead of our clock (below 0: behind)."""


class Backfill(SQLModel, table=True):
    """A source's past, fetched again from a day on; its cursor stands beside the one of the pulls."""

    __table_args__ = (one_of("state", ("running", "stopped", "done", "failed")),)

    source: str = Field(primary_key=True)
    since: datetime
    asked_at: datetime
    asked_by: int | None = Field(default=None, foreign_key="person.id")
    state: str = "running"
    cursor: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    """None: it begins at `since`."""
    reached_at: datetime | None = None
    """The newest fact of the page that was read last."""
    pages: int = 0
    events: int = 0
    """How many facts were new."""
    known: int = 0
    failures: int = 0
    """Since it was asked for, or went on."""
    error: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    next_step_at: datetime
    """When the clock goes on; while it is at it, when another clock may take over."""
    ended_at: datetime | None = None


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
