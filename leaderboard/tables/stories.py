"""Stories, promises, and follow-ups of unhappy ratings."""

from datetime import date, datetime

from sqlalchemy import Column, Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from leaderboard.guidelines import BY_SLUG
from leaderboard.tables.base import new_uid, one_of


class Nomination(SQLModel, table=True):
    """A colleague's story about colleagues."""

    __table_args__ = (
        one_of("state", ("waiting", "accepted", "declined", "withdrawn")),
        one_of("guideline", tuple(BY_SLUG)),
        Index("ix_nomination_state_at", "state", "nominated_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    uid: str = Field(default_factory=new_uid, unique=True)
    nominator_id: int = Field(foreign_key="person.id", index=True)
    team_id: int = Field(foreign_key="team.id", index=True)
    """The team whose lead judges it: the first nominee's whose team wants a lead to, else the first nominee's."""
    guideline: str
    story: str = Field(sa_column=Column(Text, nullable=False))
    customer: str | None = None
    happened_on: date | None = None
    nominated_at: datetime
    edited_at: datetime | None = None
    state: str = "waiting"
    worth: int
    """What it earns in all, decided once when it was told; shared by the nominees."""
    full_worth: int
    worth_why: str
    """A code of points.WHY."""
    joins_id: int | None = Field(default=None, foreign_key="nomination.id")
    """The earlier story of the same words by the same nominator."""
    judged_at: datetime | None = None
    judged_by: int | None = Field(default=None, foreign_key="person.id")
    reason: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    """Why it was declined; the nominator sees it."""
    withdrawn_at: datetime | None = None
    acceptances: int = 0
    """How often it was posted: part of its event's key, so that what was taken back can be given again."""
    cosigns: int = 0


class Nominee(SQLModel, table=True):
    """Somebody a story is about, in the order the nominator named them."""

    nomination_id: int = Field(foreign_key="nomination.id", primary_key=True)
    person_id: int = Field(foreign_key="person.id", primary_key=True, index=True)
    position: int
    share: int
    """What the giver's side decided it is worth to this nominee."""
    full_share: int
    share_why: str
    """A code of points.WHY."""
    hidden_at: datetime | None = None


class CoSign(SQLModel, table=True):
    """A colleague who says: yes, that is how it was."""

    __tablename__ = "co_sign"
    __table_args__ = (UniqueConstraint("nomination_id", "person_id"),)

    id: int | None = Field(default=None, primary_key=True)
    nomination_id: int = Field(foreign_key="nomination.id")
    person_id: int = Field(foreign_key="person.id", index=True)
    signed_at: datetime
    scores: bool = True
    """Whether it is one of the co-signs that count; decided when it was signed."""
    signings: int = 1
    """How often it was posted: part of its event's key, as with a nomination's acceptances."""
    withdrawn_at: datetime | None = None


class Promise(SQLModel, table=True):
    """What, by when, who contacts the customer and when; then kept, moved in time, or missed."""

    __table_args__ = (
        one_of("state", ("open", "kept", "missed", "withdrawn")),
        one_of("confirmed_as", ("colleague", "customer", "helpdesk")),
        UniqueConstraint("source", "object"),
        Index("ix_promise_state_due", "state", "due_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    uid: str = Field(default_factory=new_uid, unique=True)
    source: str
    """`extra-mile` for our own, else the helpdesk's."""
    object: str
    """What its events name it by."""
    maker_id: int | None = Field(default=None, foreign_key="person.id", index=True)
    what: str = Field(sa_column=Column(Text, nullable=False))
    customer: str | None = None
    ticket: str | None = None
    url: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    due_at: datetime
    contact: str | None = None
    """Who contacts the customer."""
    contact_at: datetime | None = None
    authorised_by: str | None = None
    made_at: datetime
    state: str = "open"
    kept_at: datetime | None = None
    note: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    confirmed_as: str | None = None
    confirmed_by: int | None = Field(default=None, foreign_key="person.id")
    confirmed_at: datetime | None = None


class PromiseMove(SQLModel, table=True):
    """A promise moved in time: from when, to when, and whether the customer was told."""

    __tablename__ = "promise_move"

    id: int | None = Field(default=None, primary_key=True)
    promise_id: int = Field(foreign_key="promise.id", index=True)
    from_due_at: datetime
    to_due_at: datetime
    moved_at: datetime
    moved_by: int | None = Field(default=None, foreign_key="person.id")
    told: bool = False
    reason: str | None = None


class FollowUp(SQLModel, table=True):
    """An unhappy rating, followed up along Listen, Apologize, Solve, Thank. Costs nobody a point."""

    __tablename__ = "follow_up"
    __table_args__ = (one_of("state", ("open", "done")),)

    id: int | None = Field(default=None, primary_key=True)
    event_id: int = Field(foreign_key="event.id", unique=True)
    person_id: int | None = Field(default=None, foreign_key="person.id", index=True)
    opened_at: datetime
    state: str = "open"
    done_at: datetime | None = None
    done_by: int | None = Field(default=None, foreign_key="person.id")
    note: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
